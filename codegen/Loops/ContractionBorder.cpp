// What a contraction leaves out where its left operand is known to be zero.
#include "codegen/Loops/ContractionBorder.h"

using namespace mlir;

namespace weft {

/// How many tasks look at the right operand.
static constexpr int64_t parts = 16;

std::optional<ContractionBorder> ContractionBorder::of(KernelEmitter &emitter) {
  auto contraction =
      *emitter.getKernel().getBody().front().getOps<ContractionOpInterface>().begin();
  std::optional<ZeroBorder> border = zeroBorderOf(contraction);
  if (!border || !isa<BlockArgument>(contraction->getOperand(1)))
    return std::nullopt;
  ContractionBorder result(emitter, *border);
  if (!llvm::equal(result.depth.front().members, ArrayRef(border->step)))
    return std::nullopt;
  auto isAlong = [&](const ContractionLoop &loop) {
    return llvm::equal(loop.members, ArrayRef(border->row));
  };
  auto found = llvm::find_if(result.rows, isAlong);
  if (found == result.rows.end())
    return std::nullopt;
  result.rowLoop = static_cast<size_t>(found - result.rows.begin());
  return result;
}

void ContractionBorder::addStage() {
  auto right = cast<BlockArgument>(op->getOperand(1));
  Type dtype = getElementTypeOrSelf(right), stored = KernelEmitter::storedType(dtype);
  Type computed = emitter.computeType(right);
  int64_t lanes = emitter.laneCount(), bytes = std::max(1u, computed.getIntOrFloatBitWidth() / 8);
  auto bytesOfAll = [&emitter = emitter, lanes, bytes] {
    return emitter.index(parts * lanes * bytes);
  };
  products = emitter.addTemporary(bytesOfAll);
  auto tasks = [&emitter = emitter] { return emitter.index(parts); };
  emitter.addStage(tasks, [&](Value begin, Value end) {
    OpBuilder &builder = emitter.builder();
    auto type = VectorType::get({lanes}, computed);
    Value zero = arith::ConstantOp::create(builder, emitter.location(), builder.getZeroAttr(type));
    auto symbols =
        cast<SizesAttr>(cast<RankedTensorType>(right.getType()).getEncoding()).getSymbols();
    Value total = emitter.product(symbols), size = emitter.ceilDivideIndex(total, parts);
    emitter.loop(begin, end, 1, [&](Value part) {
      Value low = emitter.minimumIndex(emitter.multiplyIndex(part, size), total);
      Value high = emitter.minimumIndex(emitter.addIndex(low, size), total);
      auto add = [&](Value place, ValueRange sums) {
        Value from = emitter.offset(emitter.buffer(right.getArgNumber()), stored, place);
        Value element = emitter.widen(emitter.loadVector(from, stored, lanes), dtype);
        return SmallVector<Value>{
            math::FmaOp::create(builder, emitter.location(), element, zero, sums[0])};
      };
      Value sum = emitter.vectorLoop(low, high, zero, add)[0];
      emitter.storeVector(sum, emitter.offset(emitter.buffer(products), computed,
                                              emitter.multiplyIndex(part, emitter.index(lanes))));
    });
  });
}

Value ContractionBorder::isFinite() {
  OpBuilder &builder = emitter.builder();
  Location location = emitter.location();
  Type computed = emitter.computeType(op->getOperand(1));
  int64_t lanes = emitter.laneCount();
  Value sum;
  for (int64_t part = 0; part < parts; ++part) {
    Value from = emitter.offset(emitter.buffer(products), computed, emitter.index(part * lanes));
    Value product = emitter.loadVector(from, computed, lanes);
    sum = sum ? arith::AddFOp::create(builder, location, sum, product) : product;
  }
  Value all = vector::ReductionOp::create(builder, location, vector::CombiningKind::ADD, sum);
  Value zero = arith::ConstantOp::create(builder, location, builder.getZeroAttr(computed));
  return arith::CmpFOp::create(builder, location, arith::CmpFPredicate::OEQ, all, zero);
}

/// The first step that reads line `line` of the left operand or a later one, from line `start` on.
Value ContractionBorder::stepFrom(Value line, Value start) {
  Value distance = emitter.maximumIndex(emitter.subtractIndex(line, start), emitter.index(0));
  return emitter.ceilDivideIndex(distance, border.dilation);
}

std::pair<Value, Value> ContractionBorder::stepsWithin(Value low, Value high, Value isFinite,
                                                       ArrayRef<Value> first,
                                                       ArrayRef<Value> last) {
  OpBuilder &builder = emitter.builder();
  Location location = emitter.location();
  Value mayLeaveOut = isFinite;
  for (auto [one, other] : llvm::zip(first.take_front(rowLoop + 1), last))
    if (one != other) {
      Value isSame = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::eq, one, other);
      mayLeaveOut = arith::AndIOp::create(builder, location, mayLeaveOut, isSame);
    }
  Value start = emitter.multiplyIndex(first[rowLoop], emitter.index(border.stride));
  Value end = emitter.subtractIndex(emitter.symbol(border.symbol), emitter.index(border.high));
  auto choose = [&](Value left, Value all) -> Value {
    return arith::SelectOp::create(builder, location, mayLeaveOut, left, all);
  };
  return {choose(emitter.maximumIndex(low, stepFrom(emitter.index(border.low), start)), low),
          choose(emitter.minimumIndex(high, stepFrom(end, start)), high)};
}

} // namespace weft
