#include "lib/Runtime/SendingThread.h"

#include "lib/Support/Interpreter.h"

#include <chrono>
#include <thread>

namespace weft {

void SendingThread::push(Job job) {
  std::lock_guard held(lock);
  if (!isRunning) {
    // It never ends: the object is one of the process.
    std::thread([this] { run(); }).detach();
    isRunning = true;
  }
  jobs.push_back(std::move(job));
  changed.notify_all();
}

void SendingThread::wait(const std::function<bool()> &condition) {
  constexpr std::chrono::milliseconds pause(60);
  std::unique_lock held(lock);
  while (!changed.wait_for(held, pause, condition)) {
    held.unlock();
    throwIfInterrupted();
    held.lock();
  }
}

void SendingThread::waitUntilIdle() {
  wait([this] { return jobs.empty() && !isBusy; });
}

void SendingThread::run() {
  std::unique_lock held(lock);
  for (;;) {
    changed.wait(held, [this] { return !jobs.empty(); });
    Job job = std::move(jobs.front());
    jobs.pop_front();
    isBusy = true;
    held.unlock();
    job();
    job = nullptr;
    held.lock();
    isBusy = false;
    changed.notify_all();
  }
}

} // namespace weft
