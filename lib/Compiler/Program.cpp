// Reading and writing programs.
#include "lib/Compiler/Program.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/IsolatedParse.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/ProgramWeights.h"
#include "lib/Compiler/SafeTensors.h"
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

namespace weft {

/// The first error with file, line and column.
static std::string located(Diagnostic &diagnostic, llvm::StringRef path) {
  std::string place = path.str();
  if (auto line = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
    place = line.getFilename().str() + ":" + std::to_string(line.getLine()) + ":" +
            std::to_string(line.getColumn());
  return place + ": " + diagnostic.str();
}

static OwningOpRef<ModuleOp> parse(const std::shared_ptr<llvm::SourceMgr> &sources,
                                   llvm::StringRef path, MLIRContext &context) {
  std::string message;
  DiagnosticListener listener(context, [&](Diagnostic &diagnostic) {
    if (message.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
      message = located(diagnostic, path);
  });
  auto module = parseSourceFile<ModuleOp>(sources, ParserConfig(&context));
  if (!module)
    throw Error(Error::Kind::IO, message.empty() ? path.str() + ": is no program" : message);
  return module;
}

/// The module in `content`, which is (part of) `file`.
static OwningOpRef<ModuleOp> readModule(llvm::MemoryBufferRef content,
                                        std::unique_ptr<llvm::MemoryBuffer> file,
                                        MLIRContext &context) {
  llvm::StringRef path = content.getBufferIdentifier();
  if (auto damage = damageOf(content, context.getDialectRegistry()))
    throw Error(Error::Kind::IO, path.str() + ": " + *damage);
  auto sources = std::make_shared<llvm::SourceMgr>();
  if (isBytecode(content)) {
    sources->AddNewSourceBuffer(
        llvm::MemoryBuffer::getMemBuffer(content, /*RequiresNullTerminator=*/false), {});
    // Kept with the other one, which lies within it.
    sources->AddNewSourceBuffer(std::move(file), {});
  } else {
    // The parser of text wants a zero at the end.
    sources->AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(content.getBuffer(), path),
                                {});
  }
  return parse(sources, path, context);
}

OwningOpRef<ModuleOp> readProgram(llvm::StringRef path, MLIRContext &context) {
  std::unique_ptr<llvm::MemoryBuffer> file = mapFile(path);
  llvm::StringRef content = file->getBuffer();
  if (isProgramFile(content))
    content = payloadOf(content, path);
  OwningOpRef<ModuleOp> module =
      readModule(llvm::MemoryBufferRef(content, path), std::move(file), context);
  try {
    attachWeights(*module, llvm::sys::path::parent_path(path));
    weightsOf(*module);
  } catch (const Error &error) {
    throw Error(Error::Kind::IO, path.str() + ": " + error.what());
  }
  return module;
}

/// Moves the weights of `module` to a file of their own, which the module then names.
static void writeWeights(ModuleOp module, llvm::StringRef path) {
  std::vector<SafeTensor> tensors;
  for (const Weight &weight : weightsOf(module))
    tensors.push_back({weight.name, signatureOf(weight.type), weight.elements});
  writeSafeTensors(path, tensors);
  Builder builder(module.getContext());
  auto entry = [&](llvm::StringRef name, llvm::StringRef value) {
    return builder.getNamedAttr(name, builder.getStringAttr(value));
  };
  module->setAttr("weft.weights",
                  builder.getDictionaryAttr({entry("digest", digestOf(mapFile(path)->getBuffer())),
                                             entry("file", llvm::sys::path::filename(path))}));
  turnWeightsToArguments(module);
}

static void writeBytecode(ModuleOp module, llvm::raw_ostream &stream, llvm::StringRef path) {
  if (failed(writeBytecodeToFile(module, stream, BytecodeWriterConfig("weft"))))
    throw Error(Error::Kind::IO, path.str() + ": the program can't be written as bytecode");
}

/// A copy in `context`, where nothing was before: so the elements of its weights, which it shares
/// with `module`, are under the weights' names. In a context with other programs these may be
/// taken.
static OwningOpRef<ModuleOp> copyTo(MLIRContext &context, ModuleOp module, llvm::StringRef path) {
  OwningOpRef<ModuleOp> withoutWeights = module.clone();
  turnWeightsToArguments(*withoutWeights);
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  writeBytecode(*withoutWeights, stream, path);
  auto buffer =
      llvm::WritableMemoryBuffer::getNewUninitMemBuffer(bytes.size(), path, llvm::Align(4096));
  llvm::copy(bytes, buffer->getBufferStart());
  auto sources = std::make_shared<llvm::SourceMgr>();
  sources->AddNewSourceBuffer(std::move(buffer), {});
  OwningOpRef<ModuleOp> copy = parse(sources, path, context);
  turnArgumentsToWeights(*copy, weightsOf(module));
  return copy;
}

void writeProgram(ModuleOp module, llvm::StringRef path, llvm::StringRef weightsPath) {
  if (!weightsPath.empty())
    writeWeights(module, weightsPath);
  MLIRContext context(module.getContext()->getDialectRegistry(), MLIRContext::Threading::DISABLED);
  context.loadDialect<WeftDialect>();
  OwningOpRef<ModuleOp> copy = copyTo(context, module, path);
  writeProgramFile(path, [&](llvm::raw_ostream &stream) { writeBytecode(*copy, stream, path); });
}

std::string programText(ModuleOp module, bool elideLargeConstants) {
  OpPrintingFlags flags;
  if (elideLargeConstants)
    flags.elideLargeElementsAttrs(16).elideLargeResourceString(16);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, flags);
  return text;
}

} // namespace weft
