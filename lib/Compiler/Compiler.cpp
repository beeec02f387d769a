// From a module of weft ops to an executable plan.
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/CallerThread.h"
#include "lib/Compiler/Compiling.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/KernelBackend.h"
#include "lib/Compiler/KernelCache.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/PlanBuilder.h"
#include "lib/Compiler/Stopwatch.h"
#include "lib/Compiler/Tuner.h"
#include "lib/Runtime/PreparedValues.h"
#include "lib/Support/Error.h"
#include "passes/plan/CollectiveCalls.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Process.h"
#include <map>
#include <mutex>

using namespace mlir;

namespace weft {

static std::string &packagedKernels() {
  static std::string folder;
  return folder;
}

void Compiler::setPackagedKernels(std::string folder) { packagedKernels() = std::move(folder); }

/// The processor that WEFT_TARGET names, else this one. Throws weft::Error.
static const CpuTarget &chooseTarget() {
  auto name = llvm::sys::Process::GetEnv("WEFT_TARGET");
  if (!name || name->empty())
    return CpuTarget::host();
  const CpuTarget *target = CpuTarget::byName(*name);
  if (!target)
    throw Error(Error::Kind::Unsupported, "WEFT_TARGET=" + *name +
                                              ": no target has this name; there are " +
                                              CpuTarget::names());
  if (!target->isHostArchitecture())
    throw Error(Error::Kind::Unsupported,
                "WEFT_TARGET=" + *name + ": this machine's processor is of another kind");
  return *target;
}

/// Throws weft::Error if `name` names no GPU.
static const GpuTarget &gpuNamed(StringRef name) {
  if (const GpuTarget *target = GpuTarget::byName(name))
    return *target;
  throw Error(Error::Kind::Unsupported, "target \"" + name.str() +
                                            "\": no target has this name; there are " +
                                            GpuTarget::names() + ", and none for this processor");
}

struct Compiler::Implementation {
  Implementation()
      : registry(makeRegistry()),
        context(registry, MLIRContext::Threading::DISABLED),
        target(chooseTarget()),
        cache(makeBackend(target), packagedKernels()) {
    if (int64_t most = Tuner::candidatesFromEnvironment())
      tuner.emplace(target, cache, most, [this](ModuleOp module, bool prepares) {
        Statistics ignored; // they are in the seconds of tuning
        return finish(module, nullptr, prepares, ignored);
      });
    context.setThreadPool(callerThread);
    context.loadAllAvailableDialects();
    loadDialectsOfPasses();
    context.allowUnregisteredDialects(false);
  }

  /// What passes add to the context is added before several threads use it.
  void loadDialectsOfPasses() {
    PassManager passes(&context);
    buildPipeline(passes, target, Phase::Differentiate, Phase::Llvm);
    DialectRegistry needed;
    passes.getDependentDialects(needed);
    context.appendDialectRegistry(needed);
    for (StringRef name : needed.getDialectNames())
      context.getOrLoadDialect(name);
  }

  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }

  void runPhases(ModuleOp module, const Target &target, Phase first, Phase last) {
    for (int phase = static_cast<int>(first); phase <= static_cast<int>(last); ++phase) {
      Compiling::checkpoint();
      RecordedSpan span("compile", phaseName(static_cast<Phase>(phase)));
      PassManager passes(module.getContext());
      passes.enableVerifier(false);
      buildPipeline(passes, target, static_cast<Phase>(phase), static_cast<Phase>(phase));
      DiagnosticCollector diagnostics(*module.getContext());
      if (failed(passes.run(module)))
        throw Error(Error::Kind::Value, diagnostics.text("the program could not be compiled"));
    }
  }

  const Target &targetOf(Device *device) const {
    return device ? static_cast<const Target &>(gpuNamed(device->target())) : target;
  }

  /// Takes a module to `last`, and measures schedules on the way if that is asked for.
  void runTo(Phase last, ModuleOp module, const Target &wanted, Statistics &spent);
  Executable compile(ModuleOp module, Device *device, Statistics &spent);
  /// Schedules, plans and finds or compiles the kernels of a fused module.
  Executable finish(ModuleOp module, Device *device, bool prepares, Statistics &spent);

  KernelCache &cacheOf(Device &device) {
    std::lock_guard guard(mutex);
    auto &found = deviceCaches[&device];
    if (!found)
      found = std::make_unique<KernelCache>(makeBackend(device, target), "");
    return *found;
  }

  DialectRegistry registry;
  CallerThread callerThread;
  MLIRContext context;
  const CpuTarget &target;
  KernelCache cache;
  std::optional<Tuner> tuner;
  /// Guards what is below.
  mutable std::mutex mutex;
  std::map<Device *, std::unique_ptr<KernelCache>> deviceCaches;
  Statistics statistics;
};

/// What this thread compiled.
static thread_local Statistics threadTotals;

Compiler::Compiler() : implementation(std::make_unique<Implementation>()) {}
Compiler::~Compiler() = default;

Compiler &Compiler::instance() {
  // Never destroyed: code and threads may outlive static destructors.
  static Compiler &compiler = *new Compiler();
  return compiler;
}

MLIRContext &Compiler::context() { return implementation->context; }

Statistics Compiler::statistics() const {
  std::lock_guard guard(implementation->mutex);
  return implementation->statistics;
}

void Compiler::tune(ModuleOp module, const Target &target) {
  if (!implementation->tuner || &target != &implementation->target)
    return;
  Compiling compiling;
  Statistics spent;
  implementation->tuner->tune(module, /*prepares=*/false, spent);
}

std::vector<TunedKernel> Compiler::tunedKernels() const {
  return implementation->tuner ? implementation->tuner->tuned() : std::vector<TunedKernel>();
}

std::optional<std::string> Compiler::findNote(const std::string &name) {
  Compiling compiling;
  return implementation->cache.findNote(name);
}

void Compiler::storeNote(const std::string &name, const std::string &text) {
  Compiling compiling;
  implementation->cache.storeNote(name, text);
}

Statistics Compiler::threadStatistics() { return threadTotals; }

uint64_t Compiler::trim() {
  Compiling compiling;
  uint64_t bytes = implementation->cache.trim();
  std::lock_guard guard(implementation->mutex);
  for (auto &[device, cache] : implementation->deviceCaches)
    bytes += cache->trim();
  return bytes;
}

static func::FuncOp mainOf(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main)
    throw Error(Error::Kind::Value, "the module has no function @main");
  for (Type type : main.getArgumentTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
      throw Error(Error::Kind::Value, "the arguments of @main must be tensors of static shape");
  return main;
}

void Compiler::Implementation::runTo(Phase last, ModuleOp module, const Target &wanted,
                                     Statistics &spent) {
  bool prepares = mainOf(module)->hasAttr("weft.prepare");
  {
    Stopwatch watch(spent.passSeconds, "passes");
    runPhases(module, wanted, Phase::Differentiate, std::min(last, Phase::Fuse));
  }
  if (last <= Phase::Fuse)
    return;
  if (tuner && &wanted == &target)
    tuner->tune(module, prepares, spent);
  Stopwatch watch(spent.passSeconds, "passes");
  runPhases(module, wanted, Phase::Schedule, last);
}

Executable Compiler::Implementation::compile(ModuleOp module, Device *device, Statistics &spent) {
  bool prepares = mainOf(module)->hasAttr("weft.prepare");
  runTo(Phase::Fuse, module, targetOf(device), spent);
  if (tuner && !device)
    tuner->tune(module, prepares, spent);
  return finish(module, device, prepares, spent);
}

Executable Compiler::Implementation::finish(ModuleOp module, Device *device, bool prepares,
                                            Statistics &spent) {
  KernelCache &kernelCache = device ? cacheOf(*device) : cache;
  {
    Stopwatch watch(spent.passSeconds, "passes");
    runPhases(module, targetOf(device), Phase::Schedule, Phase::Plan);
  }
  // What processes compute together is a step of a device's plan, and no kernel.
  auto kernels = llvm::filter_to_vector(
      module.getOps<KernelOp>(), [&](KernelOp kernel) { return !device || !collectiveOf(kernel); });
  auto code = kernelCache.get(kernels, spent);
  Stopwatch watch(spent.loadSeconds, "load");
  KernelCodeByName byName;
  for (auto [kernel, kernelCode] : llvm::zip_equal(kernels, code))
    byName[kernel.getSymName()] = kernelCode;
  return buildPlan(mainOf(module), byName, device, prepares);
}

/// Says on @main what is to be prepared: nothing, unless `weft.prepare` asks for it.
static void markPreparation(ModuleOp module, const CompileOptions &options) {
  func::FuncOp main = mainOf(module);
  if (options.prepare && PreparedValues::process().limit() > 0) {
    main->setAttr("weft.prepare", StringAttr::get(module.getContext()));
    return;
  }
  main->removeAttr("weft.prepare");
  for (unsigned number = 0; number < main.getNumArguments(); ++number)
    main.removeArgAttr(number, "weft.hidden");
}

std::shared_ptr<const Executable> Compiler::compile(ModuleOp module,
                                                    const CompileOptions &options) {
  RecordedSpan span("compile", "compile");
  markPreparation(module, options);
  Compiling compiling;
  Statistics spent;
  llvm::scope_exit count([&] {
    threadTotals.add(spent);
    std::lock_guard guard(implementation->mutex);
    implementation->statistics.add(spent);
  });
  auto executable =
      std::make_shared<const Executable>(implementation->compile(module, options.device, spent));
  ++spent.compiles;
  spent.launches += executable->kernels.size();
  return executable;
}

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream);
  return text;
}

/// The last phase of a level of the IR. Throws weft::Error.
static Phase phaseOfLevel(StringRef level, const Target &target) {
  StringRef code = target.assemblyName();
  for (auto [name, last] :
       std::initializer_list<std::pair<StringRef, Phase>>{{"weft", Phase::Simplify},
                                                          {"kernels", Phase::Plan},
                                                          {"loops", Phase::Loops},
                                                          {"llvm", Phase::Llvm},
                                                          {code, Phase::Llvm}})
    if (name == level)
      return last;
  throw Error(Error::Kind::Unsupported, "no level of the IR is named \"" + level.str() +
                                            "\"; there are weft, kernels, loops, llvm and " +
                                            code.str());
}

std::string Compiler::lower(ModuleOp module, StringRef level, const CompileOptions &options) {
  markPreparation(module, options);
  Compiling compiling;
  const Target &target = options.target.empty()
                             ? static_cast<const Target &>(implementation->target)
                             : gpuNamed(options.target);
  Phase last = phaseOfLevel(level, target);
  Statistics ignored;
  implementation->runTo(last, module, target, ignored);
  if (last != Phase::Llvm)
    return textOf(module);
  return level == "llvm" ? target.llvmText(module) : target.assemblyText(module);
}

} // namespace weft
