// Kernels of `weft.quantized_matmul`, with elementwise ops on the result. Devices run its
// definition.
//
// What is read is a copy of the weight in reading order, whose numbers are as they were:
//
//   stage 1, a task: a group of a block of columns
//     [block of columns][group]: scales, zeros (if there are any), words; each line [columns]
//   stage 2, a task: a block of rows by some blocks of columns
//     for a tile of rows by a block of columns, or for a single row by all of the task's:
//       for a group:                    its scales and zeros stay in registers
//         for a word of 32 bits:
//           for each of its numbers:    sums = fma(x, (number - zero) * scale, sums)
//
// A single row is bound by the memory, which is faster where several runs are read side by side.
// A word holds neighbouring numbers of a column. A number becomes a float where it is: with the
// exponent that makes the last of its bits a one, it is so much more than a power of two. That and
// the zero are subtracted at once, which is exact, as they are whole numbers of at most 24 bits.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "dialects/Weft/IR/Quantized.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"
#include <cmath>

using namespace mlir;

namespace weft {
namespace {

/// A word, and a half of it, in bits and bytes.
constexpr int64_t wordBits = 32, halfBits = 16, wordBytes = 4;
/// Tiles in a block of rows.
constexpr int64_t tilesInBlock = 8;

QuantizedMatmulOp productOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<QuantizedMatmulOp>().begin();
}

/// Emits the stages of a kernel.
class QuantizedProduct {
public:
  explicit QuantizedProduct(KernelEmitter &emitter)
      : emitter(emitter),
        op(productOf(emitter.getKernel())),
        bits(static_cast<int64_t>(op.getBits())),
        lanes(emitter.laneCount()),
        vectors(emitter.schedule<ContractionScheduleAttr>().getColumns()),
        tileRows(emitter.schedule<ContractionScheduleAttr>().getRows()),
        blocksInTask(emitter.schedule<ContractionScheduleAttr>().getSingle()),
        number(emitter.builder().getF32Type()),
        word(emitter.builder().getI32Type()) {}

  void addStages();

private:
  // Sizes.
  Value rowCount() { return emitter.size(op.getX(), 0); }
  Value columnCount() { return emitter.size(op.getNumbers(), 0); }
  Value groups() { return emitter.size(op.getX(), 1); }
  Value groupSize() { return emitter.size(op.getX(), 2); }
  Value groupBytes() { return emitter.size(op.getNumbers(), 2); }
  int64_t columns() const { return vectors * lanes; }
  Value columnBlocks() { return emitter.ceilDivideIndex(columnCount(), columns()); }
  Value columnTasks() { return emitter.ceilDivideIndex(columnBlocks(), blocksInTask); }
  Value rowBlocks() { return emitter.ceilDivideIndex(rowCount(), tilesInBlock * tileRows); }
  /// Lines of a group before its words, and all.
  int64_t factorLines() { return op.getZero() ? 2 : 1; }
  Value lines() {
    return emitter.addIndex(emitter.ceilDivideIndex(groupBytes(), wordBytes),
                            emitter.index(factorLines()));
  }

  // The copy of the weight.
  Value groupAddress(Value columnBlock, Value group);
  Value lineAddress(Value base, Value line, Value column);
  void packGroup(Value task);
  void packFactors(Value base, Value column, Value row, Value group);
  void packWords(Value base, Value column, Value row, Value group);
  Value loadWord(Value address);
  Value flipped(Value bitsOfWord);

  // Products.
  /// A tile: where its rows are in x, and the numbers of its blocks of columns.
  struct Tile {
    SmallVector<Value> rows, blocks;
  };
  /// A group of a tile: where it starts along the depth, and for each vector of columns where it is
  /// in the copy, its scales, and its zeros (as packed, from 0 on).
  struct Group {
    Value start;
    SmallVector<Value> bases, scales, zeros;
  };
  void emitTask(Value task);
  void emitTile(int64_t height, Value row, Value end, ArrayRef<Value> blocks, Value blocksEnd);
  SmallVector<Value> addGroup(const Tile &tile, Value group, ValueRange sums);
  Value loadWords(const Group &group, int64_t v, Value line);
  SmallVector<Value> addWord(const Tile &tile, const Group &group, Value place, ValueRange sums);
  SmallVector<Value> addRest(const Tile &tile, const Group &group, Value place, ValueRange sums);
  SmallVector<Value> addNumber(const Tile &tile, ArrayRef<Value> weights, Value place,
                               ValueRange sums);
  Value weightOf(const Group &group, int64_t v, Value part, int64_t position);
  void finish(Value tile, ValueRange at);

  template <typename Op, typename... Operands> Value make(const Operands &...operands) {
    return Op::create(emitter.builder(), emitter.location(), operands...);
  }
  Value splatNumber(double value) { return emitter.splat(emitter.constant(number, value)); }
  Value splatWord(uint32_t value) {
    auto type = VectorType::get({lanes}, word);
    return make<arith::ConstantOp>(DenseElementsAttr::get(type, static_cast<int32_t>(value)));
  }
  Value addressIn(Value tensor, Type stored, Value place) {
    unsigned argument = cast<BlockArgument>(tensor).getArgNumber();
    return emitter.offset(emitter.buffer(argument), stored, place);
  }

  KernelEmitter &emitter;
  QuantizedMatmulOp op;
  int64_t bits, lanes, vectors, tileRows, blocksInTask;
  Type number, word;
  unsigned packed = 0;
  std::string finishName;
  Value scratch;
};

void QuantizedProduct::addStages() {
  packed = emitter.addTemporary([*this]() mutable {
    Value count = emitter.multiplyIndex(emitter.multiplyIndex(columnBlocks(), groups()), lines());
    return emitter.multiplyIndex(count, emitter.index(columns() * wordBytes));
  });
  emitter.addStage([*this]() mutable { return emitter.multiplyIndex(columnBlocks(), groups()); },
                   [&](Value begin, Value end) {
                     emitter.loop(begin, end, 1, [&](Value task) { packGroup(task); });
                   });
  finishName = emitter.addHelper(
      1, 3, [&](ValueRange arguments) { finish(arguments[0], arguments.drop_front()); });
  emitter.addStage([*this]() mutable { return emitter.multiplyIndex(columnTasks(), rowBlocks()); },
                   [&](Value begin, Value end) {
                     scratch =
                         emitter.allocate(number, std::max(tileRows, blocksInTask) * columns());
                     emitter.loop(begin, end, 1, [&](Value task) { emitTask(task); });
                   });
}

//===----------------------------------------------------------------------===//
// The copy of the weight
//===----------------------------------------------------------------------===//

Value QuantizedProduct::groupAddress(Value columnBlock, Value group) {
  Value place = emitter.addIndex(emitter.multiplyIndex(columnBlock, groups()), group);
  Value line = emitter.multiplyIndex(place, lines());
  return lineAddress(emitter.buffer(packed), line, emitter.index(0));
}

Value QuantizedProduct::lineAddress(Value base, Value line, Value column) {
  Value place = emitter.addIndex(emitter.multiplyIndex(line, emitter.index(columns())), column);
  return emitter.offset(base, word, place);
}

/// Columns beyond the last repeat it: what is computed from them is not stored.
void QuantizedProduct::packGroup(Value task) {
  SmallVector<Value> parts = emitter.delinearize(task, {columnBlocks(), groups()});
  Value base = groupAddress(parts[0], parts[1]);
  Value first = emitter.multiplyIndex(parts[0], emitter.index(columns()));
  Value last = emitter.subtractIndex(columnCount(), emitter.index(1));
  emitter.loop(emitter.index(0), emitter.index(columns()), 1, [&](Value column) {
    Value row = emitter.minimumIndex(emitter.addIndex(first, column), last);
    packFactors(base, column, row, parts[1]);
    packWords(base, column, row, parts[1]);
  });
}

/// Zeros are floats that count from the least number on, which the words hold as 0.
void QuantizedProduct::packFactors(Value base, Value column, Value row, Value group) {
  Value scale = emitter.element(op.getScale(), {{row}, {group}});
  emitter.storeVector(scale, lineAddress(base, emitter.index(0), column));
  if (!op.getZero())
    return;
  Value zero = emitter.element(op.getZero(), {{row}, {group}});
  zero = bits == 4 ? make<arith::UIToFPOp>(number, zero) : make<arith::SIToFPOp>(number, zero);
  if (bits == 8)
    zero = make<arith::AddFOp>(zero, emitter.constant(number, 128));
  emitter.storeVector(zero, lineAddress(base, emitter.index(1), column));
}

/// Whole words, then one of the bytes that are left.
void QuantizedProduct::packWords(Value base, Value column, Value row, Value group) {
  Type byte = emitter.builder().getI8Type();
  Value bytes = groupBytes(), unit = emitter.index(wordBytes);
  Value start = emitter.addIndex(emitter.multiplyIndex(row, groups()), group);
  Value source = addressIn(op.getNumbers(), byte, emitter.multiplyIndex(start, bytes));
  Value whole = emitter.divideIndex(bytes, unit), lead = emitter.index(factorLines());
  auto store = [&](Value value, Value line) {
    emitter.storeVector(flipped(value), lineAddress(base, emitter.addIndex(line, lead), column));
  };
  emitter.loop(emitter.index(0), whole, 1, [&](Value line) {
    store(loadWord(emitter.offset(source, byte, emitter.multiplyIndex(line, unit))), line);
  });
  Value rest = emitter.remainderIndex(bytes, unit);
  emitter.ifTrue(emitter.isLess(emitter.index(0), rest), [&] {
    Value none = make<arith::ConstantIntOp>(0, 32);
    Value end = emitter.offset(source, byte, emitter.multiplyIndex(whole, unit));
    SmallVector<Value> last = emitter.loop(
        emitter.index(0), rest, 1, ValueRange(none), [&](Value place, ValueRange carried) {
          Value loaded = emitter.loadVector(emitter.offset(end, byte, place), byte, /*count=*/0);
          Value shift =
              make<arith::IndexCastOp>(word, emitter.multiplyIndex(place, emitter.index(8)));
          Value moved = make<arith::ShLIOp>(make<arith::ExtUIOp>(word, loaded), shift);
          return SmallVector<Value>{make<arith::OrIOp>(carried[0], moved)};
        });
    store(last[0], whole);
  });
}

/// Four bytes wherever they are.
Value QuantizedProduct::loadWord(Value address) {
  Value bytes = emitter.loadVector(address, emitter.builder().getI8Type(), wordBytes);
  Value one = make<vector::BitCastOp>(VectorType::get({1}, word), bytes);
  return make<vector::ExtractOp>(one, int64_t(0));
}

/// A word of bytes that count from -128 on.
Value QuantizedProduct::flipped(Value bitsOfWord) {
  if (bits == 4)
    return bitsOfWord;
  Value signs = make<arith::ConstantIntOp>(static_cast<int32_t>(0x80808080U), 32);
  return make<arith::XOrIOp>(bitsOfWord, signs);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// The last tile of a block has as many rows as there are; a single one has a tile of its own.
void QuantizedProduct::emitTask(Value task) {
  SmallVector<Value> parts = emitter.delinearize(task, {columnTasks(), rowBlocks()});
  Value size = emitter.index(tilesInBlock * tileRows), one = emitter.index(1);
  Value low = emitter.multiplyIndex(parts[1], size);
  Value high = emitter.minimumIndex(emitter.addIndex(low, size), rowCount()), end = low;
  Value first = emitter.multiplyIndex(parts[0], emitter.index(blocksInTask));
  Value blocksEnd =
      emitter.minimumIndex(emitter.addIndex(first, emitter.index(blocksInTask)), columnBlocks());
  if (tileRows > 1) {
    Value count = emitter.subtractIndex(high, low);
    Value rest = emitter.remainderIndex(count, emitter.index(tileRows));
    Value isSingle = make<arith::CmpIOp>(arith::CmpIPredicate::eq, rest, one);
    end = make<arith::SelectOp>(isSingle, emitter.subtractIndex(high, one), high);
    emitter.loop(first, blocksEnd, 1, [&](Value block) {
      emitter.loop(low, end, tileRows,
                   [&](Value row) { emitTile(tileRows, row, high, {block}, blocksEnd); });
    });
  }
  SmallVector<Value> blocks;
  for (int64_t number = 0; number < blocksInTask; ++number)
    blocks.push_back(emitter.addIndex(first, emitter.index(number)));
  emitter.loop(end, high, 1, [&](Value row) { emitTile(1, row, high, blocks, blocksEnd); });
}

/// Rows and blocks from the ends on repeat the last one.
void QuantizedProduct::emitTile(int64_t height, Value row, Value end, ArrayRef<Value> blocks,
                                Value blocksEnd) {
  Tile tile;
  Value depth = emitter.multiplyIndex(groups(), groupSize()), one = emitter.index(1);
  for (int64_t line = 0; line < height; ++line) {
    Value at = emitter.minimumIndex(emitter.addIndex(row, emitter.index(line)),
                                    emitter.subtractIndex(end, one));
    tile.rows.push_back(addressIn(op.getX(), number, emitter.multiplyIndex(at, depth)));
  }
  for (Value block : blocks)
    tile.blocks.push_back(emitter.minimumIndex(block, emitter.subtractIndex(blocksEnd, one)));
  auto count = static_cast<int64_t>(blocks.size());
  SmallVector<Value> sums(height * count * vectors, splatNumber(0));
  sums = emitter.loop(emitter.index(0), groups(), 1, sums, [&](Value group, ValueRange carried) {
    return addGroup(tile, group, carried);
  });
  for (auto [place, sum] : llvm::enumerate(sums))
    emitter.storeVector(sum, emitter.offset(scratch, number, emitter.index(place * lanes)));
  Value lines = emitter.minimumIndex(emitter.index(height), emitter.subtractIndex(end, row));
  for (auto [place, block] : llvm::enumerate(blocks)) {
    auto distance = static_cast<int64_t>(place) * columns();
    Value address = emitter.offset(scratch, number, emitter.index(distance));
    emitter.ifTrue(emitter.isLess(block, blocksEnd),
                   [&] { emitter.callHelper(finishName, {address, row, lines, block}); });
  }
}

SmallVector<Value> QuantizedProduct::addGroup(const Tile &tile, Value place, ValueRange sums) {
  Group group{emitter.multiplyIndex(place, groupSize()), {}, {}, {}};
  double usual = static_cast<double>(usualZero(bits) + (bits == 8 ? 128 : 0));
  for (Value block : tile.blocks) {
    Value base = groupAddress(block, place);
    for (int64_t v = 0; v < vectors; ++v) {
      auto load = [&](int64_t line) {
        Value address = lineAddress(base, emitter.index(line), emitter.index(v * lanes));
        return emitter.loadVector(address, number, lanes);
      };
      group.bases.push_back(lineAddress(base, emitter.index(0), emitter.index(v * lanes)));
      group.scales.push_back(load(0));
      group.zeros.push_back(op.getZero() ? load(1) : splatNumber(usual));
    }
  }
  Value inWord = emitter.index(wordBits / bits);
  Value whole = emitter.divideIndex(groupSize(), inWord);
  SmallVector<Value> added =
      emitter.loop(emitter.index(0), whole, 1, sums, [&](Value line, ValueRange carried) {
        return addWord(tile, group, line, carried);
      });
  Value rest = emitter.remainderIndex(groupSize(), inWord);
  return emitter.loop(emitter.index(0), rest, 1, added, [&](Value place, ValueRange carried) {
    return addRest(tile, group, place, carried);
  });
}

/// Word `line` of the group.
Value QuantizedProduct::loadWords(const Group &group, int64_t v, Value line) {
  Value lead = emitter.index(factorLines());
  Value address = lineAddress(group.bases[v], emitter.addIndex(line, lead), emitter.index(0));
  return emitter.loadVector(address, word, lanes);
}

/// Adds the numbers of word `line` of the group.
SmallVector<Value> QuantizedProduct::addWord(const Tile &tile, const Group &group, Value line,
                                             ValueRange sums) {
  SmallVector<Value> added = llvm::to_vector(sums), halves[2];
  Value shift = splatWord(halfBits);
  auto count = static_cast<int64_t>(group.bases.size());
  for (int64_t v = 0; v < count; ++v) {
    halves[0].push_back(loadWords(group, v, line));
    halves[1].push_back(make<arith::ShRUIOp>(halves[0].back(), shift));
  }
  Value start = emitter.multiplyIndex(line, emitter.index(wordBits / bits));
  start = emitter.addIndex(group.start, start);
  for (int64_t place = 0; place < wordBits; place += bits) {
    SmallVector<Value> weights;
    for (int64_t v = 0; v < count; ++v)
      weights.push_back(weightOf(group, v, halves[place / halfBits][v], place % halfBits));
    added = addNumber(tile, weights, emitter.addIndex(start, emitter.index(place / bits)), added);
  }
  return added;
}

/// Adds number `place` of the group's last word, which is not whole.
SmallVector<Value> QuantizedProduct::addRest(const Tile &tile, const Group &group, Value place,
                                             ValueRange sums) {
  Value inWord = emitter.index(wordBits / bits);
  Value line = emitter.divideIndex(groupSize(), inWord);
  Value shift = make<arith::IndexCastOp>(word, emitter.multiplyIndex(place, emitter.index(bits)));
  SmallVector<Value> weights;
  for (size_t v = 0; v < group.bases.size(); ++v) {
    Value part = make<arith::ShRUIOp>(loadWords(group, v, line), emitter.splat(shift));
    weights.push_back(weightOf(group, v, part, /*position=*/0));
  }
  Value start = emitter.addIndex(group.start, emitter.multiplyIndex(line, inWord));
  return addNumber(tile, weights, emitter.addIndex(start, place), sums);
}

/// The weights of the number at bit `position` of words.
Value QuantizedProduct::weightOf(const Group &group, int64_t v, Value part, int64_t position) {
  constexpr int64_t mantissaBits = 23, exponentBias = 127;
  int64_t exponent = mantissaBits - position;
  auto mask = static_cast<uint32_t>(((int64_t(1) << bits) - 1) << position);
  auto power = static_cast<uint32_t>((exponent + exponentBias) << mantissaBits);
  Value own = make<arith::AndIOp>(part, splatWord(mask));
  Value raised = make<arith::BitcastOp>(VectorType::get({lanes}, number),
                                        make<arith::OrIOp>(own, splatWord(power)));
  Value base =
      make<arith::AddFOp>(group.zeros[v], splatNumber(std::ldexp(1.0, static_cast<int>(exponent))));
  return make<arith::MulFOp>(make<arith::SubFOp>(raised, base), group.scales[v]);
}

/// Adds the products of the weights and of element `place` of each row.
SmallVector<Value> QuantizedProduct::addNumber(const Tile &tile, ArrayRef<Value> weights,
                                               Value place, ValueRange sums) {
  SmallVector<Value> added;
  for (auto [line, row] : llvm::enumerate(tile.rows)) {
    Value x = emitter.loadVector(emitter.offset(row, number, place), number, /*count=*/0);
    Value factor = emitter.splat(x);
    for (auto [v, weight] : llvm::enumerate(weights))
      added.push_back(make<math::FmaOp>(factor, weight, sums[line * weights.size() + v]));
  }
  return added;
}

/// Computes the kernel's results for lines of a block of columns: (first row, how many, block).
void QuantizedProduct::finish(Value tile, ValueRange at) {
  Value column = emitter.multiplyIndex(at[2], emitter.index(columns()));
  Value end =
      emitter.minimumIndex(emitter.addIndex(column, emitter.index(columns())), columnCount());
  emitter.loop(emitter.index(0), at[1], 1, [&](Value line) {
    Value start = emitter.multiplyIndex(line, emitter.index(columns()));
    Value row = emitter.addIndex(at[0], line);
    emitter.vectorLoop(column, end, [&](Value first) {
      Value place = emitter.addIndex(start, emitter.subtractIndex(first, column));
      emitter.override(op.getResult(),
                       emitter.loadVector(emitter.offset(tile, number, place), number, lanes));
      emitter.storeResults({{row}, {first, 1}});
    });
  });
  emitter.clearOverrides();
}

class QuantizedMatmul : public KernelTemplate {
public:
  StringRef name() const override { return "quantized_matmul"; }
  StringRef reason() const override {
    return "a product by a weight of few bits, with the elementwise ops on its result";
  }

  bool claims(Operation *op) const override { return isa<QuantizedMatmulOp>(op); }
  bool readsMemory(OpOperand &) const override { return true; }
  bool canLead(Operation *op, const FusionGroup &group) const override {
    return precedesElementwise(op, group);
  }

  WorkTerm operationsOf(Operation *op) const override {
    WorkTerm products{2, {}};
    llvm::append_range(products.sizes, symbolsOf(op->getOperand(0).getType()));
    products.sizes.push_back(symbolsOf(op->getOperand(1).getType()).front());
    return products;
  }

  /// The same for all launches, so that those of few rows and of many read one copy: two registers
  /// of columns, and rows as high as leaves room for their scales and for what is widened.
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    constexpr int64_t mostRows = 8, spare = 8, blocksOfRow = 4;
    int64_t registers = std::max<int64_t>(1, cpuLanes * wordBytes / target.registerBytes);
    int64_t columns = registers == 1 ? 2 : 1;
    int64_t rows =
        std::clamp<int64_t>((target.vectorRegisters - spare) / (columns * registers), 1, mostRows);
    return ContractionScheduleAttr::get(kernel.getContext(), cpuLanes, rows, columns, /*depth=*/0,
                                        /*pack_lhs=*/false, /*pack_rhs=*/true, /*pack_block=*/0,
                                        /*outer_rows=*/1, /*vector_lhs=*/false, /*row_stride=*/0,
                                        /*direct_rows=*/0, /*steps=*/1, /*narrow=*/true,
                                        /*flat=*/false, blocksOfRow);
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    kernel.emitOpError() << "is a product by a weight of few bits, which runs on a GPU by its "
                            "definition; run weft-decompose first";
    return {};
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    auto schedule = dyn_cast<ContractionScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, "a processor");
    return success(succeeded(verifySingle(kernel)) &&
                   succeeded(verifyLanes(kernel, schedule.getLanes(), target)) &&
                   succeeded(verifySchedule(kernel, schedule)));
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &) const override {
    return refuseSchedule(kernel, "a GPU");
  }

  void emit(KernelEmitter &emitter) const override {
    emitter.setLaneCount(emitter.schedule<ContractionScheduleAttr>().getLanes());
    QuantizedProduct(emitter).addStages();
  }
  void emit(GpuEmitter &) const override { llvm_unreachable("no schedule for a GPU is verified"); }

private:
  /// There are tiles to choose, of a copy that is always made.
  static LogicalResult verifySchedule(KernelOp kernel, ContractionScheduleAttr schedule) {
    constexpr int64_t mostInTile = 64;
    auto fits = [](int64_t size) { return size >= 1 && size <= mostInTile; };
    auto usual = ContractionScheduleAttr::get(
        kernel.getContext(), schedule.getLanes(), schedule.getRows(), schedule.getColumns(), 0,
        false, true, 0, 1, false, 0, 0, 1, true, false, schedule.getSingle());
    if (schedule == usual && fits(schedule.getRows()) && fits(schedule.getColumns()) &&
        fits(schedule.getSingle()))
      return success();
    return kernel.emitOpError()
           << "has a schedule that is not one of a product by a weight of "
           << "few bits: 1 to " << mostInTile
           << " rows, columns and tiles of a single row, pack_rhs and narrow, with direct_rows = 0";
  }
};

} // namespace

const KernelTemplate &quantizedMatmulTemplate() {
  static const QuantizedMatmul instance;
  return instance;
}

} // namespace weft
