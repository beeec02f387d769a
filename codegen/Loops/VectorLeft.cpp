// Contractions of one column whose batch is a run of memory: depthwise convolutions.
//
// The vectors lie along the innermost batch loop, the channels. A task is an image row (of the
// outer row and batch loops): tiles of some pixels, and for each of them all channels, vector by
// vector. Pixels beyond the row's end repeat the last one, and are not stored. The sums of a tile
// rest on the stack, from where a loop over its pixels computes what follows and stores.
#include "codegen/Loops/Contraction.h"
#include "codegen/Loops/Frame.h"

using namespace mlir;

namespace weft {

VectorLeftTemplate::VectorLeftTemplate(KernelEmitter &emitter)
    : ContractionNest(emitter),
      tileRows(emitter.schedule<ContractionScheduleAttr>().getRows()),
      kernel(emitter, op, MicroKernel::Kind::VectorLeft,
             ContractionFormat::of(emitter, op, emitter.schedule<ContractionScheduleAttr>()),
             tileRows, 1) {}

void VectorLeftTemplate::addStages() {
  auto tasks = [*this]() mutable {
    return emitter.multiplyIndex(sizeOf(outerBatch()), sizeOf(outerRows()));
  };
  addFramedStage(emitter, tasks, [&](Value begin, Value end) {
    tile = emitter.allocate(emitter.computeType(op->getResult(0)), tileRows * emitter.laneCount());
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> parts =
          emitter.delinearize(task, {sizeOf(outerBatch()), sizeOf(outerRows())});
      SmallVector<Value> outerPositions = split(outerBatch(), parts[0]);
      SmallVector<Value> rowPositions = split(outerRows(), parts[1]);
      for (Contraction::Operand operand : {Contraction::Lhs, Contraction::Rhs})
        base[operand] = emitter.addIndex(offsetIn(operand, outerBatch(), outerPositions),
                                         offsetIn(operand, outerRows(), rowPositions));
      setLoops(outerBatch(), parts[0]);
      setLoops(outerRows(), parts[1]);
      setLoop(columns.front(), emitter.index(0), 0);
      Value width = sizeOf(rows.back());
      emitter.loop(emitter.index(0), width, tileRows, [&](Value row) {
        emitter.vectorLoop(emitter.index(0), sizeOf(batch.back()),
                           [&](Value channel) { emitTile(row, channel); });
      });
    });
  });
}

void VectorLeftTemplate::emitTile(Value row, Value channel) {
  Value width = sizeOf(rows.back()), last = emitter.subtractIndex(width, emitter.index(1));
  Value distance = emitter.schedule<ContractionScheduleAttr>().getRowStride()
                       ? emitter.index(emitter.schedule<ContractionScheduleAttr>().getRowStride())
                       : strideOf(rows.back(), Contraction::Lhs);
  SmallVector<Value> offsets;
  for (int64_t i = 0; i < tileRows; ++i) {
    Value pixel = emitter.minimumIndex(emitter.addIndex(row, emitter.index(i)), last);
    offsets.push_back(emitter.multiplyIndex(pixel, distance));
  }
  SmallVector<Value> sums = emitSums(channel, offsets);
  if (!hasShortEpilogue())
    return drainTile(row, channel, sums);
  Value after = emitter.addIndex(row, emitter.index(tileRows));
  Value isWhole = emitter.isLess(after, emitter.addIndex(width, emitter.index(1)));
  emitter.ifTrue(isWhole, [&] {
    for (auto [i, sum] : llvm::enumerate(sums))
      finish(emitter.addIndex(row, emitter.index(i)), channel, sum);
  });
  emitter.ifTrue(negated(isWhole), [&] { drainTile(row, channel, sums); });
}

/// Computes and stores the results of a vector of channels.
void VectorLeftTemplate::finish(Value pixel, Value channel, Value sum) {
  setLoop(rows.back(), pixel, 0);
  setLoop(batch.back(), channel, 1);
  emitter.override(op->getResult(0), emitter.roundTo(sum, getElementTypeOrSelf(op->getResult(0))));
  emitter.storeResults(indicesIn(Contraction::Result));
}

/// Finishes the pixels of a tile that there are, in a loop over its sums on the stack.
void VectorLeftTemplate::drainTile(Value row, Value channel, ValueRange sums) {
  kernel.drain(sums, tile);
  Value end =
      emitter.minimumIndex(emitter.addIndex(row, emitter.index(tileRows)), sizeOf(rows.back()));
  Type accumulator = emitter.computeType(op->getResult(0));
  emitter.loop(row, end, 1, [&](Value pixel) {
    Value place = emitter.multiplyIndex(emitter.subtractIndex(pixel, row),
                                        emitter.index(emitter.laneCount()));
    Value sum;
    emitter.withMask(nullptr, [&] {
      sum = emitter.loadVector(emitter.offset(tile, accumulator, place), accumulator,
                               emitter.laneCount());
    });
    finish(pixel, channel, sum);
  });
}

/// A group of one channel has one step in its innermost depth loop: the micro-kernel then runs
/// along the window, the loop before.
SmallVector<Value> VectorLeftTemplate::emitSums(Value channel, ArrayRef<Value> offsets) {
  auto emit = [&](size_t runLevel) {
    SmallVector<Value> outer;
    return emitDepth(channel, offsets, runLevel, outer, kernel.start());
  };
  size_t innermost = depth.size() - 1;
  if (innermost == 0)
    return emit(innermost);
  Value isLong = emitter.isLess(emitter.index(1), sizeOf(depth.back()));
  Value isEmpty = emitter.isLess(sizeOf(depth.back()), emitter.index(1));
  Value needsLoop = arith::OrIOp::create(emitter.builder(), emitter.location(), isLong, isEmpty);
  SmallVector<Value> sums =
      emitter.ifTrue(needsLoop, kernel.start(), [&] { return emit(innermost); });
  return emitter.ifTrue(negated(needsLoop), sums, [&] { return emit(innermost - 1); });
}

/// The sums over the depth loops from that of `outer` on; the micro-kernel runs along `runLevel`.
SmallVector<Value> VectorLeftTemplate::emitDepth(Value channel, ArrayRef<Value> offsets,
                                                 size_t runLevel, SmallVector<Value> &outer,
                                                 ValueRange accumulators) {
  size_t level = outer.size();
  if (level == runLevel) {
    OperandReader left = reader(Contraction::Lhs, channel, outer);
    left.rowOffsets.assign(offsets.begin(), offsets.end());
    return kernel.run(left, reader(Contraction::Rhs, channel, outer), emitter.index(0),
                      sizeOf(depth[level]), accumulators);
  }
  return emitter.loop(emitter.index(0), sizeOf(depth[level]), 1, accumulators,
                      [&](Value position, ValueRange carried) {
                        outer.push_back(position);
                        SmallVector<Value> sums =
                            emitDepth(channel, offsets, runLevel, outer, carried);
                        outer.pop_back();
                        return sums;
                      });
}

OperandReader VectorLeftTemplate::reader(Contraction::Operand operand, Value channel,
                                         ArrayRef<Value> outer) {
  Value tensor = op->getOperand(operand == Contraction::Lhs ? 0 : 1);
  Type dtype = getElementTypeOrSelf(tensor);
  Value start = emitter.addIndex(base[operand], channel);
  start = emitter.addIndex(
      start, offsetIn(operand, ArrayRef<ContractionLoop>(depth).take_front(outer.size()), outer));
  unsigned number = cast<BlockArgument>(tensor).getArgNumber();
  return {emitter.offset(emitter.buffer(number), KernelEmitter::storedType(dtype), start),
          {},
          strideOf(depth[outer.size()], operand),
          dtype};
}

} // namespace weft
