// The phases from weft ops to the LLVM dialect.
#include "lib/Compiler/Pipeline.h"
#include "codegen/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "passes/CollectivePasses.h"
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

const char *phaseName(Phase phase) { return names[static_cast<size_t>(phase)].data(); }

std::string phaseNames() { return llvm::join(llvm::ArrayRef(names), ", "); }

static void addSimplify(OpPassManager &passes, const Target &target) {
  passes.addPass(createInlineFunctions());
  passes.addPass(createOutlineRegions());
  passes.addPass(createDecompose({target.keepsComposites()}));
  passes.addPass(createSplitComplex());
  passes.addPass(createRemoveStopGradients());
  passes.addPass(createRoundProducts());
  passes.addPass(createSplitReductions());
  passes.addPass(createJoinPads());
  passes.addPass(createSplitConcatenations());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createSinkTransposes());
  passes.addPass(createKeepChannelsFirst({target.storesColumnsApart()}));
  passes.addPass(createAbsorbBorders());
  passes.addPass(createSinkTransposes());
  passes.addPass(createSinkReshapes());
  passes.addPass(createCanonicalizerPass());
  if (target.widensOperands())
    passes.addPass(createNarrowOperands());
  passes.addPass(createCSEPass());
  passes.addPass(createRemoveBarriers());
  passes.addPass(createHoistInvariants());
  passes.addPass(createPrepare());
  passes.addPass(createMarkBorders());
  passes.addPass(createOverlapCollectives());
}

static void addPhase(OpPassManager &passes, Phase phase, const Target &target,
                     const EmitEntryOptions *entry) {
  switch (phase) {
  case Phase::Differentiate:
    passes.addPass(createBatch());
    passes.addPass(createPushForward());
    passes.addPass(createDifferentiate());
    break;
  case Phase::Simplify:
    addSimplify(passes, target);
    break;
  case Phase::Fuse:
    passes.addPass(createFuse({target.readsAnywhere(), target.storesInFrames()}));
    passes.addPass(createCollapseDimensions());
    break;
  case Phase::Schedule:
    passes.addPass(createSchedule({target.name()}));
    passes.addPass(createDeduplicateKernels());
    break;
  case Phase::Plan:
    passes.addPass(createPlanMemory({target.writesOverOperands()}));
    break;
  case Phase::Loops:
    passes.addPass(entry ? createEmitEntry(*entry) : createEmitLoops({target.name()}));
    break;
  case Phase::Llvm:
    passes.addPass(createExpandMathPass(target.scalesVectors()));
    target.addLowering(passes);
    break;
  }
}

void buildPipeline(OpPassManager &passes, const Target &target, Phase first, Phase last,
                   const EmitEntryOptions *entry) {
  for (int phase = static_cast<int>(first); phase <= static_cast<int>(last); ++phase)
    addPhase(passes, static_cast<Phase>(phase), target, entry);
}

void buildFilePipeline(OpPassManager &passes, const Target &target, Phase first, Phase last) {
  passes.addPass(createResolveSizes());
  buildPipeline(passes, target, first, last);
  if (last < Phase::Loops)
    passes.addPass(createNameSizes());
}

void registerPasses() {
  registerWeftPasses();
  registerWeftCollectivePasses();
  registerWeftCodegenPasses();
  registerPass([] { return createExpandMathPass(); });
  registerCanonicalizerPass();
  registerCSEPass();
}

} // namespace weft
