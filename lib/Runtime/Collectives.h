// What several processes compute together: the functions that kernels call, over functions that
// move bytes between processes, which others' libraries have (MPI, gloo).
#pragma once

#include "lib/Runtime/Library.h"
#include "lib/Support/Error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct CollectiveCall;
struct EventSource;

/// Moves bytes among the members of a group, all of which call it. `bytes` is what one member gives
/// to one other. Returns 0, a `MoveStatus`, or fills `error` (256 bytes) and returns another
/// number: then the group is of no use any more.
using MoveBytes = int (*)(int64_t group, const void *from, void *to, int64_t bytes, int64_t first,
                          int64_t second, char *error);

enum MoveStatus : int {
  /// The user has ended the work in progress.
  InterruptedMove = 2,
  /// `ProcessWaits::isEndless` says so.
  EndlessMove = 3,
  /// The timeout is over.
  LateMove = 4,
};

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

  /// Members do not compare what they are about to do without it.
  bool compares = true;
  /// Whether devices may move bytes without their hosts, and add in an order of their own.
  bool linksDevices = true, anyOrder = false;
  /// For so many seconds one waits for the others.
  double timeout = 300;
};

/// What goes wrong between processes.
class CommunicationError : public Error {
public:
  explicit CommunicationError(const std::string &message) : Error(Kind::Unsupported, message) {}
};

/// Connects this process; null functions disconnect it.
void connectProcesses(const Connection &connection);
/// That of a process that is alone.
Connection connectionToNobody();
/// Says which member of a group this process is, and which processes the members are.
void addGroup(int64_t group, int64_t member, const std::vector<int64_t> &processes);
/// Checks that all members of a group say the same words at this place of their programs; throws
/// CommunicationError in all of them otherwise.
void agree(int64_t group, const std::string &name, const std::string &line,
           const std::string &words);
/// Tells the other members, who wait for this one's next collective, that it can't take part.
void tellRefusal(int64_t group, const std::string &reason);
/// Nothing goes on together any more, for this reason.
void breakConnection(const std::string &reason);
/// Why the processes can't go on together; empty if they can.
std::string brokenConnection();
/// Whether there is a reason, without waiting for what is being sent.
bool isConnectionBroken();
/// How many collectives were begun beside other work and are not waited for yet.
size_t collectivesUnderWay();

/// The functions by the names that kernels call them by: "weft_collective_all_reduce". Each takes
/// the places of the operand, the result (or null), the token and the next one, and numbers: dtype,
/// group, members, how many collectives the group has in the program and their hash, how many
/// options there are, these, the operand's rank, its sizes. "weft_collective_start_collective" has
/// no result, and hands what its option names to a thread that sends; the next token is its number,
/// which "weft_collective_finish_collective" takes as its operand.
std::span<const LibraryFunction> collectiveFunctions();

/// A function of the list, as kernels call it. Null if there is none of this name.
using CollectiveFunction = void (*)(const void *, void *, const int32_t *, int32_t *,
                                    const int64_t *);
CollectiveFunction findCollective(std::string_view name);

/// How far members' devices can do a collective without their hosts. What all can do counts.
enum class DeviceWay : uint64_t {
  None,
  /// With the bits of the hosts.
  Alike,
  /// Sums in an order of their own.
  AnyOrder,
};

/// A collective in its turn, which all members' devices do without their hosts.
struct DeviceTurn {
  const CollectiveCall &call;
  DeviceWay way;
  /// This process among the members, and the numbers of the members' devices.
  int64_t member;
  std::span<const uint64_t> devices;
  /// The user's line; empty if there is none.
  std::string line;
  /// What member 0 has, for all, by the hosts. Throws what breaks the connection.
  std::function<void(void *, int64_t bytes)> broadcast;
};

/// How one member's device does one collective.
class DeviceCollective {
public:
  virtual ~DeviceCollective() = default;

  /// What it can do, and a number that no other device has.
  virtual DeviceWay way(const CollectiveCall &call) const = 0;
  virtual uint64_t device() const = 0;
  /// Takes the memory that `run` needs. What it throws all members hear, and nothing has happened.
  virtual void reserve(const CollectiveCall &call) = 0;
  /// Does it. What it throws breaks the connection, and so do the next two.
  virtual void run(const DeviceTurn &turn) = 0;
  /// The operand in the host's memory, and the result from there, where a member can't.
  virtual void read(void *to, uint64_t bytes) = 0;
  virtual void write(const void *from, uint64_t bytes) = 0;
};

/// Runs a collective of the list below in its turn by the members' devices, or by their hosts where
/// one of them is a host or two of them are one device.
void communicateByDevice(std::string_view function, const int64_t *numbers,
                         DeviceCollective &device);

/// What devices are allowed (`Connection`), and for how long they wait.
struct DeviceRules {
  bool linksDevices, anyOrder;
  double timeout;
  /// Grows by one with each connection.
  uint64_t connection;
};
DeviceRules deviceRules();

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
