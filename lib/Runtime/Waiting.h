// Who waits for whom among processes: those who wait for each other in different groups hear it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct CollectiveCall;

/// One process in one move of a group, which ends once the members it waits for have begun theirs.
/// Nothing of it becomes untrue when the process goes on.
struct Wait {
  int64_t process = 0;
  /// Grows with each telling.
  int64_t beat = 0;
  int64_t group = 0;
  /// The process that has to come; -1: all members.
  int64_t awaited = -1;
  /// The processes of the group.
  std::vector<int64_t> members;
  /// How many moves the process has begun in each of its groups, this one included.
  std::map<int64_t, int64_t> moves;
  /// "all_reduce of float32[3] of processes 0, 1, at file.py:12"
  std::string words;

  std::string written() const;
  /// Nothing if `written` has not given it: another version of Weft has.
  static std::optional<Wait> read(std::string_view bytes);

  /// Whether it lasts until the other one, of a member of the group, has ended, at least.
  bool isFor(const Wait &other) const;
};

/// What processes that wait tell each other, so that those who wait for each other hear it instead
/// of the timeout. Used by the thread that runs a collective: a function that moves bytes asks here
/// while it waits.
class ProcessWaits {
public:
  static ProcessWaits &process();

  /// There is another connection.
  void forget() { *this = {}; }
  void isProcess(int64_t number) { own.process = number; }
  void addGroup(int64_t group, const std::vector<int64_t> &processes);

  /// This process begins a move; both arguments live as long as it does.
  /// `awaited` is the member that has to come; -1: all.
  void beginMove(const CollectiveCall &call, const std::string &line, int64_t awaited);

  /// About each second: what all other processes are to hear.
  std::string tell();
  /// What another one has told.
  void hear(std::string_view told);
  /// Whether this process waits, however long, for one that waits for it, or for others that do.
  bool isEndless();

  /// Who waits for each other.
  std::string endless();
  /// Who has not come in so many seconds.
  std::string late(double seconds);

private:
  using Clock = std::chrono::steady_clock;
  struct Known {
    Wait wait;
    Clock::time_point heard;
  };

  Wait current() const;
  std::vector<Wait> circle() const;
  std::string missing(const Wait &wait) const;

  /// The processes of each group, and what this one has begun there.
  std::map<int64_t, std::vector<int64_t>> groups;
  Wait own;
  const CollectiveCall *call = nullptr;
  const std::string *line = nullptr;
  /// What the others have told last.
  std::map<int64_t, Known> known;
};

} // namespace weft
