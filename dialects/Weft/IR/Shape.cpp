// Comparing, labelling and rebuilding shapes; building ops by name.
#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

bool agree(int64_t left, int64_t right) {
  return left == right || ShapedType::isDynamic(left) || ShapedType::isDynamic(right);
}

bool areCompatible(TypeRange left, TypeRange right) {
  if (left.size() != right.size())
    return false;
  for (auto [a, b] : llvm::zip_equal(left, right)) {
    auto first = dyn_cast<RankedTensorType>(a), second = dyn_cast<RankedTensorType>(b);
    if (!first || !second || first.getElementType() != second.getElementType() ||
        first.getRank() != second.getRank())
      return false;
    for (auto [x, y] : llvm::zip_equal(first.getShape(), second.getShape()))
      if (!agree(x, y))
        return false;
  }
  return true;
}

LogicalResult trait::verifyResultTypes(Operation *op) {
  auto inferring = cast<InferTypeOpInterface>(op);
  SmallVector<Type> types;
  if (failed(inferring.inferReturnTypes(op->getContext(), op->getLoc(), op->getOperands(),
                                        op->getRawDictionaryAttrs(), op->getPropertiesStorage(),
                                        op->getRegions(), types)))
    return failure();
  if (inferring.isCompatibleReturnTypes(types, op->getResultTypes()))
    return success();
  return op->emitOpError() << "inferred type(s) " << types
                           << " are incompatible with return type(s) of operation "
                           << op->getResultTypes();
}

bool haveSameSize(Type left, int64_t d, Type right, int64_t e) {
  auto a = cast<RankedTensorType>(left), b = cast<RankedTensorType>(right);
  auto first = dyn_cast_or_null<SizesAttr>(a.getEncoding());
  auto second = dyn_cast_or_null<SizesAttr>(b.getEncoding());
  if (first && second)
    return first.getSymbols()[d] == second.getSymbols()[e];
  return a.getDimSize(d) == b.getDimSize(e);
}

std::string shapeText(Type type) { return textOfSizes(cast<RankedTensorType>(type).getShape()); }

std::string textOfSizes(ArrayRef<int64_t> sizes) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "[";
  llvm::interleaveComma(sizes, stream, [&](int64_t size) { stream << textOfSize(size); });
  stream << "]";
  return text;
}

std::string textOfSize(int64_t size) {
  if (ShapedType::isDynamic(size))
    return "?";
  try {
    return sizeText(size);
  } catch (const Error &) {
    return std::to_string(size); // no handle, though as large as one
  }
}

std::optional<int64_t> productOf(ArrayRef<int64_t> sizes) {
  return checkedSize([&] { return multiplySizes(sizes.begin(), sizes.end()); });
}

std::optional<int64_t> elementCount(Type type) {
  return productOf(cast<RankedTensorType>(type).getShape());
}

bool isEmpty(Type type) { return llvm::is_contained(cast<RankedTensorType>(type).getShape(), 0); }

bool hasSymbolicSize(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && llvm::any_of(tensor.getShape(), isSymbolicSize);
}

Value createFilled(OpBuilder &builder, Location location, RankedTensorType type,
                   Attribute element) {
  if (auto size = dyn_cast<SymbolicSizeAttr>(element))
    return SizeOp::create(builder, location, type, size);
  ElementsAttr elements = DenseElementsAttr::get(type, element);
  return ConstantOp::create(builder, location, type, elements);
}

SmallVector<SmallVector<int64_t>> elementwiseLabels(Operation *op) {
  int64_t rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
  auto labels = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  return SmallVector<SmallVector<int64_t>>(op->getNumOperands() + op->getNumResults(), labels);
}

bool readsInPlace(Operation *op, unsigned operand) {
  auto dimensions = dyn_cast<DimensionOpInterface>(op);
  if (!dimensions || !isa<ElementwiseOpInterface, IndexedOpInterface>(op))
    return false;
  auto labels = dimensions.getDimensionLabels();
  ArrayRef<int64_t> result = labels[op->getNumOperands()];
  return ArrayRef<int64_t>(labels[operand]) == result && !llvm::is_contained(result, -1);
}

Operation *rebuild(OpBuilder &builder, Operation *op, ValueRange operands, TypeRange resultTypes) {
  OperationState state(op->getLoc(), op->getName(), operands, resultTypes, op->getAttrs());
  return builder.create(state);
}

LogicalResult verifyElementwise(Operation *op) {
  Type expected = op->getResult(0).getType();
  for (auto [number, type] : llvm::enumerate(op->getOperandTypes())) {
    auto want = cast<RankedTensorType>(expected), have = cast<RankedTensorType>(type);
    if (!areCompatible(withElement(want, have.getElementType()), type))
      return op->emitOpError() << "operand #" << number << " has shape " << shapeText(type)
                               << ", the result has shape " << shapeText(expected)
                               << "; broadcast them to one shape first";
  }
  // The condition of a selection comes before the values.
  if (unsigned last = op->getNumOperands() - 1; last > 0) {
    Type left = getElementTypeOrSelf(op->getOperand(last - 1));
    Type right = getElementTypeOrSelf(op->getOperand(last));
    if (left != right)
      return op->emitOpError() << "operand #" << last << " has dtype " << right << ", operand #"
                               << last - 1 << " has dtype " << left
                               << "; cast them to one dtype first";
  }
  return success();
}

Operation *createByName(OpBuilder &builder, Location location, StringRef name, ValueRange operands,
                        ArrayRef<NamedAttribute> attributes, TypeRange resultTypes) {
  auto info = RegisteredOperationName::lookup(name, builder.getContext());
  if (!info) {
    emitError(location) << "there is no op named " << name;
    return nullptr;
  }
  OperationState state(location, *info);
  state.addOperands(operands);
  state.addAttributes(attributes);
  state.addTypes(resultTypes);
  if (resultTypes.empty()) {
    auto *inference = info->getInterface<InferTypeOpInterface>();
    if (!inference) {
      emitError(location) << name << " needs its result type";
      return nullptr;
    }
    DictionaryAttr dictionary = builder.getDictionaryAttr(attributes);
    // Properties hold attributes only, which need no destruction.
    SmallVector<char> storage(info->getOpPropertyByteSize());
    OpaqueProperties properties(storage.empty() ? nullptr : storage.data());
    auto emit = [&] { return emitError(location); };
    if (properties) {
      info->initOpProperties(properties, OpaqueProperties(nullptr));
      if (failed(info->setOpPropertiesFromAttribute(*info, properties, dictionary, emit)))
        return nullptr;
    }
    LogicalResult inferred = inference->inferReturnTypes(builder.getContext(), location, operands,
                                                         dictionary, properties, {}, state.types);
    if (failed(inferred))
      return nullptr;
  }
  Operation *op = builder.create(state);
  if (succeeded(op->getName().verifyInvariants(op)))
    return op;
  op->erase();
  return nullptr;
}

RankedTensorType withShape(Type type, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, cast<RankedTensorType>(type).getElementType());
}

RankedTensorType withElement(Type type, Type element) {
  auto tensor = cast<RankedTensorType>(type);
  return RankedTensorType::get(tensor.getShape(), element, tensor.getEncoding());
}

RankedTensorType stackedType(RankedTensorType type, int64_t count) {
  SmallVector<int64_t> shape = {count};
  llvm::append_range(shape, type.getShape());
  return RankedTensorType::get(shape, type.getElementType());
}

} // namespace weft
