// Shrinks a module that makes something fail to a small one that still does.
#include "lib/Compiler/IsolatedParse.h"
#include "lib/Compiler/OutputFiles.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/StandardStreams.h"
#include "lib/Support/Error.h"
#include "lib/Support/ReadFile.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "tools/weft-reduce/Reducer.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace weft;

static llvm::cl::OptionCategory category("weft-reduce options");
static llvm::cl::opt<std::string> inputName(llvm::cl::Positional, llvm::cl::desc("<input file>"),
                                            llvm::cl::init("-"), llvm::cl::cat(category));
static llvm::cl::opt<std::string> outputName("o", llvm::cl::desc("Where to write the small module"),
                                             llvm::cl::value_desc("file"), llvm::cl::init("-"),
                                             llvm::cl::cat(category));
static llvm::cl::opt<std::string>
    testName("test", llvm::cl::Required,
             llvm::cl::desc("The program that is asked: it gets the name of a file with a smaller "
                            "module, and exits with 0 if that is still interesting"),
             llvm::cl::value_desc("program"), llvm::cl::cat(category));
static llvm::cl::list<std::string>
    testArguments("test-arg",
                  llvm::cl::desc("An argument for the program, before the file; may be "
                                 "given several times"),
                  llvm::cl::value_desc("argument"), llvm::cl::cat(category));
static llvm::cl::opt<unsigned>
    testSeconds("test-seconds",
                llvm::cl::desc("A module on which the program takes longer is not interesting"),
                llvm::cl::value_desc("seconds"), llvm::cl::init(60), llvm::cl::cat(category));

static const char *const overview =
    R"(Shrinks a module that makes something fail to a small one that still does.

The module is changed in many ways: functions, operations, results, arguments and attributes are
removed, constants and sizes made simple. A change stays if the module verifies and the test accepts
it.

EXAMPLE:
  weft-reduce broken.mlir --test=./still-broken.sh -o small.mlir

  where still-broken.sh exits with 0 for as long as the message that you look for is there:
    #!/bin/sh
    weft-opt --weft-pipeline=cpu "$1" 2>&1 | grep -q 'bytes overflow'
)";

static LogicalResult complain(const llvm::Twine &message) {
  llvm::errs() << "weft-reduce: " << message << "\n";
  return failure();
}

static FailureOr<InterestingnessTest> makeTest() {
  // A name with a slash is a path; any other is looked up as the shell does.
  llvm::ErrorOr<std::string> program = llvm::sys::findProgramByName(testName);
  if (!program || !llvm::sys::fs::can_execute(*program))
    return complain("--test=" + testName + ": there is no such program");
  return InterestingnessTest{*program, testArguments, testSeconds};
}

static LogicalResult run() {
  DialectRegistry registry;
  registerDialects(registry);
  FailureOr<InterestingnessTest> test = makeTest();
  if (failed(test))
    return failure();
  if (const char *obstacle = obstacleToReading(inputName.getValue(), Sources::FilesAndPipes))
    return complain(inputName + ": can't be read: " + obstacle);
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> file = openInputFile(inputName, &error);
  if (!file)
    return complain(error);
  if (std::optional<std::string> damage = damageOf(*file, registry))
    return complain(inputName + ": error: " + *damage);

  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  SourceMgrDiagnosticHandler printer(sources, &context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return failure();
  if (int status = test->run(textOf(*module), error); status != 0)
    return complain("the test does not find " + inputName + " interesting as it is: " + testName +
                    (error.empty() ? " exits with " + llvm::Twine(status) : ": " + error));

  ReductionCounts counts = reduce(module, *test);
  try {
    writeOutput(outputName, textOf(*module));
  } catch (const weft::Error &error) {
    return complain(error.what());
  }
  llvm::errs() << "weft-reduce: " << counts.operationsBefore << " operations became "
               << counts.operationsAfter << " in " << counts.runs << " runs of the test\n";
  return success();
}

int main(int argc, char **argv) {
  holdStandardStreams();
  llvm::InitLLVM initialize(argc, argv);
  llvm::cl::HideUnrelatedOptions(category);
  llvm::cl::ParseCommandLineOptions(argc, argv, overview);
  return finishStandardOutput("weft-reduce", succeeded(run()) ? 0 : 1);
}
