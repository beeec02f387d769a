// The template of kernels that contract; see Contraction.cpp.
#pragma once

#include "codegen/Loops/ContractionNest.h"

namespace weft {

/// Emits a kernel with one contraction.
class ContractionTemplate : ContractionNest {
public:
  explicit ContractionTemplate(KernelEmitter &emitter);

  void addPackStage();
  void addMainStage();

private:
  /// What a task of the main stage works on.
  struct Task {
    mlir::Value batch, outerRow; // linear positions
    mlir::Value rowTask;         // number among the blocks of rows of all batches
    mlir::Value low, high;       // rows that are computed
    mlir::Value first;           // the first row that is the task's own
    mlir::Value columnBlock;
    mlir::Value depthBlock, depthLow, depthHigh; // of the outermost depth loop
    mlir::Value lhsBase, rhsBase;                // elements
  };
  /// How an operand is read along the innermost depth loop.
  struct Reader {
    mlir::Value pointer, rowStride, depthStride;
    mlir::Type dtype;
  };

  mlir::Value columnBlocks();
  mlir::Value rowBlocks();
  mlir::Value rowTasks();
  mlir::Value columnBlocksInGroup();
  mlir::Value columnGroups();
  mlir::Value depthBlocks();

  mlir::Value readsRhsDirectly();
  mlir::Value unlessDirect(mlir::Value amount);
  void emitPack(mlir::Value task);
  void emitPackRow(mlir::Value row, mlir::Value position, mlir::Value first);
  void emitPackSquare(mlir::Value row, mlir::Value position, mlir::Value first, mlir::Value part);
  mlir::Value packedAddress(mlir::Value row, mlir::Value part);
  mlir::Value allocate(int64_t elements);
  bool lhsRowsAreNeighbours() const;
  int64_t packedLhsStride() const;
  int64_t packedLhsElements() const;
  void emitTask(mlir::Value task);
  mlir::Value baseOf(Contraction::Operand operand, const Task &at);
  void emitPackLhs(const Task &at);
  void emitTiles(const Task &at);
  void emitTile(const Task &at, int64_t height, mlir::Value row, mlir::Value next);
  llvm::SmallVector<mlir::Value> startTile(int64_t height, mlir::Value tile, mlir::Value isLater);
  llvm::SmallVector<mlir::Value> emitDepthLoops(const Task &at, int64_t height, mlir::Value row,
                                                llvm::SmallVector<mlir::Value> accumulators);
  llvm::SmallVector<mlir::Value> emitDepthLoop(const Task &at, int64_t height, mlir::Value row,
                                               llvm::SmallVector<mlir::Value> &outer,
                                               mlir::ValueRange accumulators);
  Reader lhsReader(const Task &at, mlir::Value row, llvm::ArrayRef<mlir::Value> outer);
  Reader rhsReader(const Task &at, llvm::ArrayRef<mlir::Value> outer);
  Reader directRhsReader(const Task &at, llvm::ArrayRef<mlir::Value> outer);
  llvm::SmallVector<mlir::Value> emitInnermost(const Task &at, int64_t height, mlir::Value row,
                                               llvm::ArrayRef<mlir::Value> outer, mlir::Value low,
                                               mlir::Value high, mlir::ValueRange accumulators);
  mlir::Value multiplyAdd(mlir::Value x, mlir::Value y, mlir::Value sum);
  void emitFinish(mlir::Value tile, mlir::ValueRange at);

  ContractionScheduleAttr schedule;
  int64_t lanes, tileRows, tileColumns, elementBytes;
  mlir::Type accumulatorType;
  std::optional<unsigned> packedRhs, unfinished;
  std::string finishName;
  mlir::Value scratchTile, packedLhs;
};

} // namespace weft
