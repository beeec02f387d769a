// What a contraction keeps in registers.
#include "codegen/Loops/MicroKernel.h"

using namespace mlir;

namespace weft {

MicroKernel::MicroKernel(KernelEmitter &emitter, Operation *op, Kind kind, int64_t rows,
                         int64_t vectors)
    : emitter(emitter),
      op(op),
      kind(kind),
      rows(rows),
      vectors(vectors),
      lanes(emitter.laneCount()),
      accumulator(emitter.computeType(op->getResult(0))) {}

SmallVector<Value> MicroKernel::start(Value tile, Value isLater) {
  OpBuilder &builder = emitter.builder();
  auto type = VectorType::get({lanes}, accumulator);
  Value zero = arith::ConstantOp::create(builder, emitter.location(), builder.getZeroAttr(type));
  SmallVector<Value> values(rows * vectors, zero);
  if (!isLater)
    return values;
  emitter.withMask(emitter.splat(isLater), [&] {
    for (auto [number, value] : llvm::enumerate(values)) {
      Value address = emitter.offset(tile, accumulator, emitter.index(number * lanes));
      value = emitter.loadVector(address, accumulator, lanes);
    }
  });
  return values;
}

SmallVector<Value> MicroKernel::run(const OperandReader &left, const OperandReader &right,
                                    Value low, Value high, ValueRange accumulators) {
  int64_t leftLanes = kind == Kind::VectorLeft ? lanes : 0;
  return emitter.loop(low, high, 1, accumulators, [&](Value depth, ValueRange carried) {
    Value leftStart = emitter.multiplyIndex(depth, left.depthStride);
    Value rightStart = emitter.multiplyIndex(depth, right.depthStride);
    SmallVector<Value> columns, sums;
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(load(right, rightStart, emitter.index(v * lanes), lanes));
    if (right.prefetchBytes > 0)
      prefetch(right, rightStart);
    for (int64_t row = 0; row < rows; ++row) {
      Value factor = emitter.splat(load(left, leftStart, left.rowOffsets[row], leftLanes));
      for (int64_t v = 0; v < vectors; ++v)
        sums.push_back(multiplyAdd(factor, columns[v], carried[row * vectors + v]));
    }
    return sums;
  });
}

void MicroKernel::drain(ValueRange accumulators, Value tile) {
  for (auto [number, value] : llvm::enumerate(accumulators))
    emitter.storeVector(value, emitter.offset(tile, accumulator, emitter.index(number * lanes)));
}

Value MicroKernel::load(const OperandReader &reader, Value start, Value place, int64_t count) {
  Type stored = KernelEmitter::storedType(reader.dtype);
  Value address = emitter.offset(emitter.offset(reader.pointer, stored, start), stored, place);
  return emitter.widen(emitter.loadVector(address, stored, count), reader.dtype);
}

/// Asks for the lines that are read `prefetchBytes` later.
void MicroKernel::prefetch(const OperandReader &reader, Value start) {
  constexpr int64_t lineBytes = 64;
  Type stored = KernelEmitter::storedType(reader.dtype), byte = emitter.builder().getI8Type();
  Value address = emitter.offset(reader.pointer, stored, start);
  int64_t bytes = vectors * lanes * std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  for (int64_t line = 0; line < bytes; line += lineBytes)
    LLVM::Prefetch::create(
        emitter.builder(), emitter.location(),
        emitter.offset(address, byte, emitter.index(reader.prefetchBytes + line)),
        /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

Value MicroKernel::multiplyAdd(Value x, Value y, Value sum) {
  OpBuilder &builder = emitter.builder();
  if (isa<FloatType>(accumulator))
    return math::FmaOp::create(builder, op->getLoc(), x, y, sum);
  Value product = arith::MulIOp::create(builder, op->getLoc(), x, y);
  return arith::AddIOp::create(builder, op->getLoc(), sum, product);
}

} // namespace weft
