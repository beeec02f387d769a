// Each distinct kernel is compiled once.
#include "lib/Compiler/KernelCache.h"
#include "lib/Compiler/Compiling.h"
#include "lib/Compiler/Stopwatch.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/StringMap.h"
#include <condition_variable>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>

using namespace mlir;

namespace weft {

KernelCache::KernelCache(std::unique_ptr<KernelBackend> backend, const std::string &packaged,
                         size_t capacity)
    : backend(std::move(backend)), disk(this->backend->key(), packaged), loaded(capacity) {}

/// Null if it is not there, or damaged in a way that no check saw.
std::shared_ptr<const KernelCode> KernelCache::fromDisk(const std::string &name,
                                                        Statistics &spent) {
  Stopwatch watch(spent.loadSeconds, "look for kernels");
  auto object = disk.find(name);
  if (!object)
    return nullptr;
  try {
    auto code = backend->load(*object);
    ++spent.diskHits;
    return code;
  } catch (const Error &) {
    ++spent.diskFailures;
    return nullptr;
  }
}

std::vector<std::shared_ptr<const KernelCode>> KernelCache::get(ArrayRef<KernelOp> kernels,
                                                                Statistics &spent) {
  llvm::StringMap<std::shared_ptr<const KernelCode>> wanted;
  std::vector<KernelOp> missing;
  {
    std::lock_guard guard(mutex);
    for (KernelOp kernel : kernels) {
      std::string name = kernel.getSymName().str();
      std::shared_ptr<const KernelCode> code = loaded.find(name);
      if (code) {
        ++spent.memoryHits;
      } else {
        code = fromDisk(name, spent);
        if (code)
          loaded.insert(name, code);
        else
          missing.push_back(kernel);
      }
      wanted[name] = std::move(code);
    }
    spent.diskFailures += disk.failures() - std::exchange(countedFailures, disk.failures());
  }
  // In parts, so that the memory of compiling does not grow with the number of kernels.
  constexpr size_t mostAtOnce = 64;
  for (ArrayRef<KernelOp> rest = missing; !rest.empty();) {
    ArrayRef<KernelOp> part = rest.take_front(mostAtOnce);
    rest = rest.drop_front(part.size());
    for (auto &[name, code] : keep(compile(part, spent), spent))
      wanted[name] = code;
  }
  std::vector<std::shared_ptr<const KernelCode>> result;
  for (KernelOp kernel : kernels)
    result.push_back(wanted.lookup(KernelOp(kernel).getSymName()));
  return result;
}

/// Stores and loads compiled kernels, but for those that another thread was faster with.
std::vector<std::pair<std::string, std::shared_ptr<const KernelCode>>>
KernelCache::keep(const std::vector<KernelObject> &objects, Statistics &spent) {
  Stopwatch watch(spent.loadSeconds, "link");
  std::lock_guard guard(mutex);
  std::vector<std::pair<std::string, std::shared_ptr<const KernelCode>>> kept;
  for (const KernelObject &object : objects) {
    ++spent.kernelsCompiled;
    std::shared_ptr<const KernelCode> code = loaded.find(object.name);
    if (!code) {
      disk.store(object);
      code = loaded.insert(object.name, backend->load(object));
    }
    kept.push_back({object.name, code});
  }
  spent.diskFailures += disk.failures() - std::exchange(countedFailures, disk.failures());
  return kept;
}

std::optional<std::string> KernelCache::findNote(const std::string &name) {
  std::lock_guard guard(mutex);
  return disk.findNote(name);
}

void KernelCache::storeNote(const std::string &name, const std::string &text) {
  std::lock_guard guard(mutex);
  disk.storeNote(name, text);
}

uint64_t KernelCache::trim() {
  // Their code is unloaded when the cache is free again.
  std::vector<std::shared_ptr<const KernelCode>> dropped;
  std::lock_guard guard(mutex);
  dropped = loaded.takeIf([](const auto &code) { return code.use_count() == 1; });
  uint64_t bytes = 0;
  for (const auto &code : dropped)
    bytes += code->bytes;
  return bytes;
}

namespace {

/// Generates the code of kernels on several threads, from the first one on that was emitted.
class Generation {
public:
  explicit Generation(size_t count) : emitted(count), objects(count), errors(count) {}
  Generation(const Generation &) = delete;
  Generation &operator=(const Generation &) = delete;
  ~Generation() {
    {
      // Left by an exception: what was not begun is not.
      std::lock_guard guard(mutex);
      next = emitted.size();
    }
    stop();
  }

  void add(std::unique_ptr<TranslatedKernel> kernel) {
    {
      std::lock_guard guard(mutex);
      emitted[ready++] = std::move(kernel);
    }
    changed.notify_one();
    if (helpers.empty())
      startHelpers();
  }

  /// The objects of all kernels, once all were added. Throws weft::Error or Interrupted.
  std::vector<KernelObject> finish() {
    {
      // The other threads go through the gate on their own; one that waits for them must not hold a
      // fork up that they wait for.
      ForkGate::Outside outside;
      while (step(/*waits=*/false))
        throwIfInterrupted();
    }
    stop();
    for (const std::exception_ptr &error : errors)
      if (error)
        std::rethrow_exception(error);
    return std::move(objects);
  }

private:
  /// A machine that gives no more threads is no reason to fail: those that run do all the work.
  void startHelpers() {
    size_t wanted = std::min<size_t>(ThreadPool::process().threadCount(), emitted.size());
    try {
      while (helpers.size() + 1 < wanted)
        helpers.emplace_back([this] {
          while (step(/*waits=*/true))
            ;
        });
    } catch (const std::system_error &) {
      return;
    }
  }

  void stop() {
    {
      std::lock_guard guard(mutex);
      isComplete = true;
    }
    changed.notify_all();
    if (helpers.empty())
      return;
    ForkGate::Outside outside;
    for (std::thread &helper : helpers)
      helper.join();
    helpers.clear();
  }

  /// The number of the next kernel; nothing if there is none, or, for one that does not wait, none
  /// yet.
  std::optional<size_t> take(bool waits) {
    std::unique_lock lock(mutex);
    if (waits)
      changed.wait(lock, [this] { return next < ready || isComplete; });
    return next < ready ? std::optional(next++) : std::nullopt;
  }

  /// Generates the next kernel; false if there is none.
  bool step(bool waits) {
    std::optional<size_t> number = take(waits);
    if (!number)
      return false;
    ForkGate::Inside inside;
    try {
      RecordedSpan span("compile", "code of a kernel");
      objects[*number] = emitted[*number]->assemble();
    } catch (...) {
      errors[*number] = std::current_exception();
    }
    emitted[*number].reset();
    return true;
  }

  std::vector<std::unique_ptr<TranslatedKernel>> emitted;
  std::vector<KernelObject> objects;
  std::vector<std::exception_ptr> errors;
  /// Guards what follows: how many kernels were added, the next to be taken, whether all were
  /// added.
  std::mutex mutex;
  std::condition_variable changed;
  size_t ready = 0, next = 0;
  bool isComplete = false;
  std::vector<std::thread> helpers;
};

} // namespace

/// Emits one after the other, while other threads generate code.
std::vector<KernelObject> KernelCache::compile(ArrayRef<KernelOp> kernels, Statistics &spent) {
  Generation generation(kernels.size());
  {
    Stopwatch watch(spent.emitSeconds, "emit");
    for (KernelOp kernel : kernels) {
      Compiling::checkpoint();
      generation.add(backend->emit(kernel));
    }
  }
  Stopwatch watch(spent.codegenSeconds, "generate code");
  return generation.finish();
}

} // namespace weft
