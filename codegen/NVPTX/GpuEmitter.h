// Emits the functions of one kernel for a GPU.
#pragma once

#include "codegen/Loops/KernelEmitter.h"
#include "codegen/Templates/Transposition.h"
#include "lib/Support/FaultSite.h"
#include "lib/Support/TensorMapShape.h"

namespace weft {

/// The functions of a kernel K for a GPU, at the level of loops:
///
///   @K_0, @K_1, ...  its stages: (one pointer for each buffer, one i64 for each size and launch
///                    parameter, the number of tasks: i64, one pointer for each tensor map). Block
///                    b does the tasks b, b + number of blocks, ... Attributes: `weft.threads`, the
///                    threads of a block, `weft.shared_bytes`, the bytes of shared memory of a
///                    block, and `weft.tensor_maps` (TensorMapAttribute.h).
///   @K_setup         for the host, as on a processor (KernelEmitter).
///
/// A thread computes `laneCount()` neighbouring elements at once, 1 as scalars.
class GpuEmitter : public KernelEmitter {
public:
  GpuEmitter(KernelOp kernel, mlir::OpBuilder module);

  static constexpr int64_t warpThreads = 32;

  /// What a stage needs of a multiprocessor.
  struct StageShape {
    int64_t threads;
    int64_t sharedBytes = 0;
    std::vector<TensorMapShape> tensorMaps = {};
    /// What is noted in the last buffer.
    std::vector<FaultSite> faultSites = {};
  };
  /// Adds a stage; `body` emits one task. All threads of a block come there together.
  void addStage(StageShape shape, std::function<mlir::Value()> tasks,
                llvm::function_ref<void(mlir::Value task)> body);
  /// The tasks of a block: `first`, `first + step`, ... below `end`.
  struct TaskRange {
    mlir::Value first, end, step;
  };
  /// Adds a stage whose `body` emits all tasks of a block.
  void addBlockStage(StageShape shape, std::function<mlir::Value()> tasks,
                     llvm::function_ref<void(TaskRange)> body);
  /// The address of tensor map `number` of the current stage.
  mlir::Value tensorMap(unsigned number);

  /// Emits `body` with vectors of `count` elements.
  void withLanes(int64_t count, llvm::function_ref<void()> body);
  /// `position` as the index of the current vector: uniform if it has one element.
  ElementIndex vectorIndex(mlir::Value position) { return {position, lanes == 1 ? 0 : 1}; }

  // Threads.

  int64_t threads() const { return shape.threads; }
  int64_t warps() const { return shape.threads / warpThreads; }
  /// The number of the thread in its block, of the warp in its block, of the lane in its warp.
  mlir::Value thread();
  mlir::Value warp();
  mlir::Value lane();
  /// Waits for all threads of the block.
  void barrier();
  /// The scalar that the lane `distance` higher has, or lane 0's value.
  mlir::Value shuffleDown(mlir::Value value, int64_t distance);
  mlir::Value shuffleFromFirst(mlir::Value value);

  // Memory.

  /// Where shared memory begins, plus `bytes`.
  mlir::Value sharedMemory(int64_t bytes);
  /// True if all buffers are aligned to 16 bytes, as i1.
  mlir::Value buffersAreAligned();
  /// Emits `body` where all buffers are known to be aligned to 16 bytes and `sizes` to be multiples
  /// of `count`.
  void assumeAligned(mlir::ValueRange sizes, int64_t count, llvm::function_ref<void()> body);
  /// Says that `position` is a multiple of `count`.
  void assumeMultiple(mlir::Value position, int64_t count) { multiples[position] = count; }
  /// True if `value` is provably a multiple of `count`.
  bool isMultiple(mlir::Value value, int64_t count);
  unsigned alignmentOf(mlir::Type stored, mlir::Value offset, int64_t count) override;

  // Arithmetic on indices.

  /// Without the 64-bit division of a GPU, which is a call: by a reciprocal in float64. Exact for
  /// numbers below 2^48.
  mlir::Value divideIndex(mlir::Value x, mlir::Value y) override;
  mlir::Value remainderIndex(mlir::Value x, mlir::Value y) override;

  // Arithmetic on i1 and conditions.

  mlir::Value both(mlir::Value x, mlir::Value y);
  mlir::Value negate(mlir::Value x);
  mlir::Value isEqual(mlir::Value x, mlir::Value y);
  mlir::Value choose(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// Emits both bodies, of which one runs.
  void ifElse(mlir::Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise);
  /// The same as one branch, of which all threads of a warp take one side.
  void fork(mlir::Value condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise);
  /// The values of symbolic sizes.
  llvm::SmallVector<mlir::Value> sizesOf(llvm::ArrayRef<int64_t> symbols);

protected:
  mlir::Value readSize(int64_t number) override;
  mlir::Value readBuffer(unsigned number) override;

private:
  mlir::Value shuffle(mlir::Value value, mlir::Value word, bool down);
  mlir::Value word(int64_t value);
  struct Division {
    mlir::Value quotient, remainder;
  };
  /// True if the hardware divides by `divisor` well enough.
  bool dividesInPlace(mlir::Value divisor) const;
  Division divide(mlir::Value x, mlir::Value y);
  mlir::Value reciprocalOf(mlir::Value divisor);
  mlir::Value reciprocal(mlir::Value number);
  mlir::Value toReal(mlir::Value value);
  unsigned bufferCount() const;
  mlir::func::FuncOp createStage();

  int64_t sizeCount = 0;
  StageShape shape{0};
  // Of the stage being emitted; none while @K_setup is.
  mlir::func::FuncOp stage;
  mlir::Value threadNumber, areAligned;
  bool isAligned = false;
  llvm::DenseMap<mlir::Value, int64_t> multiples;
  llvm::DenseMap<mlir::Value, mlir::Value> reciprocals;
};

/// A walk of all threads over the points of a space, whose last dimension is neighbouring in
/// memory. A task is `points` of them, a multiple of the lanes of all threads.
class GpuWalk {
public:
  GpuWalk(GpuEmitter &emitter, int64_t lanes, int64_t points)
      : emitter(emitter), lanes(lanes), points(points) {}

  /// The number of tasks for a space of `sizes`.
  mlir::Value tasks(mlir::ValueRange sizes);
  /// Calls `body` for the points of one task: whole vectors of `lanes` where memory is aligned and
  /// the last of `sizes` is a multiple, single points otherwise.
  void emit(mlir::Value task, llvm::ArrayRef<mlir::Value> sizes,
            llvm::function_ref<void(llvm::ArrayRef<ElementIndex>)> body);

private:
  void emitVectors(mlir::Value base, llvm::ArrayRef<mlir::Value> sizes,
                   llvm::function_ref<void(llvm::ArrayRef<ElementIndex>)> body);

  GpuEmitter &emitter;
  int64_t lanes, points;
};

// The templates, one for each kind of kernel. Each emits all stages.

/// A thread computes `lanes` neighbours at once, a block `grain` elements.
void emitGpuElementwise(GpuEmitter &emitter, int64_t lanes, int64_t grain);
void emitGpuTransposition(GpuEmitter &emitter, Transposition transposition);
/// Each thread keeps `keptVectors` vectors of the row in registers; 0: none.
void emitGpuRowReduction(GpuEmitter &emitter, int64_t keptVectors);
void emitGpuColumnReduction(GpuEmitter &emitter, int64_t lanes);
void emitGpuUpdate(GpuEmitter &emitter, int64_t lanes);
void emitGpuContraction(GpuEmitter &emitter);

} // namespace weft
