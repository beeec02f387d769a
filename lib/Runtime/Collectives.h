// What several processes compute together: the functions that kernels call, over functions that
// move bytes between processes, which others' libraries have (MPI, gloo).
#pragma once

#include "lib/Runtime/Library.h"
#include "lib/Support/Error.h"

#include <cstdint>
#include <memory>
#include <string>

namespace weft {

struct EventSource;

/// Moves bytes among the members of a group, all of which call it. `bytes` is what one member gives
/// to one other. Returns 0, or fills `error` (256 bytes) and returns another number: then the group
/// is of no use any more.
using MoveBytes = int (*)(int64_t group, const void *from, void *to, int64_t bytes, int64_t first,
                          int64_t second, char *error);

/// How processes are connected.
struct Connection {
  /// `to` has what all members gave, in their order.
  MoveBytes allGather = nullptr;
  /// Part i of `from` goes to member i; part i of `to` is from member i.
  MoveBytes allToAll = nullptr;
  /// `to`, in place: what member `first` has.
  MoveBytes broadcast = nullptr;
  /// `from` goes to member `first`, `to` is from member `second`; -1: none.
  MoveBytes exchange = nullptr;
};

/// What goes wrong between processes.
class CommunicationError : public Error {
public:
  explicit CommunicationError(const std::string &message) : Error(Kind::Unsupported, message) {}
};

/// Connects this process; null functions disconnect it. Without `compares` members do not compare
/// what they are about to do.
void connectProcesses(const Connection &connection, bool compares);
/// That of a process that is alone.
Connection connectionToNobody();
/// Says which member of a group this process is, and of how many.
void addGroup(int64_t group, int64_t member, int64_t members);
/// Checks that all members of a group say the same words at this place of their programs; throws
/// CommunicationError in all of them otherwise.
void agree(int64_t group, const std::string &name, const std::string &line,
           const std::string &words);
/// Tells the other members, who wait for this one's next collective, that it can't take part.
void tellRefusal(int64_t group, const std::string &reason);
/// Why the processes can't go on together; empty if they can.
std::string brokenConnection();
/// Whether there is a reason, without waiting for what is being sent.
bool isConnectionBroken();
/// How many sums were begun beside other work and are not waited for yet.
size_t sumsUnderWay();

/// The functions by the names that kernels call them by: "weft_collective_all_reduce". Each takes
/// the places of the operand, the result (or null), the token and the next one, and numbers: dtype,
/// group, members, how many collectives the group has in the program and their hash, how many
/// options there are, these, the operand's rank, its sizes. "weft_collective_start_all_reduce" has
/// no result, and hands the sum to a thread that sends; the next token is its number, which
/// "weft_collective_finish_all_reduce" takes as its operand.
std::span<const LibraryFunction> collectiveFunctions();

/// A function of the list, as kernels call it. Null if there is none of this name.
using CollectiveFunction = void (*)(const void *, void *, const int32_t *, int32_t *,
                                    const int64_t *);
CollectiveFunction findCollective(std::string_view name);

/// While it lives, one execution runs on this thread. What it has begun to send and does not wait
/// for, since something else failed, is forgotten at its end.
class SentByExecution {
public:
  SentByExecution() : outer(current) { current = this; }
  ~SentByExecution() {
    current = outer;
    if (number > 0)
      forget();
  }
  SentByExecution(const SentByExecution &) = delete;
  SentByExecution &operator=(const SentByExecution &) = delete;

  /// The number of the execution on this thread, which no other has; 0 if there is none. An
  /// execution has none before it is asked for.
  static uint64_t currentNumber();

private:
  void forget() const noexcept;

  static thread_local SentByExecution *current;
  SentByExecution *outer;
  uint64_t number = 0;
};

/// While it lives, a kernel of this source runs on this thread.
class RunningKernel {
public:
  explicit RunningKernel(const std::shared_ptr<const EventSource> &source) {
    current = source.get();
  }
  ~RunningKernel() { current = nullptr; }
  RunningKernel(const RunningKernel &) = delete;
  RunningKernel &operator=(const RunningKernel &) = delete;

  static thread_local const EventSource *current;
};

} // namespace weft
