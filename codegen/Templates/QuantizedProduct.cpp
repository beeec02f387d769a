// What kernels of products by weights of few bits share.
#include "codegen/Templates/QuantizedProduct.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/TurnedTile.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {

/// Words, and columns, that are turned at once.
static constexpr int64_t usualSquare = 4;
/// How far ahead of a single row words are asked for: what is computed meanwhile takes about as
/// long as memory does.
static constexpr int64_t prefetchedBytes = 2048;

QuantizedProduct::QuantizedProduct(KernelEmitter &emitter, const QuantizedOperands &op)
    : emitter(emitter),
      op(op),
      bits(op.bits),
      lanes(emitter.schedule<ContractionScheduleAttr>().getLanes()),
      vectors(emitter.schedule<ContractionScheduleAttr>().getColumns()),
      tileRows(emitter.schedule<ContractionScheduleAttr>().getRows()),
      blocksInTask(emitter.schedule<ContractionScheduleAttr>().getSingle()),
      squareSize(columns() % usualSquare == 0 ? usualSquare : 1),
      number(emitter.builder().getF32Type()),
      word(emitter.builder().getI32Type()) {
  emitter.setLaneCount(lanes);
}

void QuantizedProduct::addStages(const std::shared_ptr<QuantizedProduct> &product) {
  QuantizedProduct &own = *product;
  KernelEmitter &emitter = own.emitter;
  // What is called when the stages are there keeps the product.
  auto packs = [product, &emitter] {
    return emitter.multiplyIndex(product->columnBlocks(), product->groups());
  };
  own.packed = emitter.addTemporary([product, packs, &emitter] {
    Value count = emitter.multiplyIndex(packs(), product->lines());
    return emitter.multiplyIndex(count, emitter.index(product->columns() * wordBytes));
  });
  emitter.addStage(packs, [&](Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) { own.packGroup(task); });
  });
  own.addOperandStages();
  own.finishName = emitter.addHelper(
      1, 3, [&](ValueRange arguments) { own.finish(arguments[0], arguments.drop_front()); });
  auto tasks = [product, &emitter] {
    return emitter.multiplyIndex(product->columnTasks(), product->rowBlocks());
  };
  emitter.addStage(tasks, [&](Value begin, Value end) {
    int64_t tiles = std::max(own.tileRows, own.blocksInTask);
    own.scratch = emitter.allocate(own.number, tiles * own.columns());
    emitter.loop(begin, end, 1, [&](Value task) { own.emitTask(task); });
  });
}

Value QuantizedProduct::rowBlocks() {
  return emitter.ceilDivideIndex(rowCount(), tilesInBlock * tileRows);
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
  auto rowOf = [&](Value column) {
    Value last = emitter.subtractIndex(columnCount(), emitter.index(1));
    return emitter.minimumIndex(emitter.addIndex(first, column), last);
  };
  emitter.loop(emitter.index(0), emitter.index(columns()), squareSize, [&](Value column) {
    SmallVector<Value> sources;
    for (int64_t line = 0; line < squareSize; ++line)
      sources.push_back(
          groupSource(rowOf(emitter.addIndex(column, emitter.index(line))), parts[1]));
    packSquares(base, column, sources);
  });
  emitter.loop(emitter.index(0), emitter.index(columns()), 1, [&](Value column) {
    Value row = rowOf(column);
    packFactors(base, column, row, parts[1]);
    packWords(base, column, groupSource(row, parts[1]));
  });
}

/// Where the bytes of a row's group are.
Value QuantizedProduct::groupSource(Value row, Value group) {
  Value start = emitter.addIndex(emitter.multiplyIndex(row, groups()), group);
  return addressIn(op.numbers, emitter.builder().getI8Type(),
                   emitter.multiplyIndex(start, groupBytes()));
}

/// The words of a group in whole squares of words by columns.
Value QuantizedProduct::squareWords() {
  Value size = emitter.index(squareSize);
  Value whole = emitter.divideIndex(groupBytes(), emitter.index(wordBytes));
  return emitter.multiplyIndex(emitter.divideIndex(whole, size), size);
}

/// Words are read along the rows, a vector of them, and turned in registers.
void QuantizedProduct::packSquares(Value base, Value column, ArrayRef<Value> sources) {
  Type byte = emitter.builder().getI8Type();
  auto words = VectorType::get({squareSize}, word);
  emitter.loop(emitter.index(0), squareWords(), squareSize, [&](Value line) {
    Value place = emitter.multiplyIndex(line, emitter.index(wordBytes));
    SmallVector<Value> square;
    for (Value source : sources) {
      Value bytes =
          emitter.loadVector(emitter.offset(source, byte, place), byte, squareSize * wordBytes);
      square.push_back(packedWord(make<vector::BitCastOp>(words, bytes)));
    }
    square = transposeSquare(emitter, std::move(square));
    Value first = emitter.addIndex(line, emitter.index(factorLines()));
    for (auto [number, own] : llvm::enumerate(square))
      emitter.storeVector(
          own, lineAddress(base, emitter.addIndex(first, emitter.index(number)), column));
  });
}

/// Zeros count from the least number on, which the words hold as 0.
void QuantizedProduct::packFactors(Value base, Value column, Value row, Value group) {
  Value scale = emitter.element(op.scale, {{row}, {group}});
  emitter.storeVector(scale, lineAddress(base, emitter.index(0), column));
  if (op.zero)
    emitter.storeVector(packedZero(emitter.element(op.zero, {{row}, {group}})),
                        lineAddress(base, emitter.index(1), column));
}

/// Whole words behind the squares, then one of the bytes that are left.
void QuantizedProduct::packWords(Value base, Value column, Value source) {
  Type byte = emitter.builder().getI8Type();
  Value bytes = groupBytes(), unit = emitter.index(wordBytes);
  Value whole = emitter.divideIndex(bytes, unit), lead = emitter.index(factorLines());
  auto store = [&](Value value, Value line) {
    emitter.storeVector(packedWord(value), lineAddress(base, emitter.addIndex(line, lead), column));
  };
  emitter.loop(squareWords(), whole, 1, [&](Value line) {
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

/// Words of bytes that count from -128 on.
Value QuantizedProduct::flipped(Value bitsOfWord) {
  return bits == 4 ? bitsOfWord
                   : make<arith::XOrIOp>(bitsOfWord, wordLike(bitsOfWord, 0x80808080U));
}

Value QuantizedProduct::wordLike(Value word, uint32_t value) {
  auto number = static_cast<int32_t>(value);
  if (auto type = dyn_cast<VectorType>(word.getType()))
    return make<arith::ConstantOp>(DenseElementsAttr::get(type, number));
  return make<arith::ConstantIntOp>(number, 32);
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
    emitter.loop(first, blocksEnd, 1,
                 [&](Value block) { emitBlock({low, end, high}, block, blocksEnd); });
  }
  SmallVector<Value> blocks;
  for (int64_t number = 0; number < blocksInTask; ++number)
    blocks.push_back(emitter.addIndex(first, emitter.index(number)));
  emitter.loop(end, high, 1, [&](Value row) { emitTile(1, row, high, blocks, blocksEnd); });
}

void QuantizedProduct::emitBlock(const Rows &rows, Value block, Value blocksEnd) {
  emitter.loop(rows.low, rows.end, tileRows,
               [&](Value row) { emitTile(tileRows, row, rows.high, {block}, blocksEnd); });
}

SmallVector<Value> QuantizedProduct::rowsOf(int64_t height, Value row, Value end) {
  SmallVector<Value> rows;
  Value last = emitter.subtractIndex(end, emitter.index(1));
  for (int64_t line = 0; line < height; ++line)
    rows.push_back(
        rowAddress(emitter.minimumIndex(emitter.addIndex(row, emitter.index(line)), last)));
  return rows;
}

void QuantizedProduct::finishTile(Value sums, int64_t height, Value row, Value end, Value block) {
  Value lines = emitter.minimumIndex(emitter.index(height), emitter.subtractIndex(end, row));
  emitter.callHelper(finishName, {sums, row, lines, block});
}

/// Rows and blocks from the ends on repeat the last one.
void QuantizedProduct::emitTile(int64_t height, Value row, Value end, ArrayRef<Value> blocks,
                                Value blocksEnd) {
  Tile tile;
  tile.rows = rowsOf(height, row, end);
  Value last = emitter.subtractIndex(blocksEnd, emitter.index(1));
  for (Value block : blocks)
    tile.blocks.push_back(emitter.minimumIndex(block, last));
  auto count = static_cast<int64_t>(blocks.size());
  SmallVector<Value> sums(height * count * vectors, splatNumber(0));
  sums = emitter.loop(emitter.index(0), groups(), 1, sums, [&](Value group, ValueRange carried) {
    return addGroup(tile, loadGroup(tile.blocks, group, /*isOfOneRow=*/height == 1), carried);
  });
  for (auto [place, sum] : llvm::enumerate(sums))
    emitter.storeVector(sum, emitter.offset(scratch, number, emitter.index(place * lanes)));
  for (auto [place, block] : llvm::enumerate(blocks)) {
    auto distance = static_cast<int64_t>(place) * columns();
    Value address = emitter.offset(scratch, number, emitter.index(distance));
    emitter.ifTrue(emitter.isLess(block, blocksEnd),
                   [&] { finishTile(address, height, row, end, block); });
  }
}

QuantizedProduct::Group QuantizedProduct::loadGroup(ArrayRef<Value> blocks, Value place,
                                                    bool isOfOneRow) {
  Group group{place, {}, {}, {}, isOfOneRow};
  for (Value block : blocks) {
    Value base = groupAddress(block, place);
    for (int64_t v = 0; v < vectors; ++v) {
      auto load = [&](int64_t line, Type stored) {
        Value address = lineAddress(base, emitter.index(line), emitter.index(v * lanes));
        return emitter.loadVector(address, stored, lanes);
      };
      group.bases.push_back(lineAddress(base, emitter.index(0), emitter.index(v * lanes)));
      group.scales.push_back(load(0, number));
      if (op.zero)
        group.zeros.push_back(load(1, zeroType()));
    }
  }
  return group;
}

Value QuantizedProduct::loadWords(const Group &group, int64_t v, Value line) {
  Value lead = emitter.index(factorLines());
  Value address = lineAddress(group.bases[v], emitter.addIndex(line, lead), emitter.index(0));
  if (group.isOfOneRow)
    emitter.prefetch(address, prefetchedBytes);
  return emitter.loadVector(address, word, lanes);
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
      emitter.override(op.result,
                       emitter.loadVector(emitter.offset(tile, number, place), number, lanes));
      emitter.storeResults({{row}, {first, 1}});
    });
  });
  emitter.clearOverrides();
}

//===----------------------------------------------------------------------===//
// The templates
//===----------------------------------------------------------------------===//

bool QuantizedTemplate::canLead(Operation *op, const FusionGroup &group) const {
  return precedesElementwise(op, group);
}

WorkTerm QuantizedTemplate::operationsOf(Operation *op) const {
  WorkTerm products{2, {}};
  llvm::append_range(products.sizes, symbolsOf(op->getOperand(0).getType()));
  products.sizes.push_back(symbolsOf(op->getOperand(1).getType()).front());
  return products;
}

ContractionScheduleAttr QuantizedTemplate::scheduleOf(KernelOp kernel, const CpuTarget &target,
                                                      int64_t lanes, int64_t columns,
                                                      int64_t steps) {
  constexpr int64_t mostRows = 8, spare = 8, blocksOfRow = 4;
  int64_t registers = std::max<int64_t>(1, lanes * 4 / target.registerBytes);
  int64_t rows =
      std::clamp<int64_t>((target.vectorRegisters - spare) / (columns * registers), 1, mostRows);
  return ContractionScheduleAttr::get(kernel.getContext(), lanes, rows, columns, /*depth=*/0,
                                      /*pack_lhs=*/false, /*pack_rhs=*/true, /*pack_block=*/0,
                                      /*outer_rows=*/1, /*vector_lhs=*/false, /*row_stride=*/0,
                                      /*direct_rows=*/0, steps, /*narrow=*/true,
                                      /*flat=*/false, blocksOfRow);
}

ScheduleAttrInterface QuantizedTemplate::choose(KernelOp kernel, LaunchOp,
                                                const GpuTarget &) const {
  kernel.emitOpError() << "is a product by a weight of few bits, which runs on a GPU by its "
                          "definition; run weft-decompose first";
  return {};
}

/// Whether there are tiles to choose, of a copy that is always made.
static bool isTiling(KernelOp kernel, ContractionScheduleAttr schedule) {
  constexpr int64_t mostInTile = 64;
  auto fits = [](int64_t size) { return size >= 1 && size <= mostInTile; };
  auto usual = ContractionScheduleAttr::get(
      kernel.getContext(), schedule.getLanes(), schedule.getRows(), schedule.getColumns(), 0, false,
      true, 0, 1, false, 0, 0, schedule.getSteps(), true, false, schedule.getSingle());
  return schedule == usual && fits(schedule.getRows()) && fits(schedule.getColumns()) &&
         fits(schedule.getSingle());
}

LogicalResult QuantizedTemplate::verify(KernelOp kernel, const CpuTarget &target) const {
  auto schedule = dyn_cast<ContractionScheduleAttr>(kernel.getScheduleAttr());
  if (!schedule)
    return refuseSchedule(kernel, "a processor");
  if (failed(verifySingle(kernel)) || failed(verifyLanes(kernel, schedule.getLanes(), target)))
    return failure();
  if (!isTiling(kernel, schedule))
    return kernel.emitOpError()
           << "has a schedule that is not one of a product by a weight of few bits: 1 to 64 rows, "
              "columns and tiles of a single row, pack_rhs and narrow, with direct_rows = 0";
  if (!hasSteps(schedule, target))
    return kernel.emitOpError() << "adds " << schedule.getSteps()
                                << " steps of the depth at once, for which the target "
                                << target.name() << " has no instruction of such vectors";
  return success();
}

LogicalResult QuantizedTemplate::verify(KernelOp kernel, const GpuTarget &) const {
  return refuseSchedule(kernel, "a GPU");
}

} // namespace weft
