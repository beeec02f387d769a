// Readers of text and bytecode, the pipeline, and the tools themselves.
#include "test/fuzz/Targets.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/IsolatedParse.h"
#include "lib/Compiler/KernelFile.h"
#include "lib/Compiler/ObjectMetadata.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/Program.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/ProgramSignature.h"
#include "lib/Compiler/SafeTensors.h"
#include "lib/Support/Error.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "test/fuzz/Corpus.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/SourceMgr.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace mlir;

namespace weft::fuzz {

static constexpr size_t longestModule = 8000;

/// Parses and verifies; errors go to the standard error stream.
static OwningOpRef<ModuleOp> parse(const std::string &input, MLIRContext &context,
                                   llvm::SourceMgr &sources) {
  // The parser wants a zero behind the text.
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(input, "input"), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(sources, &context);
}

/// Reads a module as the tools do.
static int takeModule(const std::string &input, Surroundings &surroundings) {
  if (std::optional<std::string> damage =
          damageOf(llvm::MemoryBufferRef(input, "input"), surroundings.registry)) {
    llvm::errs() << "error: " << *damage << "\n";
    return 1;
  }
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler printer(sources, surroundings.context.get(), llvm::errs());
  OwningOpRef<ModuleOp> module = parse(input, *surroundings.context, sources);
  if (!module)
    return 1;
  module->print(llvm::nulls());
  return 0;
}

/// What can't be read is not counted as refused: that is the business of another target.
static int compileModule(const std::string &input, MLIRContext &context, StringRef target) {
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler printer(sources, &context, llvm::errs());
  OwningOpRef<ModuleOp> module = parse(input, context, sources);
  if (!module)
    return 1;
  PassManager passes(&context);
  buildFilePipeline(passes, *weft::Target::byName(target), Phase::Differentiate, Phase::Llvm);
  if (failed(passes.run(*module)))
    return 1;
  module->print(llvm::nulls());
  return 0;
}

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  return text;
}

/// Erases the functions that `root` does not use, itself or by what it uses.
static void keepUsed(ModuleOp module, Operation *root) {
  llvm::SetVector<Operation *> used;
  used.insert(root);
  for (size_t next = 0; next < used.size(); ++next)
    for (auto function : module.getOps<FunctionOpInterface>())
      if (!SymbolTable::symbolKnownUseEmpty(function.getNameAttr(), used[next]))
        used.insert(function);
  for (auto function : llvm::make_early_inc_range(module.getOps<FunctionOpInterface>()))
    if (!used.contains(function))
      function.erase();
}

/// The modules that are well formed, cut into small ones: one for each function, with what it uses.
static std::vector<std::string> wellFormed(const std::vector<std::string> &modules,
                                           MLIRContext &context) {
  ScopedDiagnosticHandler silence(&context, [](Diagnostic &) { return success(); });
  std::vector<std::string> small;
  for (const std::string &text : modules) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      continue;
    small.push_back(textOf(*module));
    auto functions = llvm::to_vector(module->getOps<FunctionOpInterface>());
    for (FunctionOpInterface function : functions) {
      if (functions.size() == 1)
        break;
      OwningOpRef<ModuleOp> one = module->clone();
      keepUsed(*one, one->lookupSymbol(function.getNameAttr()));
      small.push_back(textOf(*one));
    }
  }
  return small;
}

static std::vector<std::string> bytecodeOf(const std::vector<std::string> &modules,
                                           MLIRContext &context) {
  std::vector<std::string> files;
  for (const std::string &text : modules) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    llvm::raw_string_ostream stream(files.emplace_back());
    if (failed(writeBytecodeToFile(*module, stream)))
      files.pop_back();
  }
  return files;
}

static std::string contentOf(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// Calls what throws weft::Error for input that it refuses.
template <typename Read> static int refusing(Read read) {
  try {
    read();
    return 0;
  } catch (const weft::Error &error) {
    llvm::errs() << "error: " << error.what() << "\n";
    return 1;
  }
}

static std::vector<std::string> programsOf(const std::vector<std::string> &bytecode,
                                           const std::string &scratch) {
  std::vector<std::string> programs;
  for (const std::string &payload : bytecode) {
    writeProgramFile(scratch + "/corpus.weft", [&](llvm::raw_ostream &out) { out << payload; });
    programs.push_back(contentOf(scratch + "/corpus.weft"));
  }
  return programs;
}

static void sealProgram(std::string &input) {
  if (input.size() >= programHeaderBytes)
    sealProgramFile(input);
}

/// Reads a program as weft.load does.
static int takeProgram(const std::string &input, Surroundings &surroundings) {
  std::string path = surroundings.scratch + "/input.weft";
  std::ofstream(path, std::ios::binary) << input;
  return refusing([&] {
    OwningOpRef<ModuleOp> module = readProgram(path, *surroundings.context);
    PassManager passes(surroundings.context.get());
    passes.addPass(createResolveSizes());
    DiagnosticCollector diagnostics(*surroundings.context);
    if (failed(passes.run(*module)))
      throw weft::Error(weft::Error::Kind::IO, diagnostics.text("the sizes can't be resolved"));
    signatureOfProgram(*module);
  });
}

static std::vector<std::string> kernelFiles() {
  KernelObject object{"k", 2, 1, {}};
  object.code.assign(64, 'c');
  std::vector<std::string> files = {encodeKernel(object, "fuzz")};
  object.image = "image";
  object.deviceStages = {{"k_0", 128, 64}, {"k_1", 256, 0}};
  TensorMapShape &map = object.deviceStages[0].tensorMaps.emplace_back();
  map.dimensions.resize(2);
  files.push_back(encodeKernel(object, "fuzz"));
  return files;
}

static void sealKernel(std::string &input) {
  if (input.size() >= kernelHeaderBytes)
    sealKernelFile(input);
}

static int takeKernel(const std::string &input) {
  if (decodeKernel(input, "k", "fuzz"))
    return 0;
  llvm::errs() << "error: it is no kernel\n";
  return 1;
}

static std::vector<std::string> tensorFiles(const std::string &scratch) {
  std::vector<std::string> files;
  std::vector<char> elements(96, 1);
  std::vector<SafeTensor> tensors;
  for (const auto &[name, dtype, shape] :
       {std::tuple("weight", DType::Float32, std::vector<int64_t>{2, 3}),
        {"bias", DType::BFloat16, {8}},
        {"layers.0.mask", DType::Bool, {2, 2, 2}},
        {"empty", DType::Int64, {0, 5}},
        {"scalar \"quoted\"", DType::Float64, {}}}) {
    size_t bytes = dtypeSize(dtype);
    for (int64_t length : shape)
      bytes *= length;
    tensors.push_back({name, {dtype, shape}, llvm::ArrayRef(elements).take_front(bytes)});
    writeSafeTensors(scratch + "/corpus.safetensors", tensors);
    files.push_back(contentOf(scratch + "/corpus.safetensors"));
  }
  return files;
}

/// All elements are read: they must lie within the file.
static int takeTensors(const std::string &input) {
  return refusing([&] {
    int sum = 0;
    for (const SafeTensor &tensor : readSafeTensors(input, "input"))
      for (char element : tensor.elements)
        sum += element;
    llvm::nulls() << sum;
  });
}

/// Becomes a tool.
static int execute(const std::string &tool, const std::vector<std::string> &arguments) {
  std::vector<char *> words{const_cast<char *>(tool.c_str())};
  for (const std::string &argument : arguments)
    words.push_back(const_cast<char *>(argument.c_str()));
  words.push_back(nullptr);
  execv(tool.c_str(), words.data());
  std::perror(tool.c_str());
  return 127;
}

/// An object and an archive of a small model.
static std::vector<std::string> objectsOf(const Surroundings &surroundings) {
  std::string model = surroundings.scratch + "/corpus.mlir";
  std::ofstream(model) << "func.func @main(%x: tensor<4x8xf32>) -> tensor<4xf32> {\n"
                          "  %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>\n"
                          "  return %0 : tensor<4xf32>\n}\n";
  std::vector<std::string> files;
  for (const char *kind : {"obj", "static", "shared"}) {
    std::string output = surroundings.scratch + "/corpus." + kind;
    Outcome outcome = runInChild([&] {
      return execute(surroundings.tools + "/weftc",
                     {model, "-o", output, std::string("--emit=") + kind});
    });
    llvm::errs() << outcome.messages;
    if (outcome.status == 0)
      files.push_back(contentOf(output));
  }
  return files;
}

/// Of each description in it.
static void sealObject(std::string &input) {
  for (size_t at = 0; (at = input.find(metadataMagic, at)) != std::string::npos; ++at)
    sealMetadata(input, at);
}

static int takeObject(const std::string &input, const Surroundings &surroundings) {
  std::string path = surroundings.scratch + "/input.o";
  std::ofstream(path, std::ios::binary) << input;
  return refusing([&] {
    for (const llvm::json::Object &metadata : readMetadata(path))
      llvm::nulls() << metadataText(metadata);
  });
}

static Unit anyUnit(Random &random) {
  static constexpr Unit units[] = {Unit::Bytes, Unit::Tokens, Unit::Tokens, Unit::EqualTokens};
  return random.among(units);
}
static Unit bytesOrTokens(Random &random) {
  return random.below(2) == 0 ? Unit::Bytes : Unit::Tokens;
}
static Unit onlyBytes(Random &) { return Unit::Bytes; }
static Unit mostlyEqualTokens(Random &random) {
  return random.below(8) == 0 ? Unit::Tokens : Unit::EqualTokens;
}

/// weft-opt as a process: it must leave its output whole or not at all.
static int runDriver(const std::string &input, const Surroundings &surroundings) {
  std::filesystem::path folder = surroundings.scratch;
  std::string inputFile = folder / "input.mlir", outputFile = folder / "output.mlir";
  std::ofstream(inputFile, std::ios::binary) << input;
  std::filesystem::remove(outputFile);
  Outcome outcome = runInChild([&] {
    return execute(surroundings.tools + "/weft-opt",
                   {inputFile, "--weft-pipeline=cpu", "--until=plan", "-o", outputFile});
  });
  llvm::errs() << outcome.messages;
  if (outcome.kind != Outcome::Kind::Ended)
    abort();
  size_t files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    files += entry.path() != inputFile;
  if (files != (outcome.status == 0 ? 1 : 0)) {
    llvm::errs() << "weft-opt ended with " << outcome.status << " and left " << files << " files\n";
    return 2;
  }
  return outcome.status;
}

std::vector<Target> makeTargets(Surroundings &surroundings) {
  registerDialects(surroundings.registry);
  surroundings.context =
      std::make_unique<MLIRContext>(surroundings.registry, MLIRContext::Threading::DISABLED);
  MLIRContext &context = *surroundings.context;
  context.loadAllAvailableDialects();
  std::vector<std::string> modules = collectModules(surroundings.folders, longestModule);
  std::vector<std::string> good = wellFormed(modules, context);
  std::vector<std::string> bytecode = bytecodeOf(good, context);
  modules.insert(modules.end(), good.begin(), good.end());

  auto always = [](std::vector<std::string> corpus) { return [=] { return corpus; }; };
  return {{"text", "parser and verifier of modules as text", 4500, ".mlir", always(modules),
           anyUnit, [&](const std::string &input) { return takeModule(input, surroundings); }},
          {"bytecode", "reader of bytecode", 2500, ".mlirbc", always(bytecode), onlyBytes,
           [&](const std::string &input) { return takeModule(input, surroundings); }},
          {"pipeline", "all phases for a processor", 2000, ".mlir", always(good), mostlyEqualTokens,
           [&](const std::string &input) { return compileModule(input, context, "x86-64-v3"); }},
          {"gpu-pipeline", "all phases for a GPU", 1000, ".mlir", always(good), mostlyEqualTokens,
           [&](const std::string &input) { return compileModule(input, context, "cuda:sm_80"); }},
          {"program", "reader of saved programs", 1500, ".weft",
           [&, bytecode] { return programsOf(bytecode, surroundings.scratch); }, onlyBytes,
           [&](const std::string &input) { return takeProgram(input, surroundings); }, sealProgram},
          {"kernel", "reader of the cache of kernels", 2000, ".kernel", kernelFiles, onlyBytes,
           takeKernel, sealKernel},
          {"safetensors", "reader of safetensors files", 2000, ".safetensors",
           [&] { return tensorFiles(surroundings.scratch); }, bytesOrTokens, takeTensors},
          {"object", "reader of what weftc has compiled", 1000, ".o",
           [&] { return objectsOf(surroundings); }, onlyBytes,
           [&](const std::string &input) { return takeObject(input, surroundings); }, sealObject},
          {"driver", "weft-opt as a process", 150, ".mlir", always(modules), anyUnit,
           [&](const std::string &input) { return runDriver(input, surroundings); }}};
}

} // namespace weft::fuzz
