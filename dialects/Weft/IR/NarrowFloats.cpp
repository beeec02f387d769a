// The floats that processors do not compute in, as bits: bfloat16 and those of one byte.
#include "dialects/Weft/IR/NarrowFloats.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;

namespace weft {

Type typeLike(Value like, Type scalar) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(VectorType::get(vector.getShape(), scalar)) : scalar;
}

namespace {

/// Parts of an f32.
constexpr uint32_t signBit = 0x80000000, infinity = 0x7f800000, quietBit = 0x400000;
constexpr int mantissaBits = 23, exponentBias = 127;

/// Arithmetic on f32s and their bits.
struct Words {
  OpBuilder &builder;
  Location location;

  Value constant(Value like, TypedAttr scalar) {
    TypedAttr value = scalar;
    if (auto vector = dyn_cast<VectorType>(like.getType()))
      value = DenseElementsAttr::get(VectorType::get(vector.getShape(), scalar.getType()),
                                     Attribute(scalar));
    return arith::ConstantOp::create(builder, location, value);
  }
  Value word(Value like, uint32_t value) {
    return constant(like, builder.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  Value number(Value like, float value) { return constant(like, builder.getF32FloatAttr(value)); }
  template <typename Op> Value make(Value x, Value y) {
    return Op::create(builder, location, x, y);
  }
  template <typename Op> Value make(Value x, uint32_t y) { return make<Op>(x, word(x, y)); }
  Value bitsOf(Value x) {
    return arith::BitcastOp::create(builder, location, typeLike(x, builder.getI32Type()), x);
  }
  Value floatOf(Value bits) {
    return arith::BitcastOp::create(builder, location, typeLike(bits, builder.getF32Type()), bits);
  }
  Value widened(Value bits) {
    return arith::ExtUIOp::create(builder, location, typeLike(bits, builder.getI32Type()), bits);
  }
  Value cut(Value word, unsigned bits) {
    Type type = typeLike(word, builder.getIntegerType(bits));
    return arith::TruncIOp::create(builder, location, type, word);
  }
  /// x < limit as unsigned numbers: for the bits of floats without a sign, as floats.
  Value below(Value x, uint32_t limit) {
    return arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ult, x, word(x, limit));
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(builder, location, condition, x, y);
  }
  /// Bits of an f32 rounded to `kept` bits of mantissa, ties to even; a carry goes on into the
  /// exponent, as it should.
  Value roundedTo(Value bits, int kept) {
    uint32_t lost = mantissaBits - kept, unit = uint32_t(1) << lost;
    Value odd = make<arith::AndIOp>(make<arith::ShRUIOp>(bits, lost), 1);
    Value biased = make<arith::AddIOp>(bits, make<arith::AddIOp>(odd, unit / 2 - 1));
    return make<arith::AndIOp>(biased, ~(unit - 1));
  }
};

/// A float of one byte: its parts, as far as an f32's differ.
struct ByteFormat {
  int mantissa;
  int bias;
  bool hasInfinity;

  explicit ByteFormat(Type dtype)
      : mantissa(isa<Float8E4M3FNType>(dtype) ? 3 : 2),
        bias(isa<Float8E4M3FNType>(dtype) ? 7 : 15),
        hasInfinity(isa<Float8E5M2Type>(dtype)) {}

  int lost() const { return mantissaBits - mantissa; }
  /// By how much an f32's exponent is more, where a byte's mantissa ends.
  uint32_t shift() const { return uint32_t(exponentBias - bias) << mantissa; }
  /// The distance of the numbers next to zero.
  float unit() const { return std::ldexp(1.0f, 1 - bias - mantissa); }
  /// The f32 bits of the least number with a full mantissa, and of the largest number.
  uint32_t leastNormal() const { return uint32_t(exponentBias + 1 - bias) << mantissaBits; }
  uint32_t largest() const { return (firstSpecial() - 1 + shift()) << lost(); }
  /// The first byte that is no number: infinity, or NaN where there is none.
  uint32_t firstSpecial() const { return hasInfinity ? 0x7c : 0x7f; }
  /// To which a small f32 is added to have it in units, in the last bits of the sum.
  float counter() const { return std::ldexp(unit(), mantissaBits); }
};

Value emitFloatOfByte(Words words, Value byte, const ByteFormat &format) {
  Value wide = words.widened(byte);
  Value sign = words.make<arith::ShLIOp>(words.make<arith::AndIOp>(wide, 0x80), 24);
  Value rest = words.make<arith::AndIOp>(wide, 0x7f);
  Value normal = words.make<arith::ShLIOp>(words.make<arith::AddIOp>(rest, format.shift()),
                                           uint32_t(format.lost()));
  Value count = arith::UIToFPOp::create(words.builder, words.location,
                                        typeLike(rest, words.builder.getF32Type()), rest);
  Value small = words.bitsOf(words.make<arith::MulFOp>(count, words.number(count, format.unit())));
  Value number = words.select(words.below(rest, 1u << format.mantissa), small, normal);
  Value payload = words.make<arith::ShLIOp>(rest, uint32_t(format.lost()));
  Value special = words.make<arith::OrIOp>(payload, infinity);
  if (!format.hasInfinity)
    special = words.word(rest, infinity | quietBit);
  Value result = words.select(words.below(rest, format.firstSpecial()), number, special);
  return words.floatOf(words.make<arith::OrIOp>(result, sign));
}

Value emitByteOfFloat(Words words, Value x, const ByteFormat &format) {
  Value bits = words.bitsOf(x);
  Value sign = words.make<arith::ShRUIOp>(words.make<arith::AndIOp>(bits, signBit), 24);
  Value rest = words.make<arith::AndIOp>(bits, ~signBit);
  Value shifted = words.make<arith::ShRUIOp>(rest, uint32_t(format.lost()));
  Value normal = words.make<arith::SubIOp>(shifted, format.shift());
  Value counter = words.number(x, format.counter());
  Value counted = words.bitsOf(words.make<arith::AddFOp>(words.floatOf(rest), counter));
  Value small = words.make<arith::SubIOp>(counted, words.bitsOf(counter));
  Value number = words.select(words.below(rest, format.leastNormal()), small, normal);
  Value special = words.word(bits, 0x7f);
  if (format.hasInfinity)
    special = words.make<arith::OrIOp>(words.make<arith::AndIOp>(shifted, 3), 0x7c);
  Value result = words.select(words.below(rest, infinity), number, special);
  return words.cut(words.make<arith::OrIOp>(result, sign), 8);
}

Value emitRoundedToByte(Words words, Value x, const ByteFormat &format) {
  Value bits = words.bitsOf(x);
  Value sign = words.make<arith::AndIOp>(bits, signBit);
  Value rest = words.make<arith::AndIOp>(bits, ~signBit);
  Value normal = words.roundedTo(rest, format.mantissa);
  Value counter = words.number(x, format.counter());
  Value counted = words.make<arith::AddFOp>(words.floatOf(rest), counter);
  Value small = words.bitsOf(words.make<arith::SubFOp>(counted, counter));
  Value number = words.select(words.below(rest, format.leastNormal()), small, normal);
  uint32_t beyond = format.hasInfinity ? infinity : format.largest();
  Value bounded =
      words.select(words.below(number, format.largest() + 1), number, words.word(number, beyond));
  // A NaN keeps what fits of its bits, and stays one: movements change nothing.
  Value kept = words.make<arith::AndIOp>(rest, ~((1u << format.lost()) - 1));
  Value quiet = words.make<arith::OrIOp>(rest, quietBit);
  Value isEmpty = words.below(kept, infinity + 1);
  Value nan =
      words.make<arith::AndIOp>(words.select(isEmpty, quiet, kept), ~((1u << format.lost()) - 1));
  if (!format.hasInfinity)
    nan = words.word(bits, infinity | quietBit);
  Value result = words.select(words.below(rest, infinity + 1), bounded, nan);
  return words.floatOf(words.make<arith::OrIOp>(result, sign));
}

} // namespace

bool isKeptAsBits(Type dtype) {
  return dtype.isBF16() || isa<Float8E4M3FNType, Float8E5M2Type>(dtype);
}

Value emitFloatOfBits(OpBuilder &builder, Location location, Value bits, Type dtype) {
  Words words{builder, location};
  if (!dtype.isBF16())
    return emitFloatOfByte(words, bits, ByteFormat(dtype));
  return words.floatOf(words.make<arith::ShLIOp>(words.widened(bits), 16));
}

Value emitBitsOfFloat(OpBuilder &builder, Location location, Value x, Type dtype) {
  Words words{builder, location};
  if (!dtype.isBF16())
    return emitByteOfFloat(words, x, ByteFormat(dtype));
  return words.cut(words.make<arith::ShRUIOp>(words.bitsOf(x), 16), 16);
}

Value emitRounded(OpBuilder &builder, Location location, Value x, Type dtype) {
  Words words{builder, location};
  if (!dtype.isBF16())
    return emitRoundedToByte(words, x, ByteFormat(dtype));
  // A NaN keeps its upper bits and becomes quiet.
  Value bits = words.bitsOf(x);
  Value quiet = words.make<arith::AndIOp>(words.make<arith::OrIOp>(bits, quietBit), 0xffff0000);
  Value isNan = arith::CmpFOp::create(builder, location, arith::CmpFPredicate::UNO, x, x);
  return words.floatOf(words.select(isNan, quiet, words.roundedTo(bits, 7)));
}

APFloat roundedTo(APFloat value, const llvm::fltSemantics &semantics) {
  bool loses;
  if (&semantics == &APFloat::Float8E4M3FN() && !value.isNaN()) {
    APFloat largest = APFloat::getLargest(semantics);
    largest.convert(value.getSemantics(), APFloat::rmNearestTiesToEven, &loses);
    if (abs(value) > largest)
      return APFloat::getLargest(semantics, value.isNegative());
  }
  value.convert(semantics, APFloat::rmNearestTiesToEven, &loses);
  return value;
}

} // namespace weft
