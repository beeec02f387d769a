// The ahead-of-time compiler: from a program to an object file and its C header.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/NVPTX/GpuTarget.h"
#include "lib/Compiler/CompileObject.h"
#include "lib/Compiler/ForeignProgram.h"
#include "lib/Compiler/ObjectMetadata.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/Program.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/StandardStreams.h"
#include "lib/Support/Error.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace weft;
namespace cl = llvm::cl;

namespace {

/// The options. Exists once, in main().
struct CommandLine {
  cl::OptionCategory files{"Files"}, code{"How it is compiled"},
      models{"Models of other systems: what their importers are told"},
      looking{"Looking into what was compiled"};
  cl::opt<std::string> input{
      cl::Positional, cl::value_desc("program"),
      cl::desc("<program>: a saved export, MLIR, or a model of ONNX, PyTorch (.pt2) or StableHLO")};
  cl::opt<std::string> output{"o", cl::value_desc("file"), cl::cat(files),
                              cl::desc("Where the result goes")};
  cl::opt<std::string> header{"header", cl::value_desc("file"), cl::cat(files),
                              cl::desc("Where the C header goes")};
  cl::opt<std::string> weights{
      "weights", cl::value_desc("file"), cl::cat(files),
      cl::desc("Put large constants into this safetensors file, which the program maps when it "
               "runs, instead of into the object")};
  cl::opt<std::string> javaScript{
      "javascript", cl::value_desc("file"), cl::cat(files),
      cl::desc("Where JavaScript that calls a WebAssembly module goes; its types go beside it")};
  cl::opt<std::string> emit{"emit", cl::value_desc("kind"), cl::cat(files),
                            cl::desc("What the result is, obj if not given; see below")};
  cl::opt<std::string> name{
      "name", cl::value_desc("identifier"), cl::cat(files),
      cl::desc("What the C names begin with; else made from the output's name")};
  cl::opt<std::string> target{
      "target", cl::value_desc("processor"), cl::init("native"), cl::cat(code),
      cl::desc("The processor to compile for, this one if not given; see below")};
  cl::opt<std::string> threads{"threads", cl::value_desc("mode"), cl::init("none"), cl::cat(code),
                               cl::desc("none (default): on the caller; hook: with the caller's "
                                        "parallel_for; pool: with threads of its own")};
  cl::list<std::string> sizes{"size", cl::value_desc("name=number"), cl::cat(models),
                              cl::desc("A number for a size that the model leaves open; others "
                                       "stay open")};
  cl::list<std::string> shapes{
      "shape", cl::value_desc("argument=sizes"), cl::cat(models),
      cl::desc("StableHLO: the sizes of an argument, as x=batch,784: names or numbers")};
  cl::list<std::string> known{"known", cl::value_desc("name=file.npy"), cl::cat(models),
                              cl::desc("ONNX: the value of an input that shapes follow from")};
  cl::list<std::string> function{"function", cl::value_desc("name"), cl::cat(models),
                                 cl::desc("StableHLO: which function, main if not given")};
  cl::opt<bool> inspect{
      "inspect", cl::cat(looking),
      cl::desc("Print what an object, library or program says of the models in it")};
  cl::opt<bool> json{"json", cl::cat(looking), cl::desc("The same as JSON")};

  ObjectOptions objectOptions() const;
  std::vector<std::string> importerOptions() const;
  int compile() const;
  void printMetadata() const;
};

} // namespace

static std::string helpEnd() {
  std::string text = "\nKINDS (--emit)\n";
  for (const EmitKindInfo &kind : emitKinds())
    text += "  " + kind.name.str() + std::string(13 - kind.name.size(), ' ') + kind.meaning.str() +
            "\n";
  text += "\nPROCESSORS (--target)\n" + CpuTarget::listing();
  text += "  " + GpuTarget::names() + ": NVIDIA's GPUs, for ptx and cubin\n";
  return text +
         "\nEXAMPLE\n"
         "  weftc net.mlir -o net.o --header net.h\n"
         "  cc main.c net.o -lm -o main            # main.c includes net.h, calls net_run()\n"
         "  weftc net.mlir -o net.wasm --target=wasm32 --javascript net.js\n"
         "  weftc net.onnx -o net.o --size batch=8 # by $WEFT_PYTHON, else the first python3 that "
         "has "
         "weft\n";
}

[[noreturn]] static void fail(const std::string &message) {
  throw Error(Error::Kind::Value, message);
}

/// Throws if what is written would take the program's place.
static void checkApart(const std::string &input, const std::string &output) {
  if (!output.empty() && llvm::sys::fs::equivalent(input, output))
    fail(output + ": the output would replace the program that is compiled");
}

ObjectOptions CommandLine::objectOptions() const {
  ObjectOptions options;
  if (output.empty())
    fail("there is no output; name one with -o");
  for (const cl::opt<std::string> *file : {&output, &header, &javaScript, &weights})
    checkApart(input, *file);
  std::optional<EmitKind> kind = emitKindByName(emit, target);
  if (!kind) {
    std::string names;
    for (const EmitKindInfo &known : emitKinds())
      names += (names.empty() ? "" : ", ") + known.name.str();
    fail("--emit=" + emit + ": no kind has this name; there are " + names);
  }
  std::optional<ThreadMode> mode = threadModeByName(threads);
  if (!mode)
    fail("--threads=" + threads + ": no mode has this name; there are none, hook, pool");
  if (!CpuTarget::byName(target) && !GpuTarget::byName(target))
    fail("--target=" + target + ": no processor has this name; there are " + CpuTarget::names() +
         ", " + GpuTarget::names());
  options.emit = *kind;
  options.threads = *mode;
  options.target = target;
  options.name = name;
  options.output = output;
  options.header = header;
  options.javaScript = javaScript;
  options.weights = weights;
  return options;
}

/// What importers are told, as they take it.
std::vector<std::string> CommandLine::importerOptions() const {
  std::vector<std::string> words;
  auto add = [&words](const cl::list<std::string> &option) {
    for (const std::string &value : option)
      words.push_back("--" + option.ArgStr.str() + "=" + value);
  };
  add(sizes);
  add(shapes);
  add(known);
  add(function);
  return words;
}

/// Compiles the program; the exit status is 1 if an importer, which has told why, refused it.
int CommandLine::compile() const {
  ObjectOptions options = objectOptions();
  std::string program = input;
  std::unique_ptr<TemporaryFile> imported;
  std::vector<std::string> told = importerOptions();
  if (std::optional<ForeignKind> kind = foreignKindOf(*mapFile(input))) {
    imported = importProgram(input, *kind, told);
    if (!imported)
      return 1;
    program = imported->path();
  } else if (!told.empty()) {
    fail(told.front() + ": is for models of other systems, and " + input +
         " is a program of Weft's; export it anew, with numbers for sizes");
  }
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module = readProgram(program, context);
  compileObject(*module, options);
  return 0;
}

void CommandLine::printMetadata() const {
  std::vector<llvm::json::Object> models = readMetadata(input);
  if (!json) {
    for (const llvm::json::Object &model : models)
      llvm::outs() << metadataText(model);
    return;
  }
  llvm::json::Array all;
  for (llvm::json::Object &model : models)
    all.push_back(std::move(model));
  llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(all))) << "\n";
}

int main(int argc, char **argv) {
  holdStandardStreams();
  llvm::InitLLVM initialize(argc, argv);
  CommandLine line;
  std::string end = helpEnd();
  cl::extrahelp help(end);
  cl::HideUnrelatedOptions({&line.files, &line.code, &line.models, &line.looking});
  // LLVM shows it whenever there are groups, and it shows the same without them.
  cl::getRegisteredOptions()["help-list"]->removeArgument();
  cl::SetVersionPrinter([](llvm::raw_ostream &out) { out << "weftc " << weftVersion() << "\n"; });
  cl::ParseCommandLineOptions(
      argc, argv,
      "Weft's ahead-of-time compiler: from a program to an object that needs nothing of Weft, and "
      "what calls it.\n");
  try {
    if (line.input.empty())
      fail("there is no input; `weftc --help` shows an example");
    if (!line.inspect)
      return finishStandardOutput("weftc", line.compile());
    line.printMetadata();
  } catch (const Error &error) {
    llvm::errs() << "weftc: " << error.what() << "\n";
    return 1;
  }
  return finishStandardOutput("weftc", 0);
}
