// A block of emulated threads: who runs, what is shared, what is waited for.
#pragma once

#include "codegen/Emulator/Copies.h"
#include "codegen/Emulator/Fiber.h"
#include "codegen/Emulator/Mbarrier.h"
#include "codegen/Emulator/Memory.h"
#include "codegen/Emulator/Program.h"
#include "codegen/Emulator/Warp.h"

#include <deque>
#include <map>

namespace weft::emulator {

class Block;

/// A fault on its way out of the emulator's own frames.
struct Raised {
  Fault fault;
};

/// Numbers that look random and are a function of the seed.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  uint64_t next();
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool oneIn(uint64_t count) { return below(count) == 0; }

private:
  uint64_t state;
};

/// A buffer that a launch may touch.
struct GlobalBuffer {
  char *begin = nullptr;
  uint64_t bytes = 0;
  std::string name;
  bool readOnly = false;
  Shadow *shadow = nullptr;
  /// Where `begin` is in the shadow.
  uint64_t shadowOffset = 0;
};

/// What the blocks of one launch have in common.
struct LaunchState {
  const Program &program;
  const KernelEntry &entry;
  std::array<uint32_t, 3> grid;
  std::array<uint32_t, 3> threads;
  uint32_t sharedBytes = 0;
  uint32_t dynamicSharedBytes = 0;
  std::vector<GlobalBuffer> buffers;
  /// A pointer to the value of each parameter.
  std::vector<const void *> values;
  /// The window of addresses that shared memory lies in.
  char *sharedWindow = nullptr;
  StackPool &stacks;
  Random random;
  /// Threads run in order and copies land as late as possible.
  bool inOrder = false;
  uint64_t stepsLeft = 0;
};

/// Shared memory lies at the start of a window of addresses that is aligned to its size, so that
/// the low bits of an address are the offset in it.
constexpr uint64_t sharedWindowBytes = uint64_t{1} << 18;

/// Why a thread does not run.
struct WaitReason {
  enum class Kind : uint8_t { Warp, Barrier, Mbarrier } kind = Kind::Warp;
  const Operation *operation = nullptr;
  /// The mask, the barrier's number, or the mbarrier's offset in shared memory.
  uint64_t object = 0;
};

/// How a piece of memory is used.
struct AccessRequest {
  const Operation &operation;
  bool write = false;
  bool atomic = false;
  /// False if the access itself is recorded when it completes.
  bool record = true;
  /// The access is made by the asynchronous proxy.
  bool asynchronous = false;
  /// What is known to the one who accesses, if not what the thread knows.
  const Clock *clock = nullptr;
};

/// One GPU thread.
class Thread {
public:
  Thread(Block &block, Warp &warp, uint32_t index);

  uint32_t lane() const { return index % 32; }
  Warp &warp() const { return ownWarp; }
  uint32_t readRegister(Register which) const;

  Observer observer() const;
  /// This thread's access now, by `operation`.
  Access access(const Operation &operation, bool atomic = false) const;
  /// What whoever comes after this point may know; later accesses are not part of it.
  Clock release();
  void acquire(const Clock &other) { clock.join(other); }

  /// Lets others run.
  void yield();
  /// Runs again after Block::wake.
  void wait(const WaitReason &reason);

  Block &block;
  const uint32_t index;
  Clock clock;
  /// The time that accesses are stamped with.
  uint32_t time = 1;
  /// What this thread and those it knew had written at its last fence between the proxies.
  Clock fenced;
  CopyGroups copies;
  CopyGroups bulkCopies;
  enum class State : uint8_t { Runnable, Waiting, Finished } state = State::Runnable;
  WaitReason reason;
  bool started = false;
  void *stackPointer = nullptr;

private:
  Warp &ownWarp;
};

/// One of the sixteen barriers of a block.
struct NamedBarrier {
  uint32_t expected = 0;
  /// Those that have arrived, also without waiting.
  std::vector<Thread *> arrived;
  /// The operation at which each of them did.
  std::vector<const Operation *> places;
  std::vector<Thread *> waiting;
  // Of barriers that reduce: over the predicates so far, and of the last completed time.
  uint32_t trueCount = 0;
  uint32_t lastTrueCount = 0;
  uint32_t lastCount = 0;
};

/// Shared memory of a block, with what is known of each of its words.
struct SharedMemory {
  /// States of a word; above these it is the number of the copy that is writing it.
  static constexpr uint32_t free = 0, unused = 1, mbarrier = 2, firstCopy = 3;

  SharedMemory(char *window, uint32_t bytes);

  char *window;
  uint32_t bytes;
  Shadow shadow;
  std::vector<uint32_t> states;
  /// Asynchronous operations that read each word now.
  std::vector<uint16_t> readers;
};

/// A block while it runs.
class Block {
public:
  Block(LaunchState &launch, uint32_t number);
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;
  ~Block();

  /// Runs all threads to their end. Throws Raised.
  void run();

  // Services for operations.

  [[noreturn]] void fail(FaultKind kind, const Operation &operation, std::string message,
                         const Thread *thread, const Operation *other = nullptr) const;
  void wake(Thread &thread);
  /// Reports if threads wait at a barrier that too few can still come to.
  void requireEnoughThreads(uint32_t barrier) const;
  /// Reports if the asynchronous proxy may not see what is in a piece of shared memory.
  void requireProxyFence(Thread &thread, uint64_t offset, uint64_t bytes,
                         const Operation &operation);
  /// Checks an access of `bytes` bytes, and records it if the request says so.
  void access(Thread &thread, const char *address, uint64_t bytes, const AccessRequest &request);
  bool isShared(const char *address) const;
  /// The shared memory at a 32-bit address or at the low bits of a descriptor.
  char *sharedAddress(uint64_t address) const;
  /// "shared memory at tile + 16".
  std::string describeShared(uint64_t offset) const;
  const Operation &operationAt(uint32_t site) const { return launch.program.operations[site]; }
  uint32_t siteOf(const Operation &operation) const;
  uint32_t threadCount() const { return launchedThreads; }
  /// The actor of a warp's matrix operations.
  uint32_t warpActor(uint32_t warp) const { return threadCount() + Mbarriers::most + warp; }
  uint32_t actorCount() const;

  // Called at the boundary to compiled code.

  /// Runs `body` for the current thread; a fault ends the thread and the block.
  template <typename Function> static void guard(Function body);
  void countStep();
  void maybeYield(Thread &thread);

  LaunchState &launch;
  const uint32_t number;
  SharedMemory shared;
  std::deque<Thread> threads;
  std::deque<Warp> warps;
  std::array<NamedBarrier, 16> barriers;
  Mbarriers mbarriers;
  AsynchronousCopies copies;
  /// For each warpgroup the wgmma operations that its first warp to come did.
  std::map<uint32_t, std::vector<const Operation *>> warpgroupHistories;

  static thread_local Thread *current;

private:
  friend class Thread;

  static void threadMain();
  void resume(Thread &thread);
  void suspend(Thread &thread);
  [[noreturn]] void leave(Thread &thread);
  void finish(Thread &thread);
  void step();
  void checkEnd();
  [[noreturn]] void reportDeadlock();
  void accessShared(Thread &thread, uint64_t offset, uint64_t bytes, const AccessRequest &request);
  void checkShared(Thread &thread, uint64_t offset, uint64_t bytes, const AccessRequest &request);
  void accessGlobal(Thread &thread, const char *address, uint64_t bytes,
                    const AccessRequest &request);
  const GlobalBuffer &bufferOf(Thread &thread, const char *address, uint64_t bytes,
                               const AccessRequest &request);
  [[noreturn]] void failRace(FaultKind kind, Thread &thread, const AccessRequest &request,
                             const Conflict &conflict, const std::string &where);

  uint32_t launchedThreads = 0;
  std::deque<Thread *> runnable;
  uint32_t finished = 0;
  uint32_t accessesUntilYield = 0;
  std::optional<Fault> fault;
  /// Waiting threads are resumed only to leave.
  bool abandoned = false;
  void *schedulerStackPointer = nullptr;
};

/// What a thread that is resumed to leave throws.
struct Abandoned {};

template <typename Function> void Block::guard(Function body) {
  Thread &thread = *current;
  Block &block = thread.block;
  try {
    body(thread);
    return;
  } catch (Raised &raised) {
    block.fault = std::move(raised.fault);
  } catch (Abandoned &) {
    thread.state = Thread::State::Finished;
  }
  block.leave(thread);
}

} // namespace weft::emulator
