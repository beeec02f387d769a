// The pass driver: runs passes over IR that it reads, as MLIR's users expect.
#include "lib/Compiler/ForeignProgram.h"
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
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace weft;

namespace {

/// The options beyond those of MLIR's driver. Exists once, in main().
struct CommandLine {
  llvm::cl::opt<std::string> target{
      "weft-pipeline",
      llvm::cl::desc("Run Weft's own pipeline for a target: cpu, or a processor level: "
                     "x86-64-v3, x86-64-v4, or a GPU: cuda:sm_80, cuda:sm_90a"),
      llvm::cl::value_desc("target")};
  llvm::cl::opt<std::string> until{"until", llvm::cl::desc("Stop Weft's pipeline after a phase"),
                                   llvm::cl::value_desc("phase")};
  llvm::cl::opt<bool> statistics{
      "pass-statistics",
      llvm::cl::desc("Print how many operations, kernels, launches and bytes of memory there are "
                     "before and after each pass")};
  llvm::cl::opt<bool> readDirectly{
      "read-directly",
      llvm::cl::desc("Read the input without trying it in a child process first, so that "
                     "a debugger sees where the reader crashes")};
  llvm::cl::opt<std::string> from{"from", llvm::cl::value_desc("phase")};

  LogicalResult addPipeline(PassManager &passes) const;
  LogicalResult run(StringRef input, StringRef output, DialectRegistry &registry) const;
};

} // namespace

/// The phase that an option names, or `otherwise` if it was not given.
static std::optional<Phase> phaseOf(const llvm::cl::opt<std::string> &option, Phase otherwise) {
  if (option.empty())
    return otherwise;
  if (std::optional<Phase> phase = phaseByName(option))
    return phase;
  llvm::errs() << "weft-opt: --" << option.ArgStr << "=" << option
               << ": no phase has this name; there are " << phaseNames() << "\n";
  return std::nullopt;
}

LogicalResult CommandLine::addPipeline(PassManager &passes) const {
  const Target *processor = Target::byName(target == "cpu" ? "native" : target.getValue());
  if (!processor) {
    llvm::errs() << "weft-opt: --weft-pipeline=" << target
                 << ": no target has this name; there are cpu, " << Target::names() << "\n";
    return failure();
  }
  std::optional<Phase> first = phaseOf(from, Phase::Differentiate);
  std::optional<Phase> last = phaseOf(until, Phase::Llvm);
  if (!first || !last)
    return failure();
  if (*first > *last) {
    llvm::errs() << "weft-opt: --from=" << from << " comes after --until=" << until
                 << "; the phases are " << phaseNames() << "\n";
    return failure();
  }
  buildFilePipeline(passes, *processor, *first, *last);
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

/// What was read, as a file with a path that an importer can read too. Null if that refused it,
/// and has told why.
static std::unique_ptr<llvm::MemoryBuffer> importInput(StringRef input, StringRef content,
                                                       ForeignKind kind) {
  std::optional<TemporaryFile> copy;
  if (!llvm::sys::fs::is_regular_file(input))
    copy.emplace("input", content);
  std::unique_ptr<TemporaryFile> program = importProgram(copy ? copy->path() : input.str(), kind);
  return program ? mapFile(program->path()) : nullptr;
}

/// The IR in a saved program.
static std::unique_ptr<llvm::MemoryBuffer> irOf(const llvm::MemoryBuffer &program,
                                                StringRef input) {
  StringRef payload = payloadOf(program.getBuffer(), input);
  auto ir = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(payload.size(), input,
                                                              llvm::Align(programHeaderBytes));
  llvm::copy(payload, ir->getBufferStart());
  return ir;
}

/// The IR in a file, or that of what is imported. Throws weft::Error; null if the reason was told.
static std::unique_ptr<llvm::MemoryBuffer> readInput(StringRef input) {
  if (const char *obstacle = obstacleToReading(input.str(), Sources::FilesAndPipes))
    throw weft::Error(weft::Error::Kind::IO, input.str() + ": can't be read: " + obstacle);
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> file = openInputFile(input, &error);
  if (!file)
    throw weft::Error(weft::Error::Kind::IO, error);
  if (std::optional<ForeignKind> kind = foreignKindOf(*file))
    file = importInput(input, file->getBuffer(), *kind);
  return file && isProgramFile(file->getBuffer()) ? irOf(*file, input) : std::move(file);
}

/// Runs the driver from the file `input` to the file `output`, which is written whole or not at
/// all. Throws weft::Error; fails if the reason was told.
LogicalResult CommandLine::run(StringRef input, StringRef output, DialectRegistry &registry) const {
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (target.empty() && !(until.empty() && from.empty()))
    return complain("--from and --until name phases of --weft-pipeline, which is not given");
  config.setPassPipelineSetupFn([this, named = config](PassManager &passes) {
    if (statistics)
      passes.addInstrumentation(createPassStatistics());
    if (!target.empty() && failed(addPipeline(passes)))
      return failure();
    return named.setupPassPipeline(passes);
  });
  std::unique_ptr<llvm::MemoryBuffer> file = readInput(input);
  if (!file)
    return failure();
  if (!readDirectly)
    if (std::optional<std::string> damage = damageOf(*file, registry))
      return complain(input + ": error: " + *damage);
  if (output == "-")
    return MlirOptMain(llvm::outs(), std::move(file), registry, config);

  std::string text;
  llvm::raw_string_ostream stream(text);
  if (failed(MlirOptMain(stream, std::move(file), registry, config)))
    return failure();
  writeOutput(output, text);
  return success();
}

int main(int argc, char **argv) {
  holdStandardStreams();
  llvm::InitLLVM initialize(argc, argv);
  CommandLine line;
  DialectRegistry registry;
  registerDialects(registry);
  registerPasses();
  registerUpstreamPasses();
  registerCLIOptions("weft-opt", registry);
  std::string fromDescription = "Start Weft's pipeline with a phase: " + phaseNames();
  line.from.setDescription(fromDescription);
  arrangeHelp();
  auto [input, output] = parseCLIOptions(argc, argv, helpOverview);
  disableThreading();
  bool isDone = false;
  try {
    isDone = succeeded(line.run(input, output, registry));
  } catch (const weft::Error &error) {
    (void)complain(error.what());
  }
  return finishStandardOutput("weft-opt", isDone ? 0 : 1);
}
