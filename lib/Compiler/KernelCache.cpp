// Each distinct kernel is compiled once.
#include "lib/Compiler/KernelCache.h"
#include "lib/Compiler/Stopwatch.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/StringMap.h"
#include <atomic>
#include <exception>
#include <thread>

using namespace mlir;

namespace weft {

KernelCache::KernelCache(std::unique_ptr<KernelBackend> backend, Statistics &statistics,
                         const std::string &packaged, size_t capacity)
    : backend(std::move(backend)),
      statistics(statistics),
      disk(this->backend->key(), packaged),
      loaded(capacity) {}

/// Null if it is not there, or damaged in a way that no check saw.
std::shared_ptr<const KernelCode> KernelCache::fromDisk(const std::string &name) {
  Stopwatch watch(statistics.loadSeconds);
  auto object = disk.find(name);
  if (!object)
    return nullptr;
  try {
    auto code = backend->load(*object);
    ++statistics.diskHits;
    return code;
  } catch (const Error &) {
    ++statistics.diskFailures;
    return nullptr;
  }
}

std::vector<std::shared_ptr<const KernelCode>> KernelCache::get(ArrayRef<KernelOp> kernels) {
  llvm::StringMap<std::shared_ptr<const KernelCode>> wanted;
  std::vector<KernelOp> missing;
  for (KernelOp kernel : kernels) {
    std::string name = kernel.getSymName().str();
    std::shared_ptr<const KernelCode> code = loaded.find(name);
    if (code)
      ++statistics.memoryHits;
    else if ((code = fromDisk(name)))
      loaded.insert(name, code);
    else
      missing.push_back(kernel);
    wanted[name] = std::move(code);
  }
  // In parts, so that the memory of compiling does not grow with the number of kernels.
  constexpr size_t mostAtOnce = 64;
  for (ArrayRef<KernelOp> rest = missing; !rest.empty();) {
    ArrayRef<KernelOp> part = rest.take_front(mostAtOnce);
    rest = rest.drop_front(part.size());
    for (const KernelObject &object : compile(part)) {
      Stopwatch watch(statistics.loadSeconds);
      ++statistics.kernelsCompiled;
      disk.store(object);
      loaded.insert(object.name, wanted[object.name] = backend->load(object));
    }
  }
  // Caches of several devices count together.
  statistics.diskFailures += disk.failures() - std::exchange(countedFailures, disk.failures());
  std::vector<std::shared_ptr<const KernelCode>> result;
  for (KernelOp kernel : kernels)
    result.push_back(wanted.lookup(KernelOp(kernel).getSymName()));
  return result;
}

/// Emits one after the other, as the IR's context wants it, then generates code on several threads.
std::vector<KernelObject> KernelCache::compile(ArrayRef<KernelOp> kernels) {
  std::vector<std::unique_ptr<EmittedKernel>> emitted;
  {
    Stopwatch watch(statistics.emitSeconds);
    for (KernelOp kernel : kernels)
      emitted.push_back(backend->emit(kernel));
  }
  Stopwatch watch(statistics.codegenSeconds);
  std::vector<KernelObject> objects(emitted.size());
  std::vector<std::exception_ptr> errors(emitted.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t number; (number = next++) < emitted.size();) {
      try {
        objects[number] = emitted[number]->generate();
      } catch (...) {
        errors[number] = std::current_exception();
      }
      emitted[number].reset();
    }
  };
  size_t helpers = std::min<size_t>(ThreadPool::process().threadCount(), emitted.size());
  std::vector<std::thread> threads;
  for (size_t number = 1; number < helpers; ++number)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  for (const std::exception_ptr &error : errors)
    if (error)
      std::rethrow_exception(error);
  return objects;
}

} // namespace weft
