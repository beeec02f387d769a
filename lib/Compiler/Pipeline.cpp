// The phases from weft ops to the LLVM dialect.
#include "lib/Compiler/Pipeline.h"
#include "codegen/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

static constexpr llvm::StringLiteral names[] = {"differentiate", "simplify", "fuse", "schedule",
                                                "plan",          "loops",    "llvm"};

std::optional<Phase> phaseByName(StringRef name) {
  for (auto [number, known] : llvm::enumerate(names))
    if (known == name)
      return static_cast<Phase>(number);
  return std::nullopt;
}

std::string phaseNames() { return llvm::join(llvm::ArrayRef(names), ", "); }

static void addSimplify(OpPassManager &passes) {
  passes.addPass(createDecompose());
  passes.addPass(createRemoveStopGradients());
  passes.addPass(createSplitReductions());
  passes.addPass(createSplitConcatenations());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createSinkTransposes());
  passes.addPass(createSinkReshapes());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createPrepare());
}

static void addPhase(OpPassManager &passes, Phase phase, const CpuTarget &target) {
  switch (phase) {
  case Phase::Differentiate:
    passes.addPass(createDifferentiate());
    break;
  case Phase::Simplify:
    addSimplify(passes);
    break;
  case Phase::Fuse:
    passes.addPass(createFuse());
    passes.addPass(createCollapseDimensions());
    break;
  case Phase::Schedule: {
    ScheduleOptions options;
    options.registers = target.vectorRegisters;
    options.registerBytes = target.registerBytes;
    passes.addPass(createSchedule(options));
    passes.addPass(createDeduplicateKernels());
    break;
  }
  case Phase::Plan:
    passes.addPass(createPlanMemory());
    break;
  case Phase::Loops:
    passes.addPass(createEmitLoops());
    break;
  case Phase::Llvm:
    passes.addPass(createExpandMathPass());
    passes.addPass(createLowerToLLVM());
    break;
  }
}

void buildPipeline(OpPassManager &passes, const CpuTarget &target, Phase first, Phase last) {
  for (int phase = static_cast<int>(first); phase <= static_cast<int>(last); ++phase)
    addPhase(passes, static_cast<Phase>(phase), target);
}

/// The chip matters to schedules, and from LLVM IR on.
static void addGpuPhase(OpPassManager &passes, const GpuTarget &target, Phase phase) {
  if (phase == Phase::Schedule) {
    ScheduleOptions options;
    options.gpu = true;
    options.warpgroups = target.hasWarpgroups();
    passes.addPass(createSchedule(options));
    passes.addPass(createDeduplicateKernels());
  } else if (phase == Phase::Loops) {
    passes.addPass(createEmitGpuLoops());
  } else if (phase == Phase::Llvm) {
    passes.addPass(createExpandMathPass());
    passes.addPass(createLowerToNVVM());
  } else {
    addPhase(passes, phase, CpuTarget::host());
  }
}

void buildPipeline(OpPassManager &passes, const GpuTarget &target, Phase first, Phase last) {
  for (int phase = static_cast<int>(first); phase <= static_cast<int>(last); ++phase)
    addGpuPhase(passes, target, static_cast<Phase>(phase));
}

template <typename Target>
static void addFilePipeline(OpPassManager &passes, const Target &target, Phase first, Phase last) {
  passes.addPass(createResolveSizes());
  buildPipeline(passes, target, first, last);
  if (last < Phase::Loops)
    passes.addPass(createNameSizes());
}

void buildFilePipeline(OpPassManager &passes, const CpuTarget &target, Phase first, Phase last) {
  addFilePipeline(passes, target, first, last);
}

void buildFilePipeline(OpPassManager &passes, const GpuTarget &target, Phase first, Phase last) {
  addFilePipeline(passes, target, first, last);
}

void registerPasses() {
  registerWeftPasses();
  registerWeftCodegenPasses();
  registerPass([] { return createExpandMathPass(); });
  registerCanonicalizerPass();
  registerCSEPass();
}

} // namespace weft
