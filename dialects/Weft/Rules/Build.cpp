// The pieces that formulas are made of.
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

/// The elements of a tensor filled with `value`.
static ElementsAttr filledWith(RankedTensorType type, double value) {
  Builder builder(type.getContext());
  Type element = type.getElementType();
  if (auto complex = dyn_cast<ComplexType>(element)) {
    auto part = [&](double number) {
      return FloatAttr::get(complex.getElementType(), number).getValue();
    };
    return DenseElementsAttr::get(type, std::complex<APFloat>(part(value), part(0.0)));
  }
  if (isa<FloatType>(element))
    return DenseElementsAttr::get(type, Attribute(builder.getFloatAttr(element, value)));
  auto integer = static_cast<int64_t>(value);
  return DenseElementsAttr::get(type, Attribute(builder.getIntegerAttr(element, integer)));
}

Expression Compose::constant(Type type, double value) const {
  auto tensor = cast<RankedTensorType>(type);
  Type element = tensor.getElementType();
  if (!tensor.hasStaticShape())
    return broadcast(constant(RankedTensorType::get({}, element), value), tensor.getShape(), {});
  return create<ConstantOp>(type, filledWith(tensor, value));
}

Expression Compose::size(Type type, int64_t size) const {
  return isSymbolicSize(size) ? create<SizeOp>(type, size)
                              : constant(type, static_cast<double>(size));
}

Expression Compose::iota(Type type, int64_t axis) const { return create<IotaOp>(type, axis); }

Expression convert(const Expression &x, Type element) {
  if (x.element() == element)
    return x;
  return x.at().create<CastOp>(withElement(x.type(), element), x);
}

Expression widen(const Expression &x) {
  bool narrow = x.element().isF16() || x.element().isBF16();
  return narrow ? convert(x, Float32Type::get(x.element().getContext())) : x;
}

Expression broadcast(const Expression &x, Shape shape, Axes dimensions) {
  return x.at().create<BroadcastOp>(withShape(x.type(), shape), x, dimensions);
}

Expression repeat(const Expression &x, Shape shape, Axes axes) {
  SmallVector<int64_t> dimensions;
  for (int64_t d = 0, rank = shape.size(); d < rank; ++d)
    if (!llvm::is_contained(axes, d))
      dimensions.push_back(d);
  return broadcast(x, shape, dimensions);
}

SmallVector<int64_t> allAxes(int64_t rank) { return lastAxes(rank, rank); }

SmallVector<int64_t> lastAxes(int64_t rank, int64_t count) {
  return llvm::to_vector(llvm::seq<int64_t>(rank - count, rank));
}

Expression reshape(const Expression &x, Shape shape) {
  if (x.type().getShape() == shape)
    return x;
  return x.at().create<ReshapeOp>(withShape(x.type(), shape), x);
}

Expression transpose(const Expression &x, Axes permutation) {
  return x.at().create<TransposeOp>(x, permutation);
}

Expression slice(const Expression &x, Axes starts, Axes steps, Shape shape) {
  return x.at().create<SliceOp>(withShape(x.type(), shape), x, starts, steps);
}

Expression sliceAlong(const Expression &x, int64_t axis, int64_t start, int64_t count) {
  SmallVector<int64_t> starts(x.rank(), 0), steps(x.rank(), 1), shape(x.type().getShape());
  starts[axis] = start;
  shape[axis] = count;
  return slice(x, starts, steps, shape);
}

Expression reverse(const Expression &x, Axes axes) {
  SmallVector<int64_t> starts(x.rank(), 0), steps(x.rank(), 1);
  for (int64_t axis : axes) {
    starts[axis] = sizeOrDynamic([&] { return subtractSizes(x.size(axis), 1); });
    steps[axis] = -1;
  }
  return axes.empty() ? x : slice(x, starts, steps, x.type().getShape());
}

Expression pad(const Expression &x, double value, Axes low, Axes interior, Shape shape) {
  Expression filling = x.at().constant(withShape(x.type(), {}), value);
  return x.at().create<PadOp>(withShape(x.type(), shape), x, filling, low, interior);
}

Expression concatenate(ArrayRef<Value> inputs, int64_t axis, const Compose &at) {
  return at.create<ConcatenateOp>(ValueRange(inputs), axis);
}

std::optional<int64_t> countAlong(Operation *op, Value x, Axes axes) {
  auto type = cast<RankedTensorType>(x.getType());
  SmallVector<int64_t> sizes;
  for (int64_t axis : axes) {
    if (type.isDynamicDim(axis)) {
      op->emitOpError() << "needs a static size along axis " << axis
                        << ", but its operand has shape " << shapeText(type);
      return std::nullopt;
    }
    sizes.push_back(type.getDimSize(axis));
  }
  std::optional<int64_t> count = productOf(sizes);
  if (!count)
    op->emitOpError() << "has too many elements along its axes in shape " << shapeText(type);
  return count;
}

} // namespace weft
