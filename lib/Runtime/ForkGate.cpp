#include "lib/Runtime/ForkGate.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/PreparedValues.h"

#include <pthread.h>

#include <new>
#include <utility>

namespace weft {

constinit thread_local int ForkGate::depth = 0;

ForkGate &ForkGate::process() {
  // Never destroyed: threads may be inside while static destructors run.
  static ForkGate &gate = *new ForkGate();
  return gate;
}

ForkGate::ForkGate() {
  // The handler that was registered last runs first: who is inside may need what the others lock,
  // the innermost lock first.
  Allocator::process();
  PreparedValues::process();
  PreparedProgram::registerForForks();
  pthread_atfork([] { process().beforeFork(); }, [] { process().afterForkInParent(); },
                 [] { process().afterForkInChild(); });
}

void ForkGate::enter() {
  if (depth++ > 0)
    return;
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return !forking && !closed; });
  ++inside;
}

void ForkGate::close(std::chrono::milliseconds patience) {
  enter();
  std::unique_lock lock(mutex);
  closed = true;
  changed.wait_for(lock, patience, [this] { return inside == 1; });
}

void ForkGate::leave() {
  if (--depth > 0)
    return;
  std::lock_guard lock(mutex);
  --inside;
  changed.notify_all();
}

ForkGate::Outside::Outside() : depth(std::exchange(ForkGate::depth, 1)) {
  if (depth > 0)
    process().leave();
  else
    ForkGate::depth = 0;
}

ForkGate::Outside::~Outside() {
  if (depth > 0)
    process().enter();
  ForkGate::depth = depth;
}

/// Leaves the gate locked. A thread that forks while it is inside knows what it holds.
void ForkGate::beforeFork() {
  int own = depth > 0;
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return !forking; });
  forking = true;
  changed.wait(lock, [&] { return inside == own; });
  lock.release();
}

void ForkGate::afterForkInParent() {
  forking = false;
  mutex.unlock();
  changed.notify_all();
}

void ForkGate::afterForkInChild() {
  forking = false;
  // The threads that wait in the parent are not here; a condition that still counts them would wait
  // for them.
  new (&changed) std::condition_variable();
  mutex.unlock();
}

} // namespace weft
