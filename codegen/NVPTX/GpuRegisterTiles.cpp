// Contractions by the threads' own arithmetic: float32, float64 and integers.
//
// 256 threads have 4x4 elements of the tile each, or four such squares. While a step of the depth
// is computed from shared memory, the next one is on its way into registers. Each element of the
// result is one chain of fused multiply-adds in the order of the depth.
#include "codegen/NVPTX/GpuContraction.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockThreads = 256, side = 16, square = 4, stages = 2;

class GpuRegisterTiles : public GpuBlockContraction {
public:
  using GpuBlockContraction::GpuBlockContraction;

private:
  int64_t threads() const override { return blockThreads; }
  int64_t operandBytes() const override { return stages * 2 * stageElements() * elementBytes(); }

  int64_t elementBytes() const { return std::max(1u, accumulatorType.getIntOrFloatBitWidth() / 8); }
  /// Rows of shared memory are steps of the depth, padded by four elements.
  int64_t pitch() const { return tile.rows + square; }
  int64_t stageElements() const { return tile.depth * pitch(); }
  int64_t squares() const { return tile.rows / (side * square); }
  int64_t elementsOfThread() const { return tile.rows * tile.depth / blockThreads; }

  /// What a thread copies of an operand: one step of the depth, at several outer positions.
  struct Copier {
    Contraction::Operand operand;
    Value step;
    SmallVector<Value> outer, isInside, offsets;
  };

  Copier copierOf(const Task &task, Contraction::Operand operand) {
    Copier copier{operand, {}, {}, {}, {}};
    Value low = gpu.remainderIndex(gpu.thread(), gpu.index(tile.depth));
    Value high = gpu.divideIndex(gpu.thread(), gpu.index(tile.depth));
    int64_t groups = blockThreads / tile.depth;
    bool alongDepth = liesAlongDepth(operand);
    if (!alongDepth) {
      low = gpu.divideIndex(gpu.thread(), gpu.index(groups));
      high = gpu.remainderIndex(gpu.thread(), gpu.index(groups));
    }
    copier.step = low;
    for (int64_t number = 0; number < elementsOfThread(); ++number) {
      // Threads next to each other read neighbours: along the depth, or along the outer loops.
      Value outer = gpu.addIndex(high, gpu.index(number * groups));
      copier.outer.push_back(outer);
      Value position = gpu.addIndex(firstOf(task, operand), outer);
      copier.isInside.push_back(gpu.isLess(position, sizeOf(outerLoops(operand))));
      Value offset = offsetOf(operand, outerLoops(operand), position);
      copier.offsets.push_back(gpu.addIndex(base[operand], offset));
    }
    return copier;
  }

  /// Loads what the thread copies of step `number`; zeros beyond the ends.
  SmallVector<Value> load(const Copier &copier, Value number) {
    Value position = gpu.addIndex(gpu.multiplyIndex(number, gpu.index(tile.depth)), copier.step);
    Value isInside = gpu.isLess(position, sizeOf(depth));
    Value along = offsetOf(copier.operand, depth, position);
    Type dtype = operandType(copier.operand), stored = KernelEmitter::storedType(dtype);
    Value zero = gpu.constant(accumulatorType, 0);
    SmallVector<Value> values;
    for (auto [inside, offset] : llvm::zip_equal(copier.isInside, copier.offsets)) {
      auto loaded = gpu.ifTrue(gpu.both(isInside, inside), ValueRange{zero}, [&] {
        Value address = operandAddress(copier.operand, gpu.addIndex(offset, along));
        return SmallVector<Value>{gpu.widen(gpu.loadVector(address, stored, 0), dtype)};
      });
      values.push_back(loaded[0]);
    }
    return values;
  }

  Value address(Contraction::Operand operand, Value stage, Value step, Value outer) {
    Value line = gpu.addIndex(gpu.multiplyIndex(stage, gpu.index(tile.depth)), step);
    Value place = gpu.addIndex(gpu.multiplyIndex(line, gpu.index(pitch())), outer);
    Value base = gpu.sharedMemory(operand * stages * stageElements() * elementBytes());
    return gpu.offset(base, KernelEmitter::storedType(accumulatorType), place);
  }

  void store(const Copier &copier, ValueRange values, Value stage) {
    for (auto [value, outer] : llvm::zip_equal(values, copier.outer))
      gpu.storeVector(gpu.narrow(value, accumulatorType),
                      address(copier.operand, stage, copier.step, outer));
  }

  /// The thread's elements of an operand at one step: `square` neighbours in each square.
  SmallVector<Value> fragment(Contraction::Operand operand, Value stage, int64_t step,
                              Value place) {
    Type stored = KernelEmitter::storedType(accumulatorType);
    SmallVector<Value> values;
    for (int64_t number = 0; number < squares(); ++number) {
      Value outer = gpu.addIndex(gpu.multiplyIndex(place, gpu.index(square)),
                                 gpu.index(number * side * square));
      Value loaded = gpu.loadVector(address(operand, stage, gpu.index(step), outer), stored, square,
                                    std::min<int64_t>(16, square * elementBytes()));
      loaded = gpu.widen(loaded, accumulatorType);
      for (int64_t lane = 0; lane < square; ++lane)
        values.push_back(vector::ExtractOp::create(gpu.builder(), gpu.location(), loaded, lane));
    }
    return values;
  }

  Value multiplyAdd(Value x, Value y, Value sum) {
    OpBuilder &builder = gpu.builder();
    if (isa<FloatType>(accumulatorType))
      return math::FmaOp::create(builder, op->getLoc(), x, y, sum);
    Value product = arith::MulIOp::create(builder, op->getLoc(), x, y);
    return arith::AddIOp::create(builder, op->getLoc(), sum, product);
  }

  SmallVector<Value> compute(ValueRange sums, Value stage) {
    SmallVector<Value> results(sums);
    Value row = gpu.divideIndex(gpu.thread(), gpu.index(side));
    Value column = gpu.remainderIndex(gpu.thread(), gpu.index(side));
    for (int64_t step = 0; step < tile.depth; ++step) {
      SmallVector<Value> left = fragment(Contraction::Lhs, stage, step, row);
      SmallVector<Value> right = fragment(Contraction::Rhs, stage, step, column);
      for (size_t i = 0; i < left.size(); ++i)
        for (size_t j = 0; j < right.size(); ++j) {
          Value &sum = results[i * right.size() + j];
          sum = multiplyAdd(left[i], right[j], sum);
        }
    }
    return results;
  }

  void emitTile(const Task &task) override {
    Copier copiers[] = {copierOf(task, Contraction::Lhs), copierOf(task, Contraction::Rhs)};
    for (const Copier &copier : copiers)
      store(copier, load(copier, gpu.index(0)), gpu.index(0));
    gpu.barrier();
    int64_t width = squares() * square;
    SmallVector<Value> sums(width * width, gpu.constant(accumulatorType, 0));
    Value steps = gpu.ceilDivideIndex(sizeOf(depth), tile.depth);
    sums = gpu.loop(gpu.index(0), steps, 1, sums, [&](Value number, ValueRange carried) {
      Value next = gpu.addIndex(number, gpu.index(1));
      SmallVector<Value> loaded[] = {load(copiers[0], next), load(copiers[1], next)};
      auto results = compute(carried, gpu.remainderIndex(number, gpu.index(stages)));
      Value free = gpu.remainderIndex(next, gpu.index(stages));
      for (auto [copier, values] : llvm::zip_equal(copiers, loaded))
        store(copier, values, free);
      gpu.barrier();
      return results;
    });
    storeSums(sums);
    gpu.barrier();
  }

  void storeSums(ArrayRef<Value> sums) {
    Value row =
        gpu.multiplyIndex(gpu.divideIndex(gpu.thread(), gpu.index(side)), gpu.index(square));
    Value column =
        gpu.multiplyIndex(gpu.remainderIndex(gpu.thread(), gpu.index(side)), gpu.index(square));
    int64_t width = squares() * square;
    auto placeOf = [&](Value first, int64_t number) {
      int64_t offset = number / square * side * square + number % square;
      return gpu.addIndex(first, gpu.index(offset));
    };
    auto type = VectorType::get({square}, accumulatorType);
    for (int64_t i = 0; i < width; ++i)
      for (int64_t j = 0; j < width; j += square)
        storeSum(vector::FromElementsOp::create(gpu.builder(), gpu.location(), type,
                                                sums.slice(i * width + j, square)),
                 placeOf(row, i), placeOf(column, j));
  }
};

} // namespace

std::shared_ptr<GpuContraction> makeRegisterTiles(GpuEmitter &emitter, TileShape tile) {
  return std::make_shared<GpuRegisterTiles>(emitter, tile);
}

} // namespace weft
