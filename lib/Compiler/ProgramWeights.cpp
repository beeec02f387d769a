// Weights in the IR, as arguments, and in files.
#include "lib/Compiler/ProgramWeights.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/SafeTensors.h"
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace weft {

static func::FuncOp mainOf(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isExternal())
    throw Error(Error::Kind::Value, "the program has no function @main");
  return main;
}

static Value buildConstant(OpBuilder &builder, Location location, RankedTensorType type,
                           StringRef name, AsmResourceBlob blob) {
  auto elements = DenseResourceElementsAttr::get(type, name, std::move(blob));
  auto constant = ConstantOp::create(builder, location, type, cast<ElementsAttr>(elements));
  constant->setAttr("weft.name", builder.getStringAttr(name));
  return constant.getResult();
}

static size_t alignmentOf(RankedTensorType type) {
  return dtypeSize(dtypeOf(type.getElementType())) > 1 ? 64 : 1;
}

Value buildWeight(OpBuilder &builder, Location location, RankedTensorType type, StringRef name,
                  StorageRef storage) {
  llvm::ArrayRef<char> bytes(static_cast<const char *>(storage->data()), signatureOf(type).bytes());
  auto release = [kept = std::move(storage)](void *, size_t, size_t) {};
  return buildConstant(builder, location, type, name,
                       AsmResourceBlob(bytes, alignmentOf(type), std::move(release), false));
}

/// The constants of @main whose elements are resources.
static llvm::SmallVector<ConstantOp> weightOps(ModuleOp module) {
  llvm::SmallVector<ConstantOp> found;
  for (auto constant : mainOf(module).getOps<ConstantOp>())
    if (isa<DenseResourceElementsAttr>(constant.getValue()))
      found.push_back(constant);
  return found;
}

static std::string nameOf(ConstantOp constant) {
  if (auto name = constant->getAttrOfType<StringAttr>("weft.name"))
    return name.str();
  return cast<DenseResourceElementsAttr>(constant.getValue()).getRawHandle().getKey().str();
}

std::vector<Weight> weightsOf(ModuleOp module) {
  std::vector<Weight> weights;
  for (ConstantOp constant : weightOps(module)) {
    auto type = cast<RankedTensorType>(constant.getType());
    std::string name = nameOf(constant);
    const AsmResourceBlob *blob =
        cast<DenseResourceElementsAttr>(constant.getValue()).getRawHandle().getBlob();
    if (!blob)
      throw Error(Error::Kind::IO, "the elements of the weight " + name + " are missing");
    uint64_t bytes = signatureOf(type).bytes();
    if (blob->getData().size() != bytes)
      throw Error(Error::Kind::IO, "the weight " + name + " has " +
                                       std::to_string(blob->getData().size()) +
                                       " bytes, but its type needs " + std::to_string(bytes));
    weights.push_back({std::move(name), type, blob->getData()});
  }
  return weights;
}

void turnWeightsToArguments(ModuleOp module) {
  func::FuncOp main = mainOf(module);
  for (ConstantOp constant : weightOps(module)) {
    unsigned number = main.getNumArguments();
    auto name = StringAttr::get(module.getContext(), nameOf(constant));
    auto attributes = DictionaryAttr::get(
        module.getContext(),
        NamedAttribute(StringAttr::get(module.getContext(), "weft.weight"), name));
    if (failed(main.insertArgument(number, constant.getType(), attributes, constant.getLoc())))
      throw Error(Error::Kind::Value, "the weight " + name.str() + " can't become an argument");
    constant.getResult().replaceAllUsesWith(main.getArgument(number));
    constant.erase();
  }
}

void hideWeights(ModuleOp module) {
  func::FuncOp main = mainOf(module);
  for (unsigned number = 0; number < main.getNumArguments(); ++number)
    if (main.getArgAttr(number, "weft.weight"))
      main.setArgAttr(number, "weft.hidden", UnitAttr::get(module.getContext()));
}

/// Puts a constant in the place of argument `number`.
static void replaceArgument(func::FuncOp main, unsigned number, StringRef name,
                            AsmResourceBlob elements) {
  BlockArgument argument = main.getArgument(number);
  auto builder = OpBuilder::atBlockBegin(&main.getBody().front());
  argument.replaceAllUsesWith(buildConstant(builder, argument.getLoc(),
                                            cast<RankedTensorType>(argument.getType()), name,
                                            std::move(elements)));
  (void)main.eraseArgument(number);
}

void turnArgumentsToWeights(ModuleOp module, ArrayRef<Weight> weights) {
  func::FuncOp main = mainOf(module);
  unsigned number = main.getNumArguments();
  for (const Weight &weight : llvm::reverse(weights))
    replaceArgument(
        main, --number, weight.name,
        AsmResourceBlob(weight.elements, alignmentOf(weight.type), /*deleter=*/{}, false));
}

/// Puts the tensor in the place of argument `number`, which it has to fit.
static void attachWeight(func::FuncOp main, unsigned number, StringRef name,
                         const SafeTensor &tensor,
                         const std::shared_ptr<llvm::MemoryBuffer> &file) {
  TensorSignature wanted = signatureOf(main.getArgumentTypes()[number]);
  if (tensor.signature != wanted)
    throw Error(Error::Kind::IO, file->getBufferIdentifier().str() + ": the weight " + name.str() +
                                     " is " + tensor.signature.toString() +
                                     ", but the program needs " + wanted.toString());
  replaceArgument(main, number, name,
                  AsmResourceBlob(tensor.elements, 1, [file](void *, size_t, size_t) {}, false));
}

void attachWeights(ModuleOp module, StringRef folder) {
  auto reference = module->getAttrOfType<DictionaryAttr>("weft.weights");
  if (!reference)
    return;
  auto name = reference.getAs<StringAttr>("file");
  auto digest = reference.getAs<StringAttr>("digest");
  if (!name || !digest || llvm::sys::path::has_root_path(name.getValue()) ||
      llvm::sys::path::has_parent_path(name.getValue()) || name.getValue() == "..")
    throw Error(Error::Kind::IO, "the program does not name the file of its weights properly");
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name.getValue());
  std::shared_ptr<llvm::MemoryBuffer> file = mapFile(path);
  if (digestOf(file->getBuffer()) != digest.getValue())
    throw Error(Error::Kind::IO, path.str().str() +
                                     ": these are not the weights that were saved with the "
                                     "program: they have another checksum");
  auto tensors = readSafeTensors(file->getBuffer(), path);
  func::FuncOp main = mainOf(module);
  for (unsigned number = main.getNumArguments(); number-- > 0;) {
    auto weight = main.getArgAttrOfType<StringAttr>(number, "weft.weight");
    if (!weight)
      continue;
    auto found = llvm::find_if(tensors, [&](const SafeTensor &t) { return t.name == weight; });
    if (found == tensors.end())
      throw Error(Error::Kind::IO,
                  path.str().str() + ": the weight " + weight.str() + " is missing");
    attachWeight(main, number, weight, *found, file);
  }
  module->removeAttr("weft.weights");
}

void releaseWeights(ModuleOp module) {
  module.walk([](ConstantOp constant) {
    if (auto elements = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
      elements.getRawHandle().getResource()->setBlob(AsmResourceBlob());
  });
}

} // namespace weft
