// Stages of kernels whose result has elements around what they compute.
//
// The frame is divided like the tasks: of `count` tasks, those from `begin` to `end` fill the lines
// from begin * lines / count on. A line is all of the two innermost dimensions, a row of an image;
// one beside the image is filled as a whole, another one at both ends.
#include "codegen/Loops/Frame.h"

using namespace mlir;

namespace weft {
namespace {

class FrameFiller {
public:
  explicit FrameFiller(KernelEmitter &emitter)
      : emitter(emitter),
        frame(*emitter.frame()),
        labels(cast<DimensionOpInterface>(frame.op).getDimensionLabels().back()),
        around(labels.size() - 2),
        row(size(around + 1)) {}

  /// Fills the share of the tasks [begin, end) of `count`.
  void fill(Value begin, Value end, Value count) {
    SmallVector<Value> outer;
    for (unsigned d = 0; d < around; ++d)
      outer.push_back(size(d));
    Value lines = emitter.index(1);
    for (Value factor : outer)
      lines = emitter.multiplyIndex(lines, factor);
    auto shareOf = [&](Value task) {
      return emitter.divideIndex(emitter.multiplyIndex(task, lines), count);
    };
    Type dtype = getElementTypeOrSelf(frame.result);
    Value value = emitter.splat(emitter.element(frame.filling, {}));
    filling = emitter.narrow(value, dtype);
    emitter.loop(shareOf(begin), shareOf(end), 1,
                 [&](Value line) { fillLine(line, emitter.delinearize(line, outer)); });
  }

private:
  Value size(unsigned dimension) { return emitter.size(frame.result, dimension); }
  Value low(unsigned dimension) { return emitter.numberIndex(frame.starts[dimension]); }
  Value high(unsigned dimension) {
    return emitter.addIndex(low(dimension), emitter.size(frame.inside, dimension));
  }

  void fillLine(Value line, ArrayRef<Value> positions) {
    Value length = emitter.multiplyIndex(size(around), row), isBeside;
    for (unsigned d = 0; d < around; ++d) {
      if (labels[d] >= 0)
        continue;
      for (Value isOutside :
           {emitter.isLess(positions[d], low(d)),
            emitter.isLess(emitter.subtractIndex(high(d), emitter.index(1)), positions[d])})
        isBeside = isBeside ? Value(arith::OrIOp::create(emitter.builder(), emitter.location(),
                                                         isBeside, isOutside))
                            : isOutside;
    }
    Value first = emitter.index(0), last = length;
    if (labels[around] < 0) {
      first = emitter.multiplyIndex(low(around), row);
      last = emitter.multiplyIndex(high(around), row);
    }
    if (isBeside)
      first =
          arith::SelectOp::create(emitter.builder(), emitter.location(), isBeside, length, first);
    fillRun(line, emitter.index(0), first);
    fillRun(line, emitter.maximumIndex(first, last), length);
  }

  /// Fills the elements [from, to) of a line.
  void fillRun(Value line, Value from, Value to) {
    Type stored = KernelEmitter::storedType(getElementTypeOrSelf(frame.result));
    Value start = emitter.multiplyIndex(line, emitter.multiplyIndex(size(around), row));
    Value target = emitter.offset(emitter.buffer(emitter.outputBuffer(0)), stored, start);
    emitter.vectorLoop(from, to, [&](Value position) {
      emitter.storeVector(filling, emitter.offset(target, stored, position));
    });
  }

  KernelEmitter &emitter;
  const Frame &frame;
  SmallVector<int64_t> labels;
  /// How many dimensions are around a line.
  unsigned around;
  Value row, filling;
};

} // namespace

void addFramedStage(KernelEmitter &emitter, std::function<Value()> tasks,
                    function_ref<void(Value, Value)> body) {
  if (!emitter.frame())
    return emitter.addStage(std::move(tasks), body);
  // Where there is nothing to compute, there may be a frame.
  auto countTasks = [&emitter, tasks] { return emitter.maximumIndex(tasks(), emitter.index(1)); };
  emitter.addStage(countTasks, [&](Value begin, Value end) {
    FrameFiller(emitter).fill(begin, end, countTasks());
    Value last = emitter.minimumIndex(end, tasks());
    emitter.ifTrue(emitter.isLess(begin, last), [&] { body(begin, last); });
  });
}

} // namespace weft
