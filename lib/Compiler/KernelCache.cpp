// Each distinct kernel is compiled once.
#include "lib/Compiler/KernelCache.h"
#include "codegen/Passes.h"
#include "lib/Compiler/Stopwatch.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Error.h"
#include <atomic>
#include <thread>

using namespace mlir;

namespace weft {

struct KernelCache::Pending {
  KernelOp kernel;
  KernelObject object;
  std::optional<LlvmModule> module;
};

KernelCache::KernelCache(const CpuTarget &target, Statistics &statistics,
                         const std::string &packaged)
    : target(target), statistics(statistics), disk(target.key(), packaged) {}

std::vector<std::shared_ptr<const KernelCode>> KernelCache::get(ArrayRef<KernelOp> kernels) {
  std::vector<Pending> pending;
  for (KernelOp kernel : kernels) {
    StringRef name = KernelOp(kernel).getSymName();
    if (loaded.contains(name)) {
      ++statistics.memoryHits;
      continue;
    }
    Stopwatch watch(statistics.loadSeconds);
    if (auto object = disk.find(name.str())) {
      ++statistics.diskHits;
      loaded[name] = loader.load(*object);
      continue;
    }
    pending.push_back({kernel, {}, {}});
  }
  for (Pending &entry : pending)
    emit(entry);
  generate(pending);
  for (Pending &entry : pending) {
    Stopwatch watch(statistics.loadSeconds);
    ++statistics.kernelsCompiled;
    disk.store(entry.object);
    loaded[entry.object.name] = loader.load(entry.object);
  }
  statistics.diskFailures = disk.failures();
  std::vector<std::shared_ptr<const KernelCode>> result;
  for (KernelOp kernel : kernels)
    result.push_back(loaded.lookup(KernelOp(kernel).getSymName()));
  return result;
}

void KernelCache::emit(Pending &entry) {
  Stopwatch watch(statistics.emitSeconds);
  OwningOpRef<ModuleOp> module = ModuleOp::create(entry.kernel.getLoc());
  std::string name = entry.kernel.getSymName().str();
  auto check = [&](bool success, const char *step) {
    if (!success)
      throw Error(Error::Kind::Unsupported, "kernel " + name + " could not be " + step);
  };
  check(succeeded(emitKernel(entry.kernel, *module)), "emitted as loops");
  auto setup = module->lookupSymbol<func::FuncOp>(name + "_setup");
  entry.object.name = name;
  entry.object.stages = setup->getAttrOfType<IntegerAttr>("weft.stages").getInt();
  entry.object.temporaries = setup->getAttrOfType<IntegerAttr>("weft.temporaries").getInt();
  expandMath(*module);
  check(succeeded(lowerToLLVM(*module)), "lowered to the LLVM dialect");
  entry.module = translate(*module);
  check(entry.module.has_value(), "translated to LLVM IR");
}

void KernelCache::generate(std::vector<Pending> &pending) {
  Stopwatch watch(statistics.codegenSeconds);
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t number; (number = next++) < pending.size();) {
      Pending &entry = pending[number];
      entry.object.code = generateCode(*entry.module, target, CodeFormat::Object);
      entry.module.reset();
    }
  };
  size_t helpers = std::min<size_t>(ThreadPool::process().threadCount(), pending.size());
  std::vector<std::thread> threads;
  for (size_t number = 1; number < helpers; ++number)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace weft
