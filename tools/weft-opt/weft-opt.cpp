// The optimiser driver: runs passes over IR that it reads, as MLIR's users expect.
#include "lib/Compiler/Pipeline.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace weft;

static llvm::cl::opt<std::string> pipelineTarget(
    "weft-pipeline",
    llvm::cl::desc("Run Weft's own pipeline for a target: cpu, or a processor level: "
                   "x86-64-v3, x86-64-v4"),
    llvm::cl::value_desc("target"));
static llvm::cl::opt<std::string> untilPhase("until",
                                             llvm::cl::desc("Stop Weft's pipeline after a phase"),
                                             llvm::cl::value_desc("phase"));
static llvm::cl::opt<std::string> fromPhase("from",
                                            llvm::cl::desc("Start Weft's pipeline with a phase"),
                                            llvm::cl::value_desc("phase"));

/// The phase that an option names, or `otherwise` if it was not given.
static FailureOr<Phase> phaseOf(const llvm::cl::opt<std::string> &option, Phase otherwise) {
  if (option.empty())
    return otherwise;
  if (std::optional<Phase> phase = phaseByName(option))
    return *phase;
  llvm::errs() << "weft-opt: --" << option.ArgStr << "=" << option
               << ": no phase has this name; there are " << phaseNames() << "\n";
  return failure();
}

static LogicalResult addPipeline(PassManager &passes) {
  std::optional<CpuTarget> target =
      CpuTarget::byName(pipelineTarget == "cpu" ? "native" : pipelineTarget.getValue());
  if (!target) {
    llvm::errs() << "weft-opt: --weft-pipeline=" << pipelineTarget
                 << ": no target has this name; there are cpu, x86-64-v3, x86-64-v4\n";
    return failure();
  }
  FailureOr<Phase> first = phaseOf(fromPhase, Phase::Differentiate);
  FailureOr<Phase> last = phaseOf(untilPhase, Phase::Llvm);
  if (failed(first) || failed(last))
    return failure();
  buildPipeline(passes, *target, *first, *last);
  return success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM initialize(argc, argv);
  DialectRegistry registry;
  registerDialects(registry);
  registerPasses();
  auto [input, output] =
      registerAndParseCLIOptions(argc, argv, "Weft's optimiser driver", registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (!pipelineTarget.empty())
    config.setPassPipelineSetupFn(addPipeline);
  std::string error;
  auto file = openInputFile(input, &error);
  if (!file) {
    llvm::errs() << "weft-opt: " << error << "\n";
    return 1;
  }
  auto result = openOutputFile(output, &error);
  if (!result) {
    llvm::errs() << "weft-opt: " << error << "\n";
    return 1;
  }
  if (failed(MlirOptMain(result->os(), std::move(file), registry, config)))
    return 1;
  result->keep();
  return 0;
}
