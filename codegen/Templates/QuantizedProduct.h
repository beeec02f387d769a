// Kernels of products by weights of few bits: what those of floats and of integers share.
//
// What is read is a copy of the weight in reading order, whose numbers are as they were:
//
//   stage 1, a task: a group of a block of columns
//     [block of columns][group]: scales, zeros (if there are any), words; each line [columns]
//   last stage, a task: a block of rows by some blocks of columns
//     for a tile of rows by a block of columns, or for a single row by all of the task's:
//       for a group:                    its scales and zeros stay in registers
//         for a word of 32 bits:        what a kind of product does
//
// A single row is bound by the memory, which is faster where several runs are read side by side and
// asked for ahead: what is computed of a word is so long that a core does not see the next ones.
// A word holds neighbouring numbers of a column. Devices run the ops' definitions.
#pragma once

#include "codegen/Loops/KernelEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <memory>

namespace weft {

/// The operands of a product by a weight of few bits, and how many bits a number has.
struct QuantizedOperands {
  mlir::Value x, numbers, scale, zero, result;
  int64_t bits = 8;

  template <typename Op> static QuantizedOperands of(Op op) {
    return {op.getX(),    op.getNumbers(), op.getScale(),
            op.getZero(), op.getResult(),  static_cast<int64_t>(op.getBits())};
  }
};

/// Emits the stages of a kernel.
class QuantizedProduct {
public:
  QuantizedProduct(KernelEmitter &emitter, const QuantizedOperands &op);
  virtual ~QuantizedProduct() = default;

  static void addStages(const std::shared_ptr<QuantizedProduct> &product);

protected:
  /// A word, and a half of it, in bits and bytes.
  static constexpr int64_t wordBits = 32, halfBits = 16, wordBytes = 4;

  /// A tile: where its rows are in what is read of x, and the numbers of its blocks of columns.
  struct Tile {
    llvm::SmallVector<mlir::Value> rows, blocks;
  };
  /// A group of a tile: its number, and for each vector of columns where it is in the copy, its
  /// scales, and its zeros (as packed, from 0 on) if there are any.
  struct Group {
    mlir::Value place;
    llvm::SmallVector<mlir::Value> bases, scales, zeros;
    bool isOfOneRow = false;
  };

  // What a kind of product decides.

  /// Adds stages between the copy of the weight and the products.
  virtual void addOperandStages() {}
  /// A zero of 8 bits as it is packed, of the type given: it counts from the least number on.
  virtual mlir::Type zeroType() = 0;
  virtual mlir::Value packedZero(mlir::Value zero) = 0;
  /// A word of four bytes, or a vector of such, as it is packed: its numbers count from 0 on.
  virtual mlir::Value packedWord(mlir::Value bytes) { return flipped(bytes); }
  /// Where a row of what is read of x begins.
  virtual mlir::Value rowAddress(mlir::Value row) = 0;
  /// Adds the products of a group to float32 sums: for each row, for each vector of columns.
  virtual llvm::SmallVector<mlir::Value> addGroup(const Tile &tile, const Group &group,
                                                  mlir::ValueRange sums) = 0;

  /// Rows of one block: [low, end) in tiles, of which rows from `high` on are not there.
  struct Rows {
    mlir::Value low, end, high;
  };
  /// Computes a block of columns for a block of rows, tile by tile.
  virtual void emitBlock(const Rows &rows, mlir::Value block, mlir::Value blocksEnd);

  // Sizes.
  mlir::Value rowCount() { return emitter.size(op.x, 0); }
  mlir::Value columnCount() { return emitter.size(op.numbers, 0); }
  mlir::Value groups() { return emitter.size(op.x, 1); }
  mlir::Value groupSize() { return emitter.size(op.x, 2); }
  mlir::Value groupBytes() { return emitter.size(op.numbers, 2); }
  /// Words of a group of the copy; the last may not be full.
  mlir::Value groupWords() { return emitter.ceilDivideIndex(groupBytes(), wordBytes); }
  int64_t columns() const { return vectors * lanes; }

  mlir::Value flipped(mlir::Value bitsOfWord);
  /// A number of 32 bits, in all lanes if `word` is a vector.
  mlir::Value wordLike(mlir::Value word, uint32_t value);
  /// Vector `v` of the words of a line; what is read a while later is asked for, of a single row.
  mlir::Value loadWords(const Group &group, int64_t v, mlir::Value line);
  Group loadGroup(llvm::ArrayRef<mlir::Value> blocks, mlir::Value place, bool isOfOneRow = false);
  /// Where the rows of a tile begin that starts at `row`; rows from `end` on repeat the last one.
  llvm::SmallVector<mlir::Value> rowsOf(int64_t height, mlir::Value row, mlir::Value end);
  /// Computes the kernel's results of a tile whose sums are in memory.
  void finishTile(mlir::Value sums, int64_t height, mlir::Value row, mlir::Value end,
                  mlir::Value block);

  /// Tiles in a block of rows.
  static constexpr int64_t tilesInBlock = 8;

  template <typename Op, typename... Operands> mlir::Value make(const Operands &...operands) {
    return Op::create(emitter.builder(), emitter.location(), operands...);
  }
  mlir::Value splatNumber(double value) { return emitter.splat(emitter.constant(number, value)); }
  mlir::Value splatWord(uint32_t value) {
    auto type = mlir::VectorType::get({lanes}, word);
    return make<mlir::arith::ConstantOp>(
        mlir::DenseElementsAttr::get(type, static_cast<int32_t>(value)));
  }
  mlir::Value addressIn(mlir::Value tensor, mlir::Type stored, mlir::Value place) {
    unsigned argument = mlir::cast<mlir::BlockArgument>(tensor).getArgNumber();
    return emitter.offset(emitter.buffer(argument), stored, place);
  }

  KernelEmitter &emitter;
  QuantizedOperands op;
  int64_t bits, lanes, vectors, tileRows, blocksInTask, squareSize;
  mlir::Type number, word;

private:
  mlir::Value columnBlocks() { return emitter.ceilDivideIndex(columnCount(), columns()); }
  mlir::Value columnTasks() { return emitter.ceilDivideIndex(columnBlocks(), blocksInTask); }
  mlir::Value rowBlocks();
  /// Lines of a group before its words, and all.
  int64_t factorLines() const { return op.zero ? 2 : 1; }
  mlir::Value lines() { return emitter.addIndex(groupWords(), emitter.index(factorLines())); }

  // The copy of the weight.
  mlir::Value groupAddress(mlir::Value columnBlock, mlir::Value group);
  mlir::Value lineAddress(mlir::Value base, mlir::Value line, mlir::Value column);
  void packGroup(mlir::Value task);
  void packFactors(mlir::Value base, mlir::Value column, mlir::Value row, mlir::Value group);
  void packSquares(mlir::Value base, mlir::Value column, llvm::ArrayRef<mlir::Value> sources);
  void packWords(mlir::Value base, mlir::Value column, mlir::Value source);
  mlir::Value groupSource(mlir::Value row, mlir::Value group);
  mlir::Value squareWords();
  mlir::Value loadWord(mlir::Value address);

  // Products.
  void emitTask(mlir::Value task);
  void emitTile(int64_t height, mlir::Value row, mlir::Value end,
                llvm::ArrayRef<mlir::Value> blocks, mlir::Value blocksEnd);
  void finish(mlir::Value tile, mlir::ValueRange at);

  unsigned packed = 0;
  std::string finishName;
  mlir::Value scratch;
};

/// What the templates of such products share.
class QuantizedTemplate : public KernelTemplate {
public:
  bool readsMemory(mlir::OpOperand &) const override { return true; }
  bool canLead(mlir::Operation *op, const FusionGroup &group) const override;
  WorkTerm operationsOf(mlir::Operation *op) const override;
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override;
  llvm::LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override;
  llvm::LogicalResult verify(KernelOp kernel, const GpuTarget &) const override;
  void emit(GpuEmitter &) const override { llvm_unreachable("no schedule for a GPU is verified"); }

protected:
  /// A schedule with tiles of `columns` vectors of columns, and rows as high as leaves room in the
  /// registers for their scales and for what is widened. The same for all launches, so that those
  /// of few rows and of many read one copy.
  static ContractionScheduleAttr scheduleOf(KernelOp kernel, const CpuTarget &target, int64_t lanes,
                                            int64_t columns, int64_t steps);
  /// Whether an instruction may add so many steps of the depth to a vector of sums.
  virtual bool hasSteps(ContractionScheduleAttr schedule, const CpuTarget &) const {
    return schedule.getSteps() == 1;
  }
};

} // namespace weft
