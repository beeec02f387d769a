// Kernels of `weft.quantized_matmul`, with elementwise ops on the result: products of floats.
//
//   for each number of a word:          sums = fma(x, (number - zero) * scale, sums)
//
// A number becomes a float where it is: with the exponent that makes the last of its bits a one, it
// is so much more than a power of two. That and the zero are subtracted at once, which is exact, as
// they are whole numbers of at most 24 bits. One that is a float of 8 bits has its bits moved to
// the places that they have in a float32, which makes it smaller by a power of two.
//
// Of a block of several tiles of rows, numbers become floats once for all tiles: part by part of a
// group, in a buffer in the nearest cache, as do the sums.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Templates/QuantizedProduct.h"
#include "dialects/Weft/IR/Quantized.h"
#include <cmath>

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t mantissaBits = 23, exponentBias = 127;

QuantizedMatmulOp productOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<QuantizedMatmulOp>().begin();
}

class FloatProduct final : public QuantizedProduct {
public:
  explicit FloatProduct(KernelEmitter &emitter)
      : QuantizedProduct(emitter, QuantizedOperands::of(productOf(emitter.getKernel()))) {}

private:
  Type zeroType() override { return number; }
  Value packedZero(Value zero) override;
  Value packedWord(Value bytes) override { return isFloat() ? bytes : flipped(bytes); }
  Value rowAddress(Value row) override;
  SmallVector<Value> addGroup(const Tile &tile, const Group &group, ValueRange sums) override;
  void emitBlock(const Rows &rows, Value block, Value blocksEnd) override;
  void emitShared(const Rows &rows, Value block);
  void widenGroup(const Group &group, function_ref<void(Value start, Value count)> body);
  void widenWord(const Group &group, Value line, Value place);
  void storeWeights(ArrayRef<Value> weights, Value place);
  SmallVector<Value> restOf(const Group &group, Value place);
  void addWidened(const Rows &rows, Value start, Value count);
  Value sumsAt(const Rows &rows, Value row, int64_t vector);
  SmallVector<Value> addWord(const Tile &tile, const Group &group, Value line, ValueRange sums);
  SmallVector<SmallVector<Value>> weightsOf(const Group &group, Value line);
  SmallVector<Value> addNumber(const Tile &tile, ArrayRef<Value> weights, Value place,
                               ValueRange sums);
  Value weightOf(const Group &group, int64_t v, Value part, int64_t position);
  Value wholeNumber(const Group &group, int64_t v, Value part, int64_t position);
  Value floatNumber(Value part, int64_t position);
  bool isFloat() const {
    return isa<FloatType>(cast<ShapedType>(op.numbers.getType()).getElementType());
  }
  /// How many numbers of a column are floats at a time.
  static constexpr int64_t widenedNumbers = 128;
  /// Weights that are floats, and sums of a block of rows: [number or row][column].
  Value widened, blockSums;
  int64_t inWord() const { return wordBits / bits; }
  /// Where a group starts along the depth.
  Value startOf(const Group &group) { return emitter.multiplyIndex(group.place, groupSize()); }
};

/// A float.
Value FloatProduct::packedZero(Value zero) {
  if (bits == 4)
    return make<arith::UIToFPOp>(number, zero);
  return make<arith::AddFOp>(make<arith::SIToFPOp>(number, zero), emitter.constant(number, 128));
}

Value FloatProduct::rowAddress(Value row) {
  Value depth = emitter.multiplyIndex(groups(), groupSize());
  return addressIn(op.x, number, emitter.multiplyIndex(row, depth));
}

SmallVector<Value> FloatProduct::addGroup(const Tile &tile, const Group &group, ValueRange sums) {
  Value whole = emitter.divideIndex(groupSize(), emitter.index(inWord()));
  SmallVector<Value> added =
      emitter.loop(emitter.index(0), whole, 1, sums, [&](Value line, ValueRange carried) {
        return addWord(tile, group, line, carried);
      });
  Value rest = emitter.remainderIndex(groupSize(), emitter.index(inWord()));
  Value start =
      emitter.addIndex(startOf(group), emitter.multiplyIndex(whole, emitter.index(inWord())));
  return emitter.loop(emitter.index(0), rest, 1, added, [&](Value place, ValueRange carried) {
    return addNumber(tile, restOf(group, place), emitter.addIndex(start, place), carried);
  });
}

/// One tile widens numbers for itself.
void FloatProduct::emitBlock(const Rows &rows, Value block, Value blocksEnd) {
  Value count = emitter.subtractIndex(rows.end, rows.low);
  Value isShared = emitter.isLess(emitter.index(tileRows), count);
  auto when = [&](Value condition, Value yes, Value no) -> Value {
    return make<arith::SelectOp>(condition, yes, no);
  };
  QuantizedProduct::emitBlock({rows.low, when(isShared, rows.low, rows.end), rows.high}, block,
                              blocksEnd);
  emitter.ifTrue(isShared, [&] { emitShared(rows, block); });
}

void FloatProduct::emitShared(const Rows &rows, Value block) {
  widened = emitter.allocate(number, widenedNumbers * columns());
  blockSums = emitter.allocate(number, tilesInBlock * tileRows * columns());
  emitter.loop(rows.low, rows.end, tileRows, [&](Value row) {
    for (int64_t vector = 0; vector < tileRows * vectors; ++vector)
      emitter.storeVector(splatNumber(0), sumsAt(rows, row, vector));
  });
  emitter.loop(emitter.index(0), groups(), 1, [&](Value place) {
    widenGroup(loadGroup({block}, place),
               [&](Value start, Value count) { addWidened(rows, start, count); });
  });
  emitter.loop(rows.low, rows.end, tileRows, [&](Value row) {
    finishTile(sumsAt(rows, row, 0), tileRows, row, rows.high, block);
  });
}

/// Where a vector of the sums of the tile at `row` is.
Value FloatProduct::sumsAt(const Rows &rows, Value row, int64_t vector) {
  Value place =
      emitter.multiplyIndex(emitter.subtractIndex(row, rows.low), emitter.index(columns()));
  return emitter.offset(blockSums, number, emitter.addIndex(place, emitter.index(vector * lanes)));
}

/// Makes floats of a group's numbers, part by part; then `body` adds their products: how many they
/// are, and where they start along the depth.
void FloatProduct::widenGroup(const Group &group, function_ref<void(Value, Value)> body) {
  Value unit = emitter.index(inWord()), zero = emitter.index(0);
  Value whole = emitter.divideIndex(groupSize(), unit);
  Value rest = emitter.remainderIndex(groupSize(), unit);
  int64_t words = widenedNumbers / inWord();
  emitter.loop(zero, whole, words, [&](Value first) {
    Value stop = emitter.minimumIndex(emitter.addIndex(first, emitter.index(words)), whole);
    emitter.loop(first, stop, 1, [&](Value line) {
      widenWord(group, line, emitter.multiplyIndex(emitter.subtractIndex(line, first), unit));
    });
    body(emitter.addIndex(startOf(group), emitter.multiplyIndex(first, unit)),
         emitter.multiplyIndex(emitter.subtractIndex(stop, first), unit));
  });
  emitter.ifTrue(emitter.isLess(zero, rest), [&] {
    emitter.loop(zero, rest, 1, [&](Value place) { storeWeights(restOf(group, place), place); });
    body(emitter.addIndex(startOf(group), emitter.multiplyIndex(whole, unit)), rest);
  });
}

/// Of word `line`, from `place` of the buffer on.
void FloatProduct::widenWord(const Group &group, Value line, Value place) {
  for (auto [number, weights] : llvm::enumerate(weightsOf(group, line)))
    storeWeights(weights, emitter.addIndex(place, emitter.index(static_cast<int64_t>(number))));
}

void FloatProduct::storeWeights(ArrayRef<Value> weights, Value place) {
  Value line = emitter.multiplyIndex(place, emitter.index(columns()));
  for (auto [v, weight] : llvm::enumerate(weights)) {
    Value column = emitter.index(static_cast<int64_t>(v) * lanes);
    emitter.storeVector(weight, emitter.offset(widened, number, emitter.addIndex(line, column)));
  }
}

/// Adds the products of the floats in the buffer to the sums of all tiles.
void FloatProduct::addWidened(const Rows &rows, Value start, Value count) {
  auto vector = VectorType::get({lanes}, number);
  emitter.loop(rows.low, rows.end, tileRows, [&](Value row) {
    Tile tile{rowsOf(tileRows, row, rows.high), {}};
    SmallVector<Value> sums;
    for (int64_t v = 0; v < tileRows * vectors; ++v)
      sums.push_back(emitter.loadVector(sumsAt(rows, row, v), number, lanes));
    sums = emitter.loop(emitter.index(0), count, 1, sums, [&](Value place, ValueRange carried) {
      SmallVector<Value> weights;
      Value line = emitter.multiplyIndex(place, emitter.index(columns()));
      for (int64_t v = 0; v < vectors; ++v)
        weights.push_back(emitter.loadVector(
            emitter.offset(widened, number, emitter.addIndex(line, emitter.index(v * lanes))),
            number, lanes));
      return addNumber(tile, weights, emitter.addIndex(start, place), carried);
    });
    for (auto [v, sum] : llvm::enumerate(sums))
      emitter.storeVector(sum, sumsAt(rows, row, static_cast<int64_t>(v)));
  });
}

/// The weights of each number of word `line` of the group, in their order.
SmallVector<SmallVector<Value>> FloatProduct::weightsOf(const Group &group, Value line) {
  SmallVector<Value> halves[2];
  Value shift = splatWord(halfBits);
  auto count = static_cast<int64_t>(group.bases.size());
  for (int64_t v = 0; v < count; ++v) {
    halves[0].push_back(loadWords(group, v, line));
    halves[1].push_back(make<arith::ShRUIOp>(halves[0].back(), shift));
  }
  SmallVector<SmallVector<Value>> numbers(inWord());
  for (int64_t place = 0; place < wordBits; place += bits)
    for (int64_t v = 0; v < count; ++v)
      numbers[place / bits].push_back(
          weightOf(group, v, halves[place / halfBits][v], place % halfBits));
  return numbers;
}

/// Adds the numbers of word `line` of the group.
SmallVector<Value> FloatProduct::addWord(const Tile &tile, const Group &group, Value line,
                                         ValueRange sums) {
  SmallVector<Value> added = llvm::to_vector(sums);
  Value start = emitter.multiplyIndex(line, emitter.index(inWord()));
  start = emitter.addIndex(startOf(group), start);
  for (auto [place, weights] : llvm::enumerate(weightsOf(group, line)))
    added = addNumber(tile, weights,
                      emitter.addIndex(start, emitter.index(static_cast<int64_t>(place))), added);
  return added;
}

/// The weights of number `place` of the group's last word, which is not whole.
SmallVector<Value> FloatProduct::restOf(const Group &group, Value place) {
  Value line = emitter.divideIndex(groupSize(), emitter.index(inWord()));
  Value shift = make<arith::IndexCastOp>(word, emitter.multiplyIndex(place, emitter.index(bits)));
  SmallVector<Value> weights;
  for (size_t v = 0; v < group.bases.size(); ++v) {
    Value part = make<arith::ShRUIOp>(loadWords(group, v, line), emitter.splat(shift));
    weights.push_back(weightOf(group, v, part, /*position=*/0));
  }
  return weights;
}

/// The weights of the number at bit `position` of words.
Value FloatProduct::weightOf(const Group &group, int64_t v, Value part, int64_t position) {
  Value own = isFloat() ? floatNumber(part, position) : wholeNumber(group, v, part, position);
  return make<arith::MulFOp>(own, group.scales[v]);
}

/// A number less its zero.
Value FloatProduct::wholeNumber(const Group &group, int64_t v, Value part, int64_t position) {
  int64_t exponent = mantissaBits - position;
  auto mask = static_cast<uint32_t>(((int64_t(1) << bits) - 1) << position);
  auto power = static_cast<uint32_t>((exponent + exponentBias) << mantissaBits);
  Value own = make<arith::AndIOp>(part, splatWord(mask));
  Value raised = make<arith::BitcastOp>(VectorType::get({lanes}, number),
                                        make<arith::OrIOp>(own, splatWord(power)));
  auto usual = static_cast<double>(usualZero(bits) + (bits == 8 ? 128 : 0));
  Value zero = group.zeros.empty() ? splatNumber(usual) : group.zeros[v];
  Value base = make<arith::AddFOp>(zero, splatNumber(std::ldexp(1.0, static_cast<int>(exponent))));
  return make<arith::SubFOp>(raised, base);
}

/// A float of 8 bits. Those that are not finite have the largest exponent in float32 as well.
Value FloatProduct::floatNumber(Value part, int64_t position) {
  constexpr int64_t signBit = 31;
  const llvm::fltSemantics &format =
      cast<FloatType>(cast<ShapedType>(op.numbers.getType()).getElementType()).getFloatSemantics();
  auto fraction = static_cast<int64_t>(llvm::APFloat::semanticsPrecision(format)) - 1;
  auto bias = -static_cast<int64_t>(llvm::APFloat::semanticsMinExponent(format)) + 1;
  int64_t distance = mantissaBits - fraction;
  llvm::APInt largest = llvm::APFloat::getLargest(format).bitcastToAPInt();
  auto moved = [&](int64_t by) {
    return by >= position
               ? make<arith::ShLIOp>(part, splatWord(static_cast<uint32_t>(by - position)))
               : make<arith::ShRUIOp>(part, splatWord(static_cast<uint32_t>(position - by)));
  };
  Value size = make<arith::AndIOp>(moved(distance), splatWord(0x7FU << distance));
  Value sign = make<arith::AndIOp>(moved(signBit - 7), splatWord(1U << signBit));
  auto floats = VectorType::get({lanes}, number);
  Value exact =
      make<arith::MulFOp>(make<arith::BitcastOp>(floats, size),
                          splatNumber(std::ldexp(1.0, static_cast<int>(exponentBias - bias))));
  Value limit = splatWord(static_cast<uint32_t>(largest.getZExtValue()) << distance);
  Value isFinite = make<arith::CmpIOp>(arith::CmpIPredicate::ule, size, limit);
  Value infinite = make<arith::OrIOp>(size, splatWord(0xFFU << mantissaBits));
  Value own =
      make<arith::SelectOp>(isFinite, make<arith::BitcastOp>(size.getType(), exact), infinite);
  return make<arith::BitcastOp>(floats, make<arith::OrIOp>(own, sign));
}

/// Adds the products of the weights and of element `place` of each row.
SmallVector<Value> FloatProduct::addNumber(const Tile &tile, ArrayRef<Value> weights, Value place,
                                           ValueRange sums) {
  SmallVector<Value> added;
  for (auto [line, row] : llvm::enumerate(tile.rows)) {
    Value x = emitter.loadVector(emitter.offset(row, number, place), number, /*count=*/0);
    Value factor = emitter.splat(x);
    for (auto [v, weight] : llvm::enumerate(weights))
      added.push_back(make<math::FmaOp>(factor, weight, sums[line * weights.size() + v]));
  }
  return added;
}

class QuantizedMatmul final : public QuantizedTemplate {
public:
  StringRef name() const override { return "quantized_matmul"; }
  StringRef reason() const override {
    return "a product by a weight of few bits, with the elementwise ops on its result";
  }
  bool claims(Operation *op) const override { return isa<QuantizedMatmulOp>(op); }

  /// Two registers of columns.
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    bool fillsRegister = cpuLanes * 4 <= target.registerBytes;
    return scheduleOf(kernel, target, cpuLanes, fillsRegister ? 2 : 1, /*steps=*/1);
  }
  using QuantizedTemplate::choose;

  void emit(KernelEmitter &emitter) const override {
    QuantizedProduct::addStages(std::make_shared<FloatProduct>(emitter));
  }
  using QuantizedTemplate::emit;
};

} // namespace

const KernelTemplate &quantizedMatmulTemplate() {
  static const QuantizedMatmul instance;
  return instance;
}

} // namespace weft
