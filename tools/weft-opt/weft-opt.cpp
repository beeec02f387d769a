// The pass driver: runs passes over IR that it reads, as MLIR's users expect.
#include "lib/Compiler/IsolatedParse.h"
#include "lib/Compiler/OutputFiles.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/StandardStreams.h"
#include "lib/Support/Error.h"
#include "lib/Support/ReadFile.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "tools/weft-opt/Help.h"
#include "tools/weft-opt/PassStatistics.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace weft;

static llvm::cl::opt<std::string> pipelineTarget(
    "weft-pipeline",
    llvm::cl::desc("Run Weft's own pipeline for a target: cpu, or a processor level: "
                   "x86-64-v3, x86-64-v4, or a GPU: cuda:sm_80, cuda:sm_90a"),
    llvm::cl::value_desc("target"));
static llvm::cl::opt<std::string> untilPhase("until",
                                             llvm::cl::desc("Stop Weft's pipeline after a phase"),
                                             llvm::cl::value_desc("phase"));
static llvm::cl::opt<bool> statistics(
    "pass-statistics",
    llvm::cl::desc("Print how many operations, kernels, launches and bytes of memory there are "
                   "before and after each pass"));
static llvm::cl::opt<bool> readDirectly(
    "read-directly",
    llvm::cl::desc("Read the input without trying it in a child process first, so that "
                   "a debugger sees where the reader crashes"));
static llvm::cl::opt<std::string> fromPhase("from", llvm::cl::value_desc("phase"));

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
  const Target *target =
      Target::byName(pipelineTarget == "cpu" ? "native" : pipelineTarget.getValue());
  if (!target) {
    llvm::errs() << "weft-opt: --weft-pipeline=" << pipelineTarget
                 << ": no target has this name; there are cpu, " << Target::names() << "\n";
    return failure();
  }
  FailureOr<Phase> first = phaseOf(fromPhase, Phase::Differentiate);
  FailureOr<Phase> last = phaseOf(untilPhase, Phase::Llvm);
  if (failed(first) || failed(last))
    return failure();
  if (*first > *last) {
    llvm::errs() << "weft-opt: --from=" << fromPhase << " comes after --until=" << untilPhase
                 << "; the phases are " << phaseNames() << "\n";
    return failure();
  }
  buildFilePipeline(passes, *target, *first, *last);
  return success();
}

/// Upstream's passes that make sense on our levels of IR, beyond those of our pipeline.
static void registerUpstreamPasses() {
  registerControlFlowSinkPass();
  registerLocationSnapshotPass();
  registerLoopInvariantCodeMotionPass();
  registerPrintIRPass();
  registerPrintOpStatsPass();
  registerRemoveDeadValuesPass();
  registerSCCPPass();
  registerStripDebugInfoPass();
  registerSymbolDCEPass();
  registerSymbolPrivatizePass();
  registerTopologicalSortPass();
  registerViewOpGraphPass();
  registerPass([] { return createSCFToControlFlowPass(); });
}

/// One thread: Weft's passes work on whole modules, and a local reproducer needs it.
static void disableThreading() {
  llvm::cl::Option *option = llvm::cl::getRegisteredOptions().lookup("mlir-disable-threading");
  if (option && option->getNumOccurrences() == 0)
    option->addOccurrence(0, option->ArgStr, "true");
}

static LogicalResult complain(const llvm::Twine &message) {
  llvm::errs() << "weft-opt: " << message << "\n";
  return failure();
}

/// Runs the driver from the file `input` to the file `output`, which is written whole or not at
/// all.
static LogicalResult run(StringRef input, StringRef output, DialectRegistry &registry) {
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (pipelineTarget.empty() && !(untilPhase.empty() && fromPhase.empty()))
    return complain("--from and --until name phases of --weft-pipeline, which is not given");
  config.setPassPipelineSetupFn([named = config](PassManager &passes) {
    if (statistics)
      passes.addInstrumentation(createPassStatistics());
    if (!pipelineTarget.empty() && failed(addPipeline(passes)))
      return failure();
    return named.setupPassPipeline(passes);
  });
  if (const char *obstacle = obstacleToReading(input.str(), Sources::FilesAndPipes))
    return complain(input + ": can't be read: " + obstacle);
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> file = openInputFile(input, &error);
  if (!file)
    return complain(error);
  if (isProgramFile(file->getBuffer()))
    return complain(input + ": is a saved program, not IR; weftc compiles it, and "
                            "`weft.load(path).mlir()` in Python shows its IR");
  if (!readDirectly)
    if (std::optional<std::string> damage = damageOf(*file, registry))
      return complain(input + ": error: " + *damage);
  if (output == "-")
    return MlirOptMain(llvm::outs(), std::move(file), registry, config);

  std::string text;
  llvm::raw_string_ostream stream(text);
  if (failed(MlirOptMain(stream, std::move(file), registry, config)))
    return failure();
  try {
    writeOutput(output, text);
  } catch (const weft::Error &error) {
    return complain(error.what());
  }
  return success();
}

int main(int argc, char **argv) {
  holdStandardStreams();
  llvm::InitLLVM initialize(argc, argv);
  DialectRegistry registry;
  registerDialects(registry);
  registerPasses();
  registerUpstreamPasses();
  registerCLIOptions("weft-opt", registry);
  std::string fromDescription = "Start Weft's pipeline with a phase: " + phaseNames();
  fromPhase.setDescription(fromDescription);
  arrangeHelp();
  auto [input, output] = parseCLIOptions(argc, argv, helpOverview);
  disableThreading();
  return finishStandardOutput("weft-opt", failed(run(input, output, registry)) ? 1 : 0);
}
