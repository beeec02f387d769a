// Complex tensors as pairs of real ones: how ops on them are defined, and what their parts are.
#include "dialects/Weft/Rules/Inference.h"

using namespace mlir;

namespace weft {

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

bool isComplexTensor(Type type) { return isa<ComplexType>(getElementTypeOrSelf(type)); }

RankedTensorType partType(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  auto complex = dyn_cast<ComplexType>(tensor.getElementType());
  return complex ? withElement(tensor, complex.getElementType()) : tensor;
}

Type pairType(Type type) {
  if (!isComplexTensor(type))
    return type;
  RankedTensorType part = partType(type);
  SmallVector<int64_t> shape(part.getShape());
  shape.push_back(2);
  return withShape(part, shape);
}

static Type complexOfPairs(Type type) {
  auto pairs = cast<RankedTensorType>(type);
  return RankedTensorType::get(pairs.getShape().drop_back(),
                               ComplexType::get(pairs.getElementType()));
}

SmallVector<Type> outerArgumentTypes(FunctionOpInterface function) {
  SmallVector<Type> types(function.getArgumentTypes());
  for (auto [number, type] : llvm::enumerate(types))
    if (function.getArgAttr(number, pairsAttribute))
      type = complexOfPairs(type);
  return types;
}

SmallVector<Type> outerResultTypes(FunctionOpInterface function) {
  SmallVector<Type> types(function.getResultTypes());
  for (auto [number, type] : llvm::enumerate(types))
    if (function.getResultAttr(number, pairsAttribute))
      type = complexOfPairs(type);
  return types;
}

LogicalResult inferPart(Value x, InferredTypes &types) {
  types.push_back(partType(x.getType()));
  return success();
}

LogicalResult inferComplex(ComplexOp::Adaptor adaptor, InferenceLocation, InferredTypes &types) {
  auto real = cast<RankedTensorType>(adaptor.getReal().getType());
  types.push_back(withElement(real, ComplexType::get(real.getElementType())));
  return success();
}

//===----------------------------------------------------------------------===//
// Definitions
//===----------------------------------------------------------------------===//

Value buildFilled(OpBuilder &builder, Location location, Type type, double value) {
  RankedTensorType part = partType(type);
  Attribute number = builder.getFloatAttr(part.getElementType(), value);
  Value parts = createFilled(builder, location, part, number);
  return isComplexTensor(type) ? CastOp::create(builder, location, type, parts) : parts;
}

Value buildConjugate(OpBuilder &builder, Value value) {
  bool isReal = !value || !isComplexTensor(value.getType());
  return isReal ? value : ConjOp::create(builder, value.getLoc(), value).getResult();
}

static bool isOnComplex(Operation *op) {
  return llvm::any_of(op->getOperandTypes(), isComplexTensor) ||
         llvm::any_of(op->getResultTypes(), isComplexTensor);
}

bool hasDefinition(Operation *op) {
  return isa<DecompositionOpInterface>(op) || (isa<ComplexOpInterface>(op) && isOnComplex(op));
}

SmallVector<ComplexParts> buildOnEachPart(Operation *op, OpBuilder &builder,
                                          ArrayRef<ComplexParts> operands) {
  SmallVector<Type> types =
      llvm::map_to_vector(op->getResultTypes(), [](Type type) -> Type { return partType(type); });
  auto built = [&](Value ComplexParts::*part) {
    SmallVector<Value> values;
    for (const ComplexParts &operand : operands)
      values.push_back(operand.imaginary ? operand.*part : operand.real);
    return rebuild(builder, op, values, types);
  };
  Operation *real = built(&ComplexParts::real), *imaginary = built(&ComplexParts::imaginary);
  SmallVector<ComplexParts> results;
  for (auto [left, right] : llvm::zip_equal(real->getResults(), imaginary->getResults()))
    results.push_back({left, right});
  return results;
}

static SmallVector<Value> definitionOf(Operation *op, OpBuilder &builder) {
  auto complex = dyn_cast<ComplexOpInterface>(op);
  if (!complex || !isOnComplex(op))
    return cast<DecompositionOpInterface>(op).decompose(builder);
  builder.setInsertionPoint(op);
  Location location = op->getLoc();
  SmallVector<ComplexParts> operands;
  for (Value operand : op->getOperands())
    operands.push_back(isComplexTensor(operand.getType())
                           ? ComplexParts{builder.createOrFold<RealOp>(location, operand),
                                          builder.createOrFold<ImagOp>(location, operand)}
                           : ComplexParts{operand, {}});
  SmallVector<Value> results;
  for (const ComplexParts &parts : complex.buildOnParts(builder, operands))
    results.push_back(parts.imaginary
                          ? builder.createOrFold<ComplexOp>(location, parts.real, parts.imaginary)
                          : parts.real);
  return results;
}

SmallVector<Value> buildDefinition(Operation *op, OpBuilder &builder) {
  SmallVector<Value> results;
  LogicalResult made = withSizeErrors(op->getLoc(), op->getName().getStringRef(), [&] {
    results = definitionOf(op, builder);
    return success();
  });
  return succeeded(made) ? results : SmallVector<Value>();
}

//===----------------------------------------------------------------------===//
// Folds
//===----------------------------------------------------------------------===//

/// The parts of a constant, real ones if `part` is 0, else imaginary ones.
static Attribute partOfConstant(Attribute value, Type type, unsigned part) {
  auto elements = dyn_cast_or_null<DenseElementsAttr>(value);
  auto tensor = cast<RankedTensorType>(type);
  if (!elements || !tensor.hasStaticShape() || tensor.getEncoding())
    return {};
  SmallVector<APFloat> parts;
  auto partOf = [&](const std::complex<APFloat> &number) {
    return part == 0 ? number.real() : number.imag();
  };
  if (elements.isSplat())
    return DenseElementsAttr::get(tensor, partOf(elements.getSplatValue<std::complex<APFloat>>()));
  for (const std::complex<APFloat> &number : elements.getValues<std::complex<APFloat>>())
    parts.push_back(partOf(number));
  return DenseElementsAttr::get(tensor, parts);
}

OpFoldResult RealOp::fold(FoldAdaptor adaptor) {
  if (auto whole = getX().getDefiningOp<ComplexOp>())
    return whole.getReal();
  return partOfConstant(adaptor.getX(), getType(), 0);
}

OpFoldResult ImagOp::fold(FoldAdaptor adaptor) {
  if (auto whole = getX().getDefiningOp<ComplexOp>())
    return whole.getImaginary();
  return partOfConstant(adaptor.getX(), getType(), 1);
}

OpFoldResult ComplexOp::fold(FoldAdaptor) {
  auto real = getReal().getDefiningOp<RealOp>();
  auto imaginary = getImaginary().getDefiningOp<ImagOp>();
  return real && imaginary && real.getX() == imaginary.getX() ? real.getX() : Value();
}

} // namespace weft
