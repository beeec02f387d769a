// A pool without threads, for contexts that several threads use.
#pragma once

#include "llvm/Support/ThreadPool.h"

namespace weft {

/// Runs each task at once on the thread that brings it. With it an MLIRContext may be used by
/// several threads, but starts none of its own: those would be missing in the child of a fork.
class CallerThread : public llvm::ThreadPoolInterface {
public:
  void asyncEnqueue(llvm::unique_function<void()> task, llvm::ThreadPoolTaskGroup *) override {
    task();
  }
  void wait() override {}
  void wait(llvm::ThreadPoolTaskGroup &) override {}
  unsigned getMaxConcurrency() const override { return 1; }
};

} // namespace weft
