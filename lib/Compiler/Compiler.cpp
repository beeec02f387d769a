// From a module of weft ops to an executable plan.
#include "lib/Compiler/Compiler.h"
#include "codegen/Passes.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/KernelCache.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/PlanBuilder.h"
#include "lib/Compiler/Stopwatch.h"
#include "lib/Support/Error.h"
#include "llvm/Support/Process.h"

using namespace mlir;

namespace weft {

static std::string &packagedKernels() {
  static std::string folder;
  return folder;
}

void Compiler::setPackagedKernels(std::string folder) { packagedKernels() = std::move(folder); }

/// The processor that WEFT_TARGET names, else this one. Throws weft::Error.
static CpuTarget chooseTarget() {
  auto name = llvm::sys::Process::GetEnv("WEFT_TARGET");
  if (!name || name->empty())
    return CpuTarget::host();
  if (auto target = CpuTarget::byName(*name))
    return *target;
  throw Error(Error::Kind::Unsupported,
              "WEFT_TARGET=" + *name +
                  ": no target has this name; there are native, x86-64-v3 and "
                  "x86-64-v4");
}

struct Compiler::Implementation {
  Implementation()
      : registry(makeRegistry()),
        context(registry, MLIRContext::Threading::DISABLED),
        target(chooseTarget()),
        cache(target, statistics, packagedKernels()) {
    context.loadAllAvailableDialects();
    context.allowUnregisteredDialects(false);
  }

  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }

  void runPhases(ModuleOp module, Phase first, Phase last) {
    PassManager passes(&context);
    passes.enableVerifier(false);
    buildPipeline(passes, target, first, last);
    DiagnosticCollector diagnostics(context);
    if (failed(passes.run(module)))
      throw Error(Error::Kind::Value, diagnostics.text("the program could not be compiled"));
  }

  DialectRegistry registry;
  MLIRContext context;
  const CpuTarget target;
  Statistics statistics;
  KernelCache cache;
};

Compiler::Compiler() : implementation(std::make_unique<Implementation>()) {}
Compiler::~Compiler() = default;

Compiler &Compiler::instance() {
  // Never destroyed: code and threads may outlive static destructors.
  static Compiler &compiler = *new Compiler();
  return compiler;
}

MLIRContext &Compiler::context() { return implementation->context; }

Statistics Compiler::statistics() const { return implementation->statistics; }

static func::FuncOp mainOf(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main)
    throw Error(Error::Kind::Value, "the module has no function @main");
  for (Type type : main.getArgumentTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
      throw Error(Error::Kind::Value, "the arguments of @main must be tensors of static shape");
  return main;
}

std::shared_ptr<const Executable> Compiler::compile(ModuleOp module, const CompileOptions &) {
  mainOf(module);
  Statistics &statistics = implementation->statistics;
  {
    Stopwatch watch(statistics.passSeconds);
    implementation->runPhases(module, Phase::Differentiate, Phase::Plan);
  }
  auto kernels = llvm::to_vector(module.getOps<KernelOp>());
  auto code = implementation->cache.get(kernels);
  Stopwatch watch(statistics.loadSeconds);
  KernelCodeByName byName;
  for (auto [kernel, kernelCode] : llvm::zip_equal(kernels, code))
    byName[kernel.getSymName()] = kernelCode;
  auto executable = std::make_shared<const Executable>(buildPlan(mainOf(module), byName));
  ++statistics.compiles;
  statistics.launches += executable->kernels.size();
  return executable;
}

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream);
  return text;
}

std::string Compiler::lower(ModuleOp module, StringRef level, const CompileOptions &) {
  mainOf(module);
  struct Level {
    StringRef name;
    Phase last;
  };
  constexpr Level levels[] = {{"weft", Phase::Simplify},
                              {"kernels", Phase::Plan},
                              {"loops", Phase::Loops},
                              {"llvm", Phase::Llvm},
                              {"asm", Phase::Llvm}};
  auto *found = llvm::find_if(levels, [&](const Level &known) { return known.name == level; });
  if (found == std::end(levels))
    throw Error(Error::Kind::Unsupported, "no level of the IR is named \"" + level.str() +
                                              "\"; there are weft, kernels, loops, llvm and asm");
  implementation->runPhases(module, Phase::Differentiate, found->last);
  if (found->last != Phase::Llvm)
    return textOf(module);
  auto translated = translate(module);
  if (!translated)
    throw Error(Error::Kind::Unsupported, "the program could not be translated to LLVM IR");
  if (level == "llvm")
    return optimizedText(*translated, implementation->target);
  auto code = generateCode(*translated, implementation->target, CodeFormat::Assembly);
  return std::string(code.begin(), code.end());
}

} // namespace weft
