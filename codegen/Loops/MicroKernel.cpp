// What a contraction keeps in registers.
#include "codegen/Loops/MicroKernel.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

bool fitsDotProducts(Operation *contraction) {
  constexpr unsigned mostBits = 16;
  auto fits = [](Type type) {
    auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
    return integer && integer.getWidth() > 1 && integer.getWidth() <= mostBits;
  };
  return llvm::all_of(contraction->getOperandTypes(), fits) &&
         llvm::all_of(contraction->getResultTypes(), fits);
}

bool hasNarrowRight(Operation *contraction) {
  Type right = getElementTypeOrSelf(contraction->getOperand(1));
  bool isByteOfFloats = right.getIntOrFloatBitWidth() == 8 &&
                        isa<FloatType>(getElementTypeOrSelf(contraction->getResult(0)));
  return right.isBF16() || right.isF16() || isByteOfFloats;
}

ContractionFormat ContractionFormat::of(KernelEmitter &emitter, Operation *contraction,
                                        ContractionScheduleAttr schedule) {
  if (schedule.getSteps() > 1) {
    Type pairs = emitter.builder().getI16Type();
    return {emitter.builder().getI32Type(), pairs, pairs, schedule.getSteps()};
  }
  Type computed = emitter.computeType(contraction->getResult(0));
  Type right = getElementTypeOrSelf(contraction->getOperand(1));
  return {computed, computed, schedule.getNarrow() ? right : computed};
}

Value ContractionFormat::stepsIn(KernelEmitter &emitter, Value depths) const {
  return steps == 1 ? depths : emitter.ceilDivideIndex(depths, steps);
}

Value ContractionFormat::toSum(KernelEmitter &emitter, Value element, Type dtype) const {
  if (!isa<FloatType>(sum) || isa<FloatType>(dtype))
    return element;
  OpBuilder &builder = emitter.builder();
  auto vector = dyn_cast<VectorType>(element.getType());
  Type type = vector ? Type(VectorType::get(vector.getShape(), sum)) : sum;
  return dtype.isUnsignedInteger()
             ? Value(arith::UIToFPOp::create(builder, emitter.location(), type, element))
             : Value(arith::SIToFPOp::create(builder, emitter.location(), type, element));
}

/// Exact: the number was one of `right`.
Value ContractionFormat::toRight(KernelEmitter &emitter, Value number) const {
  if (isa<FloatType>(right) || !isa<FloatType>(getElementTypeOrSelf(number)))
    return emitter.narrow(number, right);
  OpBuilder &builder = emitter.builder();
  Type stored = KernelEmitter::storedType(right);
  auto vector = dyn_cast<VectorType>(number.getType());
  Type type = vector ? Type(VectorType::get(vector.getShape(), stored)) : stored;
  return right.isUnsignedInteger()
             ? Value(arith::FPToUIOp::create(builder, emitter.location(), type, number))
             : Value(arith::FPToSIOp::create(builder, emitter.location(), type, number));
}

MicroKernel::MicroKernel(KernelEmitter &emitter, Operation *op, Kind kind, ContractionFormat format,
                         int64_t rows, int64_t vectors)
    : emitter(emitter),
      op(op),
      kind(kind),
      format(format),
      rows(rows),
      vectors(vectors),
      lanes(emitter.laneCount()),
      accumulator(format.sum) {}

SmallVector<Value> MicroKernel::start(Value tile, Value isLater) {
  OpBuilder &builder = emitter.builder();
  auto type = VectorType::get({lanes}, accumulator);
  Value zero = arith::ConstantOp::create(builder, emitter.location(), builder.getZeroAttr(type));
  SmallVector<Value> values(rows * vectors, zero);
  if (!isLater)
    return values;
  return emitter.ifTrue(isLater, values, [&] {
    SmallVector<Value> sums;
    for (size_t number = 0; number < values.size(); ++number) {
      Value address = emitter.offset(tile, accumulator, emitter.index(number * lanes));
      sums.push_back(emitter.loadVector(address, accumulator, lanes));
    }
    return sums;
  });
}

SmallVector<Value> MicroKernel::run(const OperandReader &left, const OperandReader &right,
                                    Value low, Value high, ValueRange accumulators) {
  int64_t leftLanes = kind == Kind::VectorLeft ? lanes : 0;
  SmallVector<OperandReader> lines;
  for (Value place : left.rowOffsets)
    lines.push_back(lineOf(left, place));
  return emitter.loop(low, high, 1, accumulators, [&](Value depth, ValueRange carried) {
    Value leftStart = emitter.multiplyIndex(depth, left.depthStride);
    Value rightStart = emitter.multiplyIndex(depth, right.depthStride);
    SmallVector<Value> columns, sums;
    for (int64_t v = 0; v < vectors; ++v) {
      Value place = right.columnOffsets.empty() ? emitter.index(v * lanes * format.steps)
                                                : right.columnOffsets[v];
      columns.push_back(load(right, rightStart, place, lanes * format.steps));
    }
    if (right.prefetchBytes > 0)
      prefetch(right, rightStart);
    if (left.rowDistance)
      prefetchRow(left, depth);
    for (auto [row, line] : llvm::enumerate(lines)) {
      Value place = line.rowOffsets.front();
      Value factor = kind == Kind::Dot ? broadcastPair(line, leftStart, place)
                                       : emitter.splat(load(line, leftStart, place, leftLanes));
      for (int64_t v = 0; v < vectors; ++v)
        sums.push_back(add(factor, columns[v], carried[row * vectors + v]));
    }
    return sums;
  });
}

/// One row of the left operand. A place that has to be computed is added in front of the loop: in
/// it, LLVM would add its terms one by one.
OperandReader MicroKernel::lineOf(const OperandReader &left, Value place) {
  OperandReader line = left;
  if (!matchPattern(place, m_Constant())) {
    line.pointer = emitter.offset(left.pointer, KernelEmitter::storedType(left.dtype), place);
    place = emitter.index(0);
  }
  line.rowOffsets.assign(1, place);
  return line;
}

void MicroKernel::drain(ValueRange accumulators, Value tile) {
  for (auto [number, value] : llvm::enumerate(accumulators))
    emitter.storeVector(value, emitter.offset(tile, accumulator, emitter.index(number * lanes)));
}

Value MicroKernel::load(const OperandReader &reader, Value start, Value place, int64_t count) {
  Type stored = KernelEmitter::storedType(reader.dtype);
  Value address = emitter.offset(emitter.offset(reader.pointer, stored, start), stored, place);
  Value element = emitter.widen(emitter.loadVector(address, stored, count), reader.dtype);
  return format.toSum(emitter, element, reader.dtype);
}

/// Asks for the lines that are read `prefetchBytes` later.
void MicroKernel::prefetch(const OperandReader &reader, Value start) {
  constexpr int64_t lineBytes = 64;
  Type stored = KernelEmitter::storedType(reader.dtype);
  Value address = emitter.offset(reader.pointer, stored, start);
  int64_t bytes = vectors * lanes * std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  for (int64_t line = 0; line < bytes; line += lineBytes)
    emitter.prefetch(address, reader.prefetchBytes + line);
}

/// Asks for what a row of the left operand has two lines of memory further. The rows take turns: a
/// line is read in as many steps as there are rows in a tile, or a few more.
void MicroKernel::prefetchRow(const OperandReader &left, Value depth) {
  constexpr int64_t lineBytes = 64;
  OpBuilder &builder = emitter.builder();
  Type stored = KernelEmitter::storedType(left.dtype);
  int64_t steps = lineBytes / std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  Value turn = arith::AndIOp::create(builder, emitter.location(), depth, emitter.index(steps - 1));
  Value place = emitter.addIndex(emitter.multiplyIndex(turn, left.rowDistance), depth);
  emitter.prefetch(emitter.offset(left.pointer, stored, place), 2 * lineBytes);
}

/// The pair of depths of a row, in all lanes.
Value MicroKernel::broadcastPair(const OperandReader &reader, Value start, Value place) {
  OpBuilder &builder = emitter.builder();
  Value address =
      emitter.offset(emitter.offset(reader.pointer, format.packed, start), format.packed, place);
  Value pair = emitter.splat(emitter.loadVector(address, format.sum, /*count=*/0));
  auto type = VectorType::get({lanes * format.steps}, format.packed);
  return vector::BitCastOp::create(builder, emitter.location(), type, pair);
}

Value MicroKernel::add(Value x, Value y, Value sum) {
  OpBuilder &builder = emitter.builder();
  if (kind == Kind::Dot)
    return addPairs(x, y, sum);
  if (isa<FloatType>(accumulator))
    return math::FmaOp::create(builder, op->getLoc(), x, y, sum);
  Value product = arith::MulIOp::create(builder, op->getLoc(), x, y);
  return arith::AddIOp::create(builder, op->getLoc(), sum, product);
}

/// Written so that LLVM finds the instructions that multiply and add pairs.
Value MicroKernel::addPairs(Value x, Value y, Value sum) {
  OpBuilder &builder = emitter.builder();
  Location location = op->getLoc();
  auto wide = VectorType::get({lanes * format.steps}, format.sum);
  Value products =
      arith::MulIOp::create(builder, location, arith::ExtSIOp::create(builder, location, wide, x),
                            arith::ExtSIOp::create(builder, location, wide, y));
  Value added;
  for (int64_t step = 0; step < format.steps; ++step) {
    auto mask = llvm::map_to_vector(llvm::seq<int64_t>(0, lanes),
                                    [&](int64_t lane) { return lane * format.steps + step; });
    Value part = vector::ShuffleOp::create(builder, location, products, products, mask);
    added = added ? arith::AddIOp::create(builder, location, added, part) : part;
  }
  return arith::AddIOp::create(builder, location, sum, added);
}

} // namespace weft
