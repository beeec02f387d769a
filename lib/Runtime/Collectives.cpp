#include "lib/Runtime/Collectives.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/CollectiveCall.h"
#include "lib/Runtime/KernelFailure.h"
#include "lib/Runtime/Recorder.h"
#include "lib/Runtime/SendingThread.h"
#include "lib/Runtime/Waiting.h"
#include "lib/Support/Interpreter.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

namespace weft {

thread_local const EventSource *RunningKernel::current = nullptr;
thread_local SentByExecution *SentByExecution::current = nullptr;

namespace {

/// What a member says of the collective that it is about to run: a sequence number and a hash, and
/// where these differ a text.
constexpr int64_t textBytes = 512;
constexpr const char *noMemory = "there is no memory for the parts of the members";

struct Member {
  int64_t number = 0, members = 1;
  /// How many collectives the group has run.
  uint64_t sequence = 0;
};

/// Thrown within one collective, and kept for whoever runs the kernel.
struct Stop {
  std::string message;
  bool isInterrupt, breaks;
};

struct Started;

/// The one connection of the process. A collective holds its lock, so that two threads' do not mix.
struct State {
  std::mutex lock;
  Connection connection;
  /// How many there were.
  uint64_t connections = 0;
  std::map<int64_t, Member> groups;

  /// Runs what is sent beside other work, in its order.
  SendingThread sending;
  /// What was begun and is not waited for yet, by number; the sending thread's guard is theirs.
  std::map<int32_t, std::shared_ptr<Started>> started;
  /// What went wrong beside other work last, and in which execution: nothing else of it is sent, as
  /// the other members, who know, send nothing else either.
  std::optional<Stop> failure;
  uint64_t failedExecution = 0;

  void breakUp(const std::string &reason) {
    std::lock_guard held(brokenLock);
    if (broken.empty())
      broken = reason;
    isBroken = true;
  }
  std::string whyBroken() {
    std::lock_guard held(brokenLock);
    return broken;
  }
  void mend() {
    std::lock_guard held(brokenLock);
    broken.clear();
    isBroken = false;
  }
  std::atomic<bool> isBroken = false;

  static State &process() {
    static State &state = *new State;
    return state;
  }

private:
  std::mutex brokenLock;
  std::string broken;
};

std::string userLine() {
  const EventSource *source = RunningKernel::current;
  return source && !source->lines.empty() ? source->lines.front() : std::string();
}

//===----------------------------------------------------------------------===//
// One collective
//===----------------------------------------------------------------------===//

class Collective {
public:
  Collective(State &state, const CollectiveCall &call, std::string line)
      : state(state), call(call), line(std::move(line)) {
    if (!state.connection.allGather)
      stop("this process is connected to no others; call weft.distributed.init() first", false);
    if (state.isBroken)
      stop("the processes can't go on together since: " + state.whyBroken(), false);
    auto found = state.groups.find(call.group);
    std::string missing = "there is no group " + std::to_string(call.group) + " of " +
                          std::to_string(call.members) +
                          " processes here; start as many as the program was traced for";
    if (found == state.groups.end())
      stop(missing, false);
    own = &found->second;
    if (own->members != call.members)
      refuse(missing);
  }

  /// What a member says of itself before each collective.
  struct Header {
    uint64_t sequence, hash, way, device;
  };

  /// Checks that all members are about to do the same, which is what the call says. Returns how far
  /// their devices do it, and fills the numbers of these.
  DeviceWay compare(DeviceWay way = DeviceWay::None, uint64_t device = 0,
                    std::vector<uint64_t> *devices = nullptr) {
    std::string where = line.empty() ? "" : line + ": ";
    std::vector<Header> headers =
        compare(call.text(), where, ", in a program with " + std::to_string(call.programCount),
                {.sequence = 0, .hash = 0, .way = uint64_t(way), .device = device});
    if (way == DeviceWay::None || headers.empty())
      return DeviceWay::None;
    for (const Header &header : headers) {
      way = std::min(way, static_cast<DeviceWay>(header.way));
      if (std::ranges::find(*devices, header.device) != devices->end())
        way = DeviceWay::None;
      devices->push_back(header.device);
    }
    return way;
  }

  /// Tells the others, who wait for this member, that it can't take part: all get an error.
  [[noreturn]] void refuse(const std::string &reason) {
    compare("can't take part: " + reason, line.empty() ? "" : line + ": ", "");
    stop(reason, false);
  }

  /// Checks that all members say the same at this place of their programs; returns their headers,
  /// none if they do not compare.
  std::vector<Header> compare(const std::string &said, const std::string &before,
                              const std::string &after, Header header = {}) {
    header.sequence = own->sequence++;
    if (!state.connection.compares || own->members == 1)
      return {};
    // FNV-1a.
    uint64_t hash = 14695981039346656037U;
    for (char letter : said)
      hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211U;
    header.hash = hash ^ (static_cast<uint64_t>(call.programHash) << 8);
    std::vector<Header> headers(static_cast<size_t>(own->members));
    allGather(&header, headers.data(), sizeof header);
    if (std::ranges::any_of(headers, [&](const Header &other) {
          return other.sequence != header.sequence || other.hash != header.hash;
        }))
      reportDifference(before + said + ", its number " + std::to_string(header.sequence) + after);
    return headers;
  }

  /// What a body needs besides operand and result. All of it is there before the members compare
  /// what they do: behind that, none may fail alone.
  void reserve(size_t bytes) {
    try {
      scratch = std::make_unique_for_overwrite<char[]>(std::max<size_t>(1, bytes));
    } catch (const std::bad_alloc &) {
      refuse(noMemory);
    }
  }

  void allReduce(const void *x, void *result) {
    allReduce(x, result, static_cast<Reduction>(call.options[0]));
  }

  void allReduce(const void *x, void *result, Reduction reduction) {
    auto bytes = static_cast<size_t>(call.bytes());
    char *parts = scratch.get();
    std::memcpy(parts, x, bytes);
    allReduce(parts, parts + call.partsBytes(), reduction);
    std::memcpy(result, parts, bytes);
  }

  /// How many more its sum takes.
  static size_t sumBytes(const CollectiveCall &call) {
    if (call.bytes() <= smallBytes)
      return static_cast<size_t>(call.bytes() * call.members);
    return static_cast<size_t>(call.partsBytes() + call.partsBytes() / call.members);
  }

  /// The sum of what the parts are of, in their place.
  void allReduce(char *parts, char *room, Reduction reduction) {
    int64_t count = call.elements(), bytes = call.bytes();
    if (bytes <= smallBytes) {
      allGather(parts, room, bytes);
      return reduceParts(call.dtype, room, parts, call.members, count, reduction);
    }
    // Each member reduces a part, and all get it.
    int64_t partBytes = call.partsBytes() / call.members;
    char *reduced = room + call.partsBytes();
    move(state.connection.allToAll, parts, room, partBytes);
    reduceParts(call.dtype, room, reduced, call.members, partBytes / call.elementBytes(),
                reduction);
    allGather(reduced, parts, partBytes);
  }

  void reduce(const void *x, void *result) {
    int64_t bytes = call.bytes();
    allReduce(x, result, Reduction::Sum);
    if (call.options[0] != own->number)
      std::memset(result, 0, static_cast<size_t>(bytes));
  }

  void reduceScatter(const void *x, void *result) {
    int64_t count = call.elements(1), bytes = count * call.elementBytes();
    move(state.connection.allToAll, x, scratch.get(), bytes);
    reduceParts(call.dtype, scratch.get(), result, call.members, count, Reduction::Sum);
  }

  void allGather(const void *x, void *result) { allGather(x, result, call.bytes()); }

  void allToAll(const void *x, void *result) {
    move(state.connection.allToAll, x, result, call.elements(1) * call.elementBytes());
  }

  void broadcast(const void *x, void *result) {
    int64_t bytes = call.bytes();
    std::memmove(result, x, static_cast<size_t>(bytes));
    move(state.connection.broadcast, nullptr, result, bytes, call.options[0], call.options[0]);
  }

  void permute(const void *x, void *result) {
    int64_t bytes = call.bytes();
    int64_t source = -1, destination = call.options[own->number];
    for (int64_t member = 0; member < call.members; ++member)
      if (call.options[member] == own->number)
        source = member;
    if (source < 0)
      std::memset(result, 0, static_cast<size_t>(bytes));
    if (source == own->number) {
      std::memmove(result, x, static_cast<size_t>(bytes));
      source = destination = -1;
    }
    // All call it, so that all have moved as often.
    if (call.members > 1)
      move(state.connection.exchange, x, result, bytes, source < 0 ? own->number : source,
           destination, source);
  }

  /// The memory that was reserved.
  char *reserved() { return scratch.get(); }

  int64_t member() const { return own->number; }
  void broadcastBytes(void *to, int64_t bytes) {
    move(state.connection.broadcast, nullptr, to, bytes, 0);
  }

private:
  /// Up to here one message to all is sooner there than parts and their sums.
  static constexpr int64_t smallBytes = 4096;

  [[noreturn]] void stop(const std::string &message, bool breaks) const {
    throw Stop{std::string(call.name) + ": " + message, false, breaks};
  }

  /// `awaited` is the one member that has to come; -1: all.
  void move(MoveBytes function, const void *from, void *to, int64_t bytes, int64_t awaited = -1,
            int64_t first = 0, int64_t second = 0) {
    if (bytes == 0)
      return;
    ProcessWaits &waits = ProcessWaits::process();
    waits.beginMove(call, line, awaited);
    std::array<char, 256> error{};
    int status = function(call.group, from, to, bytes, first, second, error.data());
    if (status == InterruptedMove)
      throw Stop{std::string(call.name) + ": interrupted", true, true};
    if (status == EndlessMove)
      stop(waits.endless(), true);
    if (status == LateMove)
      stop(waits.late(state.connection.timeout), true);
    if (status != 0)
      stop(error.data(), true);
  }
  void allGather(const void *from, void *to, int64_t bytes) {
    move(state.connection.allGather, from, to, bytes);
  }

  /// Shows each other's words to all members, which do not say the same.
  [[noreturn]] void reportDifference(std::string words) {
    words.resize(textBytes - 1);
    words.push_back('\0');
    std::vector<char> texts(static_cast<size_t>(textBytes * own->members));
    allGather(words.data(), texts.data(), textBytes);
    std::string message =
        "the processes are about to do different things, or run different programs";
    // Members of the group of all have the numbers of the processes.
    std::string who = call.group == 0 ? "\n  process " : "\n  member ";
    for (int64_t member = 0; member < own->members; ++member)
      message += who + std::to_string(member) + ": " + &texts[member * textBytes];
    stop(message, false);
  }

  State &state;
  const CollectiveCall &call;
  std::string line;
  Member *own = nullptr;
  std::unique_ptr<char[]> scratch;
};

void keep(const Stop &stopped, const std::string &line) {
  std::string where = line.empty() ? "" : line + ": ";
  KernelFailure::keep(stopped.isInterrupt
                          ? std::make_exception_ptr(Interrupted())
                          : std::make_exception_ptr(CommunicationError(where + stopped.message)));
}

/// What goes wrong when a body runs, if something does: the connection is broken then, or not.
template <typename Body> std::optional<Stop> stopOf(State &state, const char *name, Body body) {
  std::optional<Stop> stopped;
  try {
    body();
  } catch (const Stop &found) {
    stopped = found;
  } catch (const Interrupted &) {
    stopped = Stop{std::string(name) + ": interrupted", true, true};
  } catch (const std::bad_alloc &) {
    stopped = Stop{std::string(name) + ": " + noMemory, false, true};
  } catch (const Error &error) {
    stopped = Stop{std::string(name) + ": " + error.what(), false, true};
  }
  if (stopped && stopped->breaks)
    state.breakUp(stopped->message);
  return stopped;
}

/// What went wrong before in an execution, beside other work.
std::optional<Stop> failureOf(State &state, uint64_t execution) {
  std::lock_guard held(state.sending.guard());
  return execution > 0 && state.failedExecution == execution ? state.failure : std::nullopt;
}

void follow(const int32_t *token, int32_t *next) {
  if (next)
    *next = static_cast<int32_t>(static_cast<uint32_t>(*token) + 1);
}

//===----------------------------------------------------------------------===//
// The kinds of collectives
//===----------------------------------------------------------------------===//

/// What one kind has in common, in its turn.
struct Kind {
  const char *name;
  /// What the body needs besides operand and result, and how many bytes the result has.
  size_t (*scratchBytes)(const CollectiveCall &);
  int64_t (*resultBytes)(const CollectiveCall &);
  void (Collective::*body)(const void *, void *);
};

int64_t alike(const CollectiveCall &call) { return call.bytes(); }
int64_t gathered(const CollectiveCall &call) { return alike(call) * call.members; }
int64_t scattered(const CollectiveCall &call) { return call.elements(1) * call.elementBytes(); }

size_t nothing(const CollectiveCall &) { return 0; }
size_t parts(const CollectiveCall &call) { return static_cast<size_t>(alike(call)); }
size_t sums(const CollectiveCall &call) {
  return static_cast<size_t>(call.partsBytes()) + Collective::sumBytes(call);
}

constexpr const char *sumName = "all_reduce";

constexpr Kind kinds[] = {
    {sumName, sums, alike, &Collective::allReduce},
    {"reduce", sums, alike, &Collective::reduce},
    {"reduce_scatter", parts, scattered, &Collective::reduceScatter},
    {"all_gather", nothing, gathered, &Collective::allGather},
    {"all_to_all", nothing, alike, &Collective::allToAll},
    {"collective_broadcast", nothing, alike, &Collective::broadcast},
    {"permute_members", nothing, alike, &Collective::permute},
};

/// Runs a body in its turn, behind all that was begun before.
template <typename Body>
std::optional<Stop> inTurn(const CollectiveCall &call, const std::string &line, Body body) {
  // Two threads of this process wait for each other without the interpreter.
  InterpreterReleased released;
  State &state = State::process();
  return stopOf(state, call.name, [&] {
    state.sending.waitUntilIdle();
    if (std::optional<Stop> before = failureOf(state, SentByExecution::currentNumber()))
      throw Stop(*before);
    std::lock_guard guard(state.lock);
    Collective collective(state, call, line);
    body(collective);
  });
}

/// Runs one; what goes wrong is thrown behind the kernel (`KernelFailure`).
template <size_t number>
void run(const void *x, void *result, const int32_t *token, int32_t *next, const int64_t *numbers) {
  const Kind &kind = kinds[number];
  CollectiveCall call(kind.name, numbers);
  std::string line = userLine();
  std::optional<Stop> stopped = inTurn(call, line, [&](Collective &collective) {
    // Behind the scratch memory there is room for a result that nobody reads.
    size_t scratch = kind.scratchBytes(call);
    collective.reserve(scratch + (result ? 0 : static_cast<size_t>(kind.resultBytes(call))));
    collective.compare();
    (collective.*kind.body)(x, result ? result : collective.reserved() + scratch);
  });
  if (stopped)
    keep(*stopped, line);
  follow(token, next);
}

//===----------------------------------------------------------------------===//
// What is sent beside other work
//===----------------------------------------------------------------------===//

/// By the number that the two ends of a collective have as their option.
const Kind &startedKind(const int64_t *numbers) {
  constexpr size_t places[] = {0, 3, 2};
  return kinds[places[CollectiveCall("", numbers).options[0]]];
}

/// What was begun. The sending thread and whoever waits have it together, so that either may be
/// gone; nothing in it is the execution's own memory.
struct Started {
  Started(std::vector<int64_t> given, std::string line, uint64_t execution)
      : numbers(std::move(given)),
        kind(startedKind(numbers.data())),
        call(kind.name, numbers.data()),
        line(std::move(line)),
        execution(execution) {}
  Started(const Started &) = delete;
  Started &operator=(const Started &) = delete;

  /// Copies the operand, and makes room for the result: that of a sum is where its operand was.
  void take(const void *x) {
    auto room = static_cast<size_t>(isSum() ? call.partsBytes() : call.bytes());
    operand = Allocator::process().allocate(room);
    std::memcpy(operand->data(), x, static_cast<size_t>(call.bytes()));
    if (!isSum())
      result = Allocator::process().allocate(static_cast<uint64_t>(kind.resultBytes(call)));
  }

  void run(Collective &collective) {
    collective.reserve(isSum() ? Collective::sumBytes(call) : kind.scratchBytes(call));
    collective.compare();
    if (isSum())
      return collective.allReduce(static_cast<char *>(operand->data()), collective.reserved(),
                                  Reduction::Sum);
    (collective.*kind.body)(operand->data(), result->data());
    operand = {};
  }

  void copyTo(void *to) const {
    std::memcpy(to, (isSum() ? operand : result)->data(),
                static_cast<size_t>(kind.resultBytes(call)));
  }

  std::vector<int64_t> numbers;
  const Kind &kind;
  CollectiveCall call;
  std::string line;
  uint64_t execution;
  std::optional<Stop> stopped;
  bool isDone = false;

private:
  bool isSum() const { return &kind == &kinds[0]; }

  // Memory of the allocator is there again for the next step; fresh pages would take as long as
  // sending.
  StorageRef operand, result;
};

/// What the sending thread does with one, unless one before it has failed.
void send(State &state, Started &started) {
  std::optional<Stop> stopped = failureOf(state, started.execution);
  if (!stopped)
    stopped = stopOf(state, started.kind.name, [&] {
      std::lock_guard guard(state.lock);
      Collective collective(state, started.call, started.line);
      started.run(collective);
    });
  std::lock_guard held(state.sending.guard());
  if (stopped) {
    state.failure = stopped;
    state.failedExecution = started.execution;
  }
  started.stopped = std::move(stopped);
  started.isDone = true;
}

/// How many numbers a call has.
size_t countOf(const int64_t *numbers) {
  int64_t options = numbers[5], rank = numbers[6 + options];
  return static_cast<size_t>(7 + options + rank);
}

/// Hands one to the sending thread; the reason if that can't be.
std::string begin(State &state, const void *x, const int32_t *number, const int64_t *numbers) {
  std::string reason;
  try {
    auto made = std::make_shared<Started>(std::vector<int64_t>(numbers, numbers + countOf(numbers)),
                                          userLine(), SentByExecution::currentNumber());
    made->take(x);
    if (number) {
      std::lock_guard held(state.sending.guard());
      state.started[*number] = made;
    }
    state.sending.push([&state, made] { send(state, *made); });
    return reason;
  } catch (const std::bad_alloc &) {
    reason = noMemory;
  } catch (const Error &) {
    reason = noMemory;
  } catch (const std::system_error &error) {
    reason = std::string("the thread that sends can't be started: ") + error.what();
  }
  std::lock_guard held(state.sending.guard());
  if (number)
    state.started.erase(*number);
  return reason;
}

/// Tells the other members, in the turn of what can't be begun here, why they wait in vain.
void refuseInTurn(const CollectiveCall &call, const std::string &reason) {
  std::string line = userLine();
  std::optional<Stop> stopped =
      inTurn(call, line, [&](Collective &collective) { collective.refuse(reason); });
  if (stopped)
    keep(*stopped, line);
}

void start(const void *x, void *, const int32_t *token, int32_t *next, const int64_t *numbers) {
  State &state = State::process();
  follow(token, next);
  std::string reason = begin(state, x, next, numbers);
  if (!reason.empty())
    refuseInTurn(CollectiveCall(startedKind(numbers).name, numbers), reason);
}

void finish(const void *number, void *result, const int32_t *token, int32_t *next,
            const int64_t *numbers) {
  InterpreterReleased released;
  State &state = State::process();
  const char *name = startedKind(numbers).name;
  std::shared_ptr<Started> found;
  std::optional<Stop> stopped = stopOf(state, name, [&] {
    {
      std::lock_guard held(state.sending.guard());
      auto place = state.started.find(*static_cast<const int32_t *>(number));
      if (place == state.started.end())
        throw Stop{std::string(name) + ": nobody has begun it", false, true};
      found = place->second;
    }
    state.sending.wait([&] { return found->isDone; });
    {
      std::lock_guard held(state.sending.guard());
      state.started.erase(*static_cast<const int32_t *>(number));
    }
    if (found->stopped)
      throw Stop(*found->stopped);
    if (result)
      found->copyTo(result);
  });
  if (stopped)
    keep(*stopped, found ? found->line : userLine());
  follow(token, next);
}

} // namespace

std::span<const LibraryFunction> collectiveFunctions() {
  static const LibraryFunction functions[] = {
      {"weft_collective_all_reduce", reinterpret_cast<void *>(&run<0>)},
      {"weft_collective_reduce", reinterpret_cast<void *>(&run<1>)},
      {"weft_collective_reduce_scatter", reinterpret_cast<void *>(&run<2>)},
      {"weft_collective_all_gather", reinterpret_cast<void *>(&run<3>)},
      {"weft_collective_all_to_all", reinterpret_cast<void *>(&run<4>)},
      {"weft_collective_collective_broadcast", reinterpret_cast<void *>(&run<5>)},
      {"weft_collective_permute_members", reinterpret_cast<void *>(&run<6>)},
      {"weft_collective_start_collective", reinterpret_cast<void *>(&start)},
      {"weft_collective_finish_collective", reinterpret_cast<void *>(&finish)},
  };
  return functions;
}

CollectiveFunction findCollective(std::string_view name) {
  for (const LibraryFunction &function : collectiveFunctions())
    if (name == function.name)
      return reinterpret_cast<CollectiveFunction>(function.address);
  return nullptr;
}

/// The kind of a function of the list; what is begun is what is done at once.
static const Kind &kindOf(std::string_view function, const int64_t *numbers) {
  constexpr std::string_view prefix = "weft_collective_";
  std::string_view name = function.substr(prefix.size());
  const Kind *found = std::ranges::find(kinds, name, &Kind::name);
  return found == std::end(kinds) ? startedKind(numbers) : *found;
}

void communicateByDevice(std::string_view function, const int64_t *numbers,
                         DeviceCollective &device) {
  const Kind &kind = kindOf(function, numbers);
  CollectiveCall call(kind.name, numbers);
  std::string line = userLine();
  std::optional<Stop> stopped = inTurn(call, line, [&](Collective &collective) {
    size_t scratch = kind.scratchBytes(call);
    auto read = static_cast<size_t>(call.bytes());
    auto written = static_cast<size_t>(kind.resultBytes(call));
    collective.reserve(scratch + read + written);
    try {
      device.reserve(call);
    } catch (const Error &error) {
      collective.refuse(error.what());
    }
    std::vector<uint64_t> devices;
    DeviceWay way = collective.compare(device.way(call), device.device(), &devices);
    if (way != DeviceWay::None)
      return device.run({call, way, collective.member(), devices, line,
                         [&](void *to, int64_t bytes) { collective.broadcastBytes(to, bytes); }});
    char *x = collective.reserved() + scratch;
    device.read(x, read);
    (collective.*kind.body)(x, x + read);
    device.write(x + read, written);
  });
  if (stopped)
    keep(*stopped, line);
  KernelFailure::throwIfKept();
}

DeviceRules deviceRules() {
  // Who has the lock may wait for the interpreter.
  InterpreterReleased released;
  State &state = State::process();
  std::lock_guard guard(state.lock);
  const Connection &connection = state.connection;
  // Without comparisons nobody knows what the others' devices can do.
  return {connection.linksDevices && connection.compares && connection.allGather,
          connection.anyOrder, connection.timeout, state.connections};
}

/// What all members of a group do in their programs' order that moves no tensor.
template <typename Do>
static std::optional<Stop> besideTensors(int64_t group, const std::string &name,
                                         const std::string &line, Do action) {
  InterpreterReleased released;
  State &state = State::process();
  return stopOf(state, name.c_str(), [&] {
    state.sending.waitUntilIdle();
    std::lock_guard guard(state.lock);
    auto found = state.groups.find(group);
    int64_t members = found == state.groups.end() ? 0 : found->second.members;
    std::vector<int64_t> numbers = {0, group, members, 1, 0, 0, 0};
    CollectiveCall call(name.c_str(), numbers.data());
    Collective collective(state, call, line);
    action(collective);
  });
}

void agree(int64_t group, const std::string &name, const std::string &line,
           const std::string &words) {
  std::string before = line.empty() ? "" : line + ": ";
  std::optional<Stop> stopped = besideTensors(
      group, name, line, [&](Collective &collective) { collective.compare(words, before, ""); });
  if (stopped && stopped->isInterrupt)
    throw Interrupted();
  if (stopped)
    throw CommunicationError(before + stopped->message);
}

void tellRefusal(int64_t group, const std::string &reason) {
  if (isConnectionBroken())
    return;
  (void)besideTensors(group, "refusal", "",
                      [&](Collective &collective) { collective.refuse(reason); });
}

void connectProcesses(const Connection &connection) {
  State &state = State::process();
  std::lock_guard guard(state.lock);
  state.connection = connection;
  ++state.connections;
  state.groups.clear();
  ProcessWaits::process().forget();
  state.mend();
}

void addGroup(int64_t group, int64_t member, const std::vector<int64_t> &processes) {
  State &state = State::process();
  std::lock_guard guard(state.lock);
  state.groups[group] = {.number = member, .members = static_cast<int64_t>(processes.size())};
  ProcessWaits::process().addGroup(group, processes);
  if (group == 0)
    ProcessWaits::process().isProcess(member);
}

Connection connectionToNobody() {
  // What is broadcast is where it goes already.
  MoveBytes copy = [](int64_t, const void *from, void *to, int64_t bytes, int64_t, int64_t,
                      char *) {
    if (from && from != to)
      std::memcpy(to, from, static_cast<size_t>(bytes));
    return 0;
  };
  Connection connection;
  connection.allGather = connection.allToAll = connection.broadcast = connection.exchange = copy;
  return connection;
}

void breakConnection(const std::string &reason) { State::process().breakUp(reason); }

std::string brokenConnection() { return State::process().whyBroken(); }

bool isConnectionBroken() { return State::process().isBroken; }

size_t collectivesUnderWay() {
  State &state = State::process();
  std::lock_guard held(state.sending.guard());
  return state.started.size();
}

uint64_t SentByExecution::currentNumber() {
  static std::atomic<uint64_t> last = 0;
  if (!current)
    return 0;
  if (current->number == 0)
    current->number = ++last;
  return current->number;
}

void SentByExecution::forget() const noexcept {
  State &state = State::process();
  std::lock_guard held(state.sending.guard());
  std::erase_if(state.started, [&](const auto &each) { return each.second->execution == number; });
}

} // namespace weft
