// The templates of kernels that contract; see Contraction.cpp and VectorLeft.cpp.
#pragma once

#include "codegen/Loops/ContractionBorder.h"
#include "codegen/Loops/ContractionPacking.h"
#include "codegen/Loops/MicroKernel.h"

namespace weft {

/// Emits a kernel with one contraction, whose vectors are columns.
class ContractionTemplate : ContractionPacking {
public:
  explicit ContractionTemplate(KernelEmitter &emitter);

  void addPackStage();
  void addBorderStage();
  void addMainStage();

private:
  /// A block of rows of the main stage, and what is worked on within it.
  struct Task {
    mlir::Value batch;               // linear position
    mlir::Value outerLow, outerHigh; // linear positions of the rows around the innermost
    mlir::Value rowBlock;            // number of the block of rows
    mlir::Value low, high;           // rows of `innerRows` that are computed
    mlir::Value first;               // the first row that is the task's own
    mlir::Value depthBlock, depthLow, depthHigh; // of the outermost depth loop
    mlir::Value rhsBase;                         // elements
    mlir::Value isFinite;                        // the right operand; null: not known
    // Within the loops over column blocks and outer rows:
    mlir::Value columnBlock, column; // number, and the first column
    mlir::Value outerRow, lhsBase;
    // Within a tile: of the depth block, what is not known to multiply zeros.
    mlir::Value stepLow, stepHigh;
  };
  /// A line of a tile: its position in each of the row loops.
  using Positions = llvm::SmallVector<mlir::Value>;

  /// The row loops that tiles go along, as one, and those around them.
  llvm::ArrayRef<ContractionLoop> innerRows() const {
    return schedule.getFlat() ? llvm::ArrayRef(rows) : llvm::ArrayRef(rows).take_back();
  }
  llvm::ArrayRef<ContractionLoop> outerRows() const {
    return llvm::ArrayRef(rows).drop_back(innerRows().size());
  }
  mlir::Value columnBlocks();
  mlir::Value blockRows();
  mlir::Value rowBlocks();
  mlir::Value outerBlocks();
  mlir::Value rowTasks();
  mlir::Value columnBlocksInGroup();
  mlir::Value columnGroups();
  mlir::Value depthBlocks();
  int64_t mostPackedRows() const;
  mlir::Value mostRowsInBlock();

  mlir::Value readsRhsDirectly();
  mlir::Value unlessDirect(mlir::Value amount);
  void emitPack(mlir::Value packed, mlir::Value task);
  void addUnfinished();
  void emitTasks(mlir::Value begin, mlir::Value end);
  void emitRuns(mlir::Value begin, mlir::Value end);
  void emitBlock(mlir::Value batchNumber, mlir::Value outerBlock, mlir::Value rowBlock,
                 mlir::Value firstBlock, mlir::Value lastBlock);
  void emitDepthBlock(Task &at, mlir::Value firstBlock, mlir::Value lastBlock);
  mlir::Value baseOf(Contraction::Operand operand, mlir::Value batchNumber, mlir::Value outerRow);
  void emitSingleRow(Task at, mlir::Value firstBlock, mlir::Value lastBlock);
  void emitPanels(const Task &at, int64_t panels);
  void addLineBlock(const Task &at, unsigned buffer, mlir::Value firstBlock, mlir::Value lastBlock);
  void addLines(const Task &at, mlir::Value low, int64_t count, mlir::Value first, mlir::Value end);
  void emitTiles(const Task &at);
  void emitTile(Task at, int64_t height, mlir::Value row, mlir::Value next);
  llvm::SmallVector<Positions> positionsOf(mlir::Value row, int64_t height);
  void setSteps(Task &at, llvm::ArrayRef<Positions> lines);
  mlir::Value isWhole(const Task &at, int64_t height, mlir::Value row, mlir::Value next);
  void finishInRegisters(const Task &at, llvm::ArrayRef<Positions> lines, mlir::ValueRange sums);
  void drainTile(const Task &at, MicroKernel &kernel, int64_t height, mlir::Value row,
                 mlir::Value next, mlir::ValueRange sums);
  mlir::Value isLastBlock(const Task &at);
  mlir::Value tileAddress(const Task &at, mlir::Value next);
  mlir::Value restingAddress(const Task &at, unsigned buffer, mlir::Value next);
  void finishTile(const Task &at, int64_t height, mlir::Value tile, mlir::Value row,
                  mlir::Value next);
  llvm::SmallVector<mlir::Value> emitDepthLoop(const Task &at, MicroKernel &kernel,
                                               const OperandReader &left,
                                               llvm::SmallVector<mlir::Value> &outer,
                                               mlir::ValueRange accumulators);
  OperandReader lhsReader(const Task &at, mlir::Value row, llvm::ArrayRef<Positions> lines);
  OperandReader directLhsReader(const Task &at, mlir::Value row, llvm::ArrayRef<Positions> lines);
  OperandReader packedLhsReader(const Task &at, mlir::Value row, int64_t height);
  OperandReader rhsReader(const Task &at, llvm::ArrayRef<mlir::Value> outer);
  OperandReader directRhsReader(const Task &at, llvm::ArrayRef<mlir::Value> outer);
  mlir::Value firstColumn(mlir::Value column);
  mlir::Value linearDepth(mlir::Value start, llvm::ArrayRef<mlir::Value> outer);
  mlir::Value depthSteps();
  mlir::Value rounded(mlir::Value sum);
  void emitFinish(mlir::Value tile, mlir::ValueRange at);

  ContractionScheduleAttr schedule;
  int64_t tileRows;
  std::optional<ContractionBorder> border;
  std::optional<unsigned> packedRhs, unfinished;
  std::string finishName;
  mlir::Value scratchTile, packedBlock;
  PackedRows packedLhs{};
};

/// Emits a kernel with one contraction, whose vectors lie along the batch.
class VectorLeftTemplate : ContractionNest {
public:
  explicit VectorLeftTemplate(KernelEmitter &emitter);

  void addStages();

private:
  void emitTile(mlir::Value row, mlir::Value channel);
  void finish(mlir::Value pixel, mlir::Value channel, mlir::Value sum);
  void drainTile(mlir::Value row, mlir::Value channel, mlir::ValueRange sums);
  llvm::SmallVector<mlir::Value> emitSums(mlir::Value channel, llvm::ArrayRef<mlir::Value> offsets);
  llvm::SmallVector<mlir::Value> emitDepth(mlir::Value channel, llvm::ArrayRef<mlir::Value> offsets,
                                           size_t runLevel, llvm::SmallVector<mlir::Value> &outer,
                                           mlir::ValueRange accumulators);
  OperandReader reader(Contraction::Operand operand, mlir::Value channel,
                       llvm::ArrayRef<mlir::Value> outer);

  int64_t tileRows;
  MicroKernel kernel;
  /// Where the task's batch and rows start in the operands, in elements.
  mlir::Value base[2];
  mlir::Value tile;
};

} // namespace weft
