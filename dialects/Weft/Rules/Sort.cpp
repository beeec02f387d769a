// How sorting orders elements (SortOpInterface), and its gradient.
#include "dialects/Weft/Rules/Build.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace weft {

namespace {

/// Arithmetic on integers of one width, scalars or vectors.
class KeyBuilder {
public:
  KeyBuilder(OpBuilder &builder, Location location) : builder(builder), location(location) {}

  Value number(Value like, const APInt &value) {
    TypedAttr attribute = builder.getIntegerAttr(getElementTypeOrSelf(like), value);
    if (auto vector = dyn_cast<VectorType>(like.getType()))
      attribute = DenseElementsAttr::get(vector, attribute);
    return arith::ConstantOp::create(builder, location, attribute);
  }
  template <typename Op> Value apply(Value left, Value right) {
    return Op::create(builder, location, left, right);
  }
  template <typename Op> Value apply(Value left, const APInt &right) {
    return apply<Op>(left, number(left, right));
  }
  template <typename Op> Value convert(Value value, Type scalar) {
    auto vector = dyn_cast<VectorType>(value.getType());
    return Op::create(builder, location, vector ? vector.clone(scalar) : scalar, value);
  }
  /// -1 where the value is negative, else 0.
  Value sign(Value value) {
    return apply<arith::ShRSIOp>(value, APInt(bits(value), bits(value) - 1));
  }
  /// The value, or its negative where `sign` is -1.
  Value negateIf(Value value, Value sign) {
    return apply<arith::SubIOp>(apply<arith::XOrIOp>(value, sign), sign);
  }
  Value negate(Value value) {
    return apply<arith::SubIOp>(number(value, APInt::getZero(bits(value))), value);
  }
  static unsigned bits(Value value) { return getElementTypeOrSelf(value).getIntOrFloatBitWidth(); }

  OpBuilder &builder;
  Location location;
};

} // namespace

/// The type of the elements when they are computed with.
static Type computedType(SortOp op) {
  Type dtype = getElementTypeOrSelf(op.getX());
  if (isa<FloatType>(dtype))
    return dtype.isF64() ? dtype : Float32Type::get(op.getContext());
  return IntegerType::get(op.getContext(), dtype.getIntOrFloatBitWidth());
}

static bool isUnsigned(SortOp op) {
  Type dtype = getElementTypeOrSelf(op.getX());
  return dtype.isUnsignedInteger() || dtype.isInteger(1);
}

/// A float's magnitude with its sign, so that both zeros are 0; NaN is the greatest.
static Value emitFloatKey(SortOp op, KeyBuilder keys, Value element) {
  auto type = cast<FloatType>(getElementTypeOrSelf(element));
  unsigned width = type.getWidth();
  Value bits = keys.convert<arith::BitcastOp>(element, keys.builder.getIntegerType(width));
  APInt most = APInt::getSignedMaxValue(width);
  Value magnitude = keys.apply<arith::AndIOp>(bits, most);
  Value key = keys.negateIf(magnitude, keys.sign(bits));
  if (op.getDescending())
    key = keys.negate(key);
  APInt infinity = APFloat::getInf(type.getFloatSemantics()).bitcastToAPInt();
  Value isNan = arith::CmpIOp::create(keys.builder, keys.location, CmpIPredicate::sgt, magnitude,
                                      keys.number(magnitude, infinity));
  return arith::SelectOp::create(keys.builder, keys.location, isNan, keys.number(key, most), key);
}

Value SortOp::emitKey(OpBuilder &builder, Location location, Value element) {
  KeyBuilder keys(builder, location);
  if (isa<FloatType>(getElementTypeOrSelf(element)))
    return emitFloatKey(*this, keys, element);
  constexpr unsigned least = 32;
  unsigned width = KeyBuilder::bits(element);
  Value key = element;
  if (width < least && isUnsigned(*this))
    key = keys.convert<arith::ExtUIOp>(element, builder.getIntegerType(least));
  else if (width < least)
    key = keys.convert<arith::ExtSIOp>(element, builder.getIntegerType(least));
  else if (isUnsigned(*this))
    key = keys.apply<arith::XOrIOp>(element, APInt::getSignedMinValue(width));
  return getDescending() ? keys.apply<arith::XOrIOp>(key, APInt::getAllOnes(KeyBuilder::bits(key)))
                         : key;
}

Value SortOp::emitElement(OpBuilder &builder, Location location, Value key) {
  KeyBuilder keys(builder, location);
  Type type = computedType(*this);
  unsigned width = type.getIntOrFloatBitWidth(), keyWidth = KeyBuilder::bits(key);
  if (isa<FloatType>(type)) {
    if (getDescending())
      key = keys.negate(key);
    Value sign = keys.sign(key);
    Value bits = keys.apply<arith::OrIOp>(keys.negateIf(key, sign),
                                          keys.apply<arith::ShLIOp>(sign, APInt(width, width - 1)));
    return keys.convert<arith::BitcastOp>(bits, type);
  }
  if (getDescending())
    key = keys.apply<arith::XOrIOp>(key, APInt::getAllOnes(keyWidth));
  if (width < keyWidth)
    return keys.convert<arith::TruncIOp>(key, type);
  return isUnsigned(*this) ? keys.apply<arith::XOrIOp>(key, APInt::getSignedMinValue(width)) : key;
}

/// Those of zeros of both signs, and of NaNs.
SmallVector<int64_t> SortOp::getSharedKeys() {
  Type type = computedType(*this);
  if (!isa<FloatType>(type))
    return {};
  return {0, APInt::getSignedMaxValue(type.getIntOrFloatBitWidth()).getSExtValue()};
}

/// The number of each element in row-major order with the position along the axis replaced by
/// `indices`.
static Expression placesOf(const Expression &indices, int64_t axis) {
  const Compose &at = indices.at();
  RankedTensorType type = indices.type();
  Expression place = at.constant(type, 0.0);
  for (int64_t dimension = 0; dimension < type.getRank(); ++dimension)
    place = place * at.size(type, type.getDimSize(dimension)) +
            (dimension == axis ? indices : at.iota(type, dimension));
  return place;
}

/// Each cotangent goes back to where its element was.
void SortOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                           MutableArrayRef<Value> gradients) {
  if (!cotangents[0] || isEmpty(getX().getType()))
    return;
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]);
  int64_t count = productOf(g.type().getShape()).value_or(ShapedType::kDynamic);
  Expression places = reshape(placesOf(at(getIndices()), getAxis()), {count});
  Expression zeros = at.constant(RankedTensorType::get({count}, g.element()), 0.0);
  Expression moved = at.create<ScatterOp>(zeros, places, reshape(g, {count}), 0);
  gradients[0] = reshape(moved, g.type().getShape());
}

} // namespace weft
