// From a program to an object file that stands alone.
#include "lib/Compiler/CompileObject.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/CPU/LinkArtifact.h"
#include "codegen/NVPTX/GpuTarget.h"
#include "dialects/Weft/IR/Collectives.h"
#include "dialects/Weft/IR/Program.h"
#include "dialects/Weft/IR/Require.h"
#include "lib/Compiler/CHeader.h"
#include "lib/Compiler/CapturedConstants.h"
#include "lib/Compiler/CompileForGpu.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/EvaluatePrepared.h"
#include "lib/Compiler/JavaScriptModule.h"
#include "lib/Compiler/LinkLibrary.h"
#include "lib/Compiler/ObjectMetadata.h"
#include "lib/Compiler/ObjectWeights.h"
#include "lib/Compiler/OutputFiles.h"
#include "lib/Compiler/PackConstants.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Runtime/Library.h"
#include "lib/Runtime/artifact/EmbeddedFiles.h"
#include "lib/Support/Error.h"
#include "passes/Passes.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace weft {

static constexpr EmitKindInfo kinds[] = {
    {EmitKind::Object, "obj", "an object file"},
    {EmitKind::StaticLibrary, "static", "an archive with the object"},
    {EmitKind::SharedLibrary, "shared", "a shared library, linked by ld.lld"},
    {EmitKind::WebAssembly, "wasm", "for wasm32, and if not given there: a module, by wasm-ld"},
    {EmitKind::LlvmText, "llvm", "the optimised LLVM IR, as text"},
    {EmitKind::AssemblyText, "asm", "assembly, as text"},
    {EmitKind::Ptx, "ptx", "the kernels for a GPU, as PTX text", true},
    {EmitKind::Cubin, "cubin", "the same as machine code, made by ptxas of the CUDA toolkit",
     true}};

ArrayRef<EmitKindInfo> emitKinds() { return kinds; }

std::optional<EmitKind> emitKindByName(StringRef name, StringRef target) {
  if (name.empty()) {
    const CpuTarget *known = CpuTarget::byName(target);
    return known && known->isWebAssembly() ? EmitKind::WebAssembly : EmitKind::Object;
  }
  for (const EmitKindInfo &kind : kinds)
    if (kind.name == name)
      return kind.kind;
  return std::nullopt;
}

static constexpr llvm::StringLiteral threadModes[] = {"none", "hook", "pool"};

std::optional<ThreadMode> threadModeByName(StringRef name) {
  for (auto [number, known] : llvm::enumerate(threadModes))
    if (known == name)
      return static_cast<ThreadMode>(number);
  return std::nullopt;
}

StringRef nameOf(ThreadMode mode) { return threadModes[static_cast<size_t>(mode)]; }

std::string modelNameFrom(StringRef path) {
  std::string name;
  for (char c : llvm::sys::path::stem(path))
    if (llvm::isAlnum(c) || !llvm::StringRef(name).ends_with("_"))
      name += llvm::isAlnum(c) ? c : '_';
  if (StringRef(name).starts_with("lib") && name.size() > 3 && !path.ends_with(".o"))
    name = name.substr(3);
  return isModelName(name) ? name : "model" + std::string(name.starts_with("_") ? "" : "_") + name;
}

namespace {

/// One run of the compiler.
class ObjectCompiler {
public:
  ObjectCompiler(ModuleOp module, const ObjectOptions &options)
      : module(module),
        options(options),
        name(options.name.empty() ? modelNameFrom(options.output) : options.name) {}

  void compile() {
    checkOptions();
    askForPreparation();
    runPasses("simplified", [&](PassManager &passes) {
      passes.addPass(createResolveSizes());
      buildPipeline(passes, *target, Phase::Differentiate, Phase::Simplify);
    });
    refuseLibraries();
    evaluatePrepared(module, constants);
    sinkConstants(module);
    runPasses("fused", [&](PassManager &passes) {
      buildPipeline(passes, *target, Phase::Fuse, Phase::Fuse);
    });
    Compiler::instance().tune(module, *target);
    runPasses("planned", [&](PassManager &passes) {
      buildPipeline(passes, *target, Phase::Schedule, Phase::Plan);
    });
    packConstants(module, *target, constants);
    if (!options.weights.empty())
      moveWeightsToFile(module, files.addWrittenByCaller(options.weights));
    describe();
    emitFiles();
  }

private:
  void emitFiles() {
    EmitEntryOptions entry;
    entry.name = name;
    entry.threads = nameOf(options.threads).str();
    entry.target = target->name();
    runPasses("lowered", [&](PassManager &passes) {
      buildPipeline(passes, *target, Phase::Loops, Phase::Llvm, &entry);
    });
    LlvmModule translated = translate(module);
    link(translated);
    files.add(options.output, generate(translated));
    if (!options.header.empty())
      files.add(options.header, cHeader(signature, headerFacts()));
    if (!options.javaScript.empty())
      addJavaScript();
    files.commit();
  }

  void checkOptions() {
    target = CpuTarget::byName(options.target);
    if (!target)
      throw Error(Error::Kind::Value,
                  "there is no target " + options.target + "; there are " + CpuTarget::names());
    if (target->isWebAssembly())
      checkWebAssembly();
    else if (options.emit == EmitKind::WebAssembly || !options.javaScript.empty())
      throw Error(Error::Kind::Value, "modules of WebAssembly, and JavaScript that calls them, are "
                                      "made with --target=wasm32");
    if (!target->hasSystem())
      checkWithoutSystem();
    if (!isModelName(name))
      throw Error(Error::Kind::Value, "the name \"" + name +
                                          "\" can't begin names of C: it has to be an identifier "
                                          "that C, C++ and Weft (weft_...) do not reserve");
    if (options.output.empty())
      throw Error(Error::Kind::Value, "there is no path for the output");
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal())
      throw Error(Error::Kind::Value, "the program has no function @main");
  }

  void checkWebAssembly() const {
    if (options.emit == EmitKind::SharedLibrary)
      throw Error(Error::Kind::Value, "there are no shared libraries for wasm32; --emit=wasm makes "
                                      "a module that is loaded at run time");
    if (!options.javaScript.empty() && options.emit != EmitKind::WebAssembly)
      throw Error(Error::Kind::Value,
                  "JavaScript calls modules: --javascript goes with --emit=wasm");
    if (!options.javaScript.empty())
      declarationsPath(options.javaScript);
  }

  void checkWithoutSystem() const {
    if (options.threads != ThreadMode::None)
      throw Error(Error::Kind::Value, "models for " + options.target + " run on the caller's " +
                                          "thread: --threads=" + nameOf(options.threads).str() +
                                          " is for others");
    if (options.emit == EmitKind::SharedLibrary)
      throw Error(Error::Kind::Value, "there are no shared libraries for " + options.target +
                                          ", which has no system to load them");
  }

  /// What depends on constants alone is computed here; arguments are given anew by each caller.
  void askForPreparation() {
    auto main = module.lookupSymbol<func::FuncOp>("main");
    for (unsigned number = 0; number < main.getNumArguments(); ++number)
      main.removeArgAttr(number, "weft.hidden");
    main->setAttr("weft.prepare", StringAttr::get(module.getContext(), "arranged"));
  }

  template <typename Add> void runPasses(const char *what, Add add) {
    PassManager passes(module.getContext());
    passes.enableVerifier(false);
    add(passes);
    DiagnosticCollector diagnostics(*module.getContext());
    if (failed(passes.run(module)))
      throw Error(Error::Kind::Value,
                  diagnostics.text(std::string("the program could not be ") + what));
  }

  /// An object has no libraries; what depends on constants alone is computed here, by those that
  /// are at hand.
  void refuseLibraries() {
    DiagnosticCollector diagnostics(*module.getContext());
    llvm::StringSet<> evaluated;
    module.walk([&](PrepareOp prepare) { evaluated.insert(prepare.getFunction()); });
    module.walk([&](LibraryOpInterface op) {
      bool isEvaluated = evaluated.contains(op->getParentOfType<func::FuncOp>().getSymName());
      if (isEvaluated && hasLibraryFunction(op.getFunctionName()))
        return;
      op.emitError()
          << op.getFunctionName() << " is computed by a library on the host, which an "
          << "object file can't call; leave it out of the program, or run that by weft.load";
    });
    module.walk([](CollectiveOpInterface op) {
      op.emitError() << op.getFunctionName() << " is computed by several processes together, which "
                     << "an object file can't call; leave it out of the program, or run that by "
                     << "weft.load";
    });
    if (std::string text = diagnostics.text(""); !text.empty())
      throw Error(Error::Kind::Unsupported, text);
  }

  /// Notes what the header and the metadata say, while the program is still made of launches.
  void describe() {
    DiagnosticCollector diagnostics(*module.getContext());
    auto main = module.lookupSymbol<func::FuncOp>("main");
    std::optional<ModelSignature> read = readSignature(main);
    if (!read)
      throw Error(Error::Kind::Value, diagnostics.text("the program has no signature"));
    signature = std::move(*read);
    module.walk([&](Operation *op) { canFail |= isa<ProgramOp, RequireOp>(op); });
    metadata["weft"] = weftVersion();
    metadata["llvm"] = LLVM_VERSION_STRING;
    metadata["abi"] = 1;
    metadata["name"] = name;
    metadata["target"] = options.target;
    metadata["triple"] = target->triple;
    metadata["processor"] = target->processor;
    metadata["features"] = target->features;
    metadata["threads"] = nameOf(options.threads);
    describeSignature(signature, metadata);
    metadata["kernels"] = describeLaunches(module);
    if (auto weights = module->getAttrOfType<DictionaryAttr>(weightsAttribute))
      metadata["weights"] = llvm::json::Object{
          {"file", llvm::sys::path::filename(options.weights)},
          {"bytes", weights.getAs<IntegerAttr>("bytes").getInt()},
          {"hash", llvm::utohexstr(weights.getAs<IntegerAttr>("hash").getInt())}};
  }

  /// The launches of @main in the order in which they run, then those of loops and branches, with
  /// the user's lines.
  static llvm::json::Array describeLaunches(ModuleOp module) {
    llvm::json::Array launches;
    module.walk([&](LaunchOp launch) {
      llvm::SmallSetVector<Attribute, 4> seen;
      llvm::json::Array lines;
      launch.getLoc()->walk([&](Location part) {
        if (auto line = dyn_cast<FileLineColLoc>(part); line && seen.insert(line))
          lines.push_back(line.getFilename().str() + ":" + std::to_string(line.getLine()));
        return WalkResult::advance();
      });
      launches.push_back(
          llvm::json::Object{{"name", launch.getKernel()}, {"lines", std::move(lines)}});
    });
    return launches;
  }

  void link(LlvmModule &llvmModule) {
    ArtifactParts parts;
    llvm::Triple triple(target->triple);
    std::string architecture = llvm::Triple::getArchTypeName(triple.getArch()).str();
    // Threads are for targets with a system; the last, for those whose libraries are in doubt.
    for (const char *source :
         {"model", "launch", "steps", "failure", "weights", "threads", "fused"}) {
      std::string file = std::string(source) + "." + architecture + ".bc";
      std::string_view bytes = embeddedFile(file);
      if (bytes.empty() && (source == StringRef("threads") || source == StringRef("fused")))
        continue;
      if (bytes.empty())
        throw Error(Error::Kind::Unsupported, "objects for " + architecture + " are not supported");
      parts.bitcode.emplace_back(StringRef(bytes.data(), bytes.size()), "weft");
    }
    parts.entries = entryNames(name, weightsReader());
    parts.metadata = encodeMetadata(metadata);
    parts.metadataSection = metadataSection.str();
    if (std::string error = linkArtifact(llvmModule, *target, parts); !error.empty())
      throw Error(Error::Kind::Unsupported, "the object could not be linked: " + error);
  }

  std::string generate(LlvmModule &llvmModule) {
    if (options.emit == EmitKind::LlvmText)
      return optimizedText(llvmModule, *target);
    bool isAssembly = options.emit == EmitKind::AssemblyText;
    auto code =
        generateCode(llvmModule, *target, isAssembly ? CodeFormat::Assembly : CodeFormat::Object);
    StringRef bytes(code.data(), code.size());
    if (options.emit == EmitKind::StaticLibrary)
      return staticLibrary(bytes, name);
    if (options.emit == EmitKind::SharedLibrary)
      return sharedLibrary(bytes, *target, {name, options.threads == ThreadMode::Pool});
    if (options.emit == EmitKind::WebAssembly)
      return webAssemblyModule(bytes, entryNames(name, weightsReader()));
    return bytes.str();
  }

  HeaderFacts headerFacts() const {
    HeaderFacts facts;
    facts.name = name;
    facts.description = "Weft " + weftVersion() + ", target " + options.target + ", threads " +
                        nameOf(options.threads).str();
    facts.weights = weightsReader();
    facts.allocates = target->hasSystem() || target->isWebAssembly();
    facts.canFail = canFail;
    return facts;
  }

  WeightsReader weightsReader() const {
    if (options.weights.empty())
      return WeightsReader::Nothing;
    return target->hasSystem() ? WeightsReader::Object : WeightsReader::Program;
  }

  void addJavaScript() {
    JavaScriptFacts facts;
    facts.name = name;
    facts.description = "Weft " + weftVersion() + ", target " + options.target;
    facts.file = llvm::sys::path::filename(options.output).str();
    facts.weights = llvm::sys::path::filename(options.weights).str();
    facts.script = llvm::sys::path::filename(options.javaScript).str();
    files.add(options.javaScript, javaScriptModule(signature, facts));
    files.add(declarationsPath(options.javaScript), typeDeclarations(signature, facts));
  }

  ModuleOp module;
  const ObjectOptions &options;
  std::string name;
  const CpuTarget *target = nullptr;
  ComputedConstants constants;
  ModelSignature signature;
  bool canFail = false;
  llvm::json::Object metadata;
  OutputFiles files;
};

} // namespace

void compileObject(ModuleOp module, const ObjectOptions &options) {
  const auto *kind =
      llvm::find_if(kinds, [&](const EmitKindInfo &known) { return known.kind == options.emit; });
  if (kind->isForGpu || GpuTarget::isGpuName(options.target))
    return compileForGpu(module, options, *kind);
  ObjectCompiler(module, options).compile();
}

} // namespace weft
