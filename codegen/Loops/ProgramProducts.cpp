// Products of two blocks of a program (weft.program): tiles in registers, over all of the depth.
//
// What is computed of an element of the product alone, such as its sum with another block, is
// computed of the tile while it is in registers, and is all that is written.
#include "codegen/Loops/ProgramProducts.h"
#include "codegen/Loops/TurnedTile.h"

using namespace mlir;

namespace weft {

/// What walks over the first dimension of an operand.
static Contraction::Kind firstLoop(ContractionOpInterface op, Contraction::Operand operand) {
  Contraction loops = op.getContraction();
  return loops.loops[loops.accesses[operand].front().front().loop].kind;
}

/// Whether the right operand is copied, so that its columns are side by side.
static bool readsTurned(ContractionOpInterface op) {
  return firstLoop(op, Contraction::Rhs) == Contraction::Column;
}

/// How many vectors of how many elements are turned at a time.
static int64_t squareOf(Type stored, int64_t lanes) {
  return std::min<int64_t>(lanes, stored.getIntOrFloatBitWidth() > 32 ? 4 : 8);
}

double bytesOfTurned(ContractionOpInterface op, int64_t lanes) {
  if (!readsTurned(op))
    return 0;
  ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op->getOperand(1));
  Type stored = KernelEmitter::storedType(getElementTypeOrSelf(op->getOperand(1)));
  int64_t turned[] = {int64_t(llvm::alignTo(shape[1], squareOf(stored, lanes))), shape[0]};
  double elements = double(turned[0]) * double(ProgramBlocks::rowDistance(turned, lanes));
  return (elements + double(lanes)) * std::max(1u, stored.getIntOrFloatBitWidth() / 8);
}

ProgramProducts::Matrix ProgramProducts::matrixOf(Value value, bool isTurned) {
  int64_t distance = ProgramBlocks::rowDistance(ProgramBlocks::shapeOf(value), emitter.laneCount());
  return {blocks.pointer(value), getElementTypeOrSelf(value), distance, isTurned};
}

ProgramProducts::Product ProgramProducts::productOf(ContractionOpInterface op, Value end,
                                                    Value pointer) {
  Product product;
  product.value = op->getResult(0);
  product.end = end;
  product.pointer = pointer;
  product.left = matrixOf(op->getOperand(0), firstLoop(op, Contraction::Lhs) == Contraction::Depth);
  product.right = matrixOf(op->getOperand(1), readsTurned(op));
  product.rows = ProgramBlocks::shapeOf(product.value)[0];
  product.columns = ProgramBlocks::shapeOf(product.value)[1];
  product.depth = ProgramBlocks::shapeOf(op->getOperand(0))[product.left.isTurned ? 0 : 1];
  return product;
}

void ProgramProducts::emit(ContractionOpInterface op, Value end, Value pointer) {
  Product product = productOf(op, end, pointer);
  if (product.right.isTurned)
    product.right = turned(product.right, product.depth, product.columns);
  int64_t lanes = emitter.laneCount(), width = lanes * schedule.getColumns();
  int64_t vectors = llvm::divideCeil(product.columns, lanes);
  int64_t whole = vectors / schedule.getColumns();
  emitter.loop(emitter.index(0), emitter.index(whole * width), width,
               [&](Value column) { emitRows(product, column, schedule.getColumns()); });
  if (int64_t rest = vectors % schedule.getColumns())
    emitRows(product, emitter.index(whole * width), rest);
}

/// A copy with the columns side by side: squares are turned in registers. Rows are filled up with
/// what is behind their ends, and what is made of that is not read.
ProgramProducts::Matrix ProgramProducts::turned(const Matrix &from, int64_t depth,
                                                int64_t columns) {
  Type stored = KernelEmitter::storedType(from.dtype);
  int64_t lanes = emitter.laneCount(), square = squareOf(stored, lanes);
  int64_t shape[] = {int64_t(llvm::alignTo(depth, square)), columns};
  int64_t distance = ProgramBlocks::rowDistance(shape, lanes);
  Matrix to{emitter.allocate(stored, shape[0] * distance + lanes), from.dtype, distance, false};
  Value last = emitter.index(columns - 1);
  emitter.loop(emitter.index(0), emitter.index(columns), square, [&](Value column) {
    emitter.loop(emitter.index(0), emitter.index(depth), square, [&](Value row) {
      SmallVector<Value> lines;
      for (int64_t line = 0; line < square; ++line) {
        Value here = emitter.addIndex(column, emitter.index(line));
        if (columns % square != 0)
          here = emitter.minimumIndex(here, last);
        lines.push_back(emitter.loadVector(address(from, here, row), stored, square));
      }
      for (auto [line, value] : llvm::enumerate(transposeSquare(emitter, lines)))
        emitter.storeVector(value, address(to, emitter.addIndex(row, emitter.index(line)), column));
    });
  });
  return to;
}

Value ProgramProducts::address(const Matrix &matrix, Value row, Value column) {
  Value place = emitter.multiplyIndex(row, emitter.index(matrix.distance));
  return emitter.offset(matrix.pointer, KernelEmitter::storedType(matrix.dtype),
                        emitter.addIndex(place, column));
}

void ProgramProducts::emitRows(const Product &product, Value column, int64_t vectors) {
  int64_t rows = std::min(schedule.getRows(), product.rows), whole = product.rows / rows * rows;
  emitter.loop(emitter.index(0), emitter.index(whole), rows,
               [&](Value row) { emitTile(product, row, column, rows, vectors); });
  if (whole < product.rows)
    emitTile(product, emitter.index(whole), column, product.rows - whole, vectors);
}

void ProgramProducts::emitTile(const Product &product, Value row, Value column, int64_t rows,
                               int64_t vectors) {
  Type dtype = getElementTypeOrSelf(product.value);
  auto vector = VectorType::get({emitter.laneCount()}, computeTypeOf(dtype));
  OpBuilder &b = emitter.builder();
  Value zero = arith::ConstantOp::create(b, emitter.location(), b.getZeroAttr(vector));
  SmallVector<Value> sums(rows * vectors, zero);
  sums = emitter.loop(
      emitter.index(0), emitter.index(product.depth), 1, sums,
      [&](Value k, ValueRange carried) { return step(product, row, column, k, carried, vectors); });
  for (auto [number, sum] : llvm::enumerate(sums)) {
    int64_t line = int64_t(number) / vectors, part = int64_t(number) % vectors;
    ElementIndex indices[] = {
        {emitter.addIndex(row, emitter.index(line))},
        {emitter.addIndex(column, emitter.index(part * emitter.laneCount())), 1}};
    blocks.apart([&] {
      blocks.give(product.value, indices, emitter.roundTo(sum, dtype));
      blocks.write(product.end, product.pointer, indices);
    });
  }
}

/// Adds the products of one depth.
SmallVector<Value> ProgramProducts::step(const Product &product, Value row, Value column, Value k,
                                         ValueRange sums, int64_t vectors) {
  int64_t lanes = emitter.laneCount();
  auto vector = cast<VectorType>(sums.front().getType());
  SmallVector<Value> next, right;
  for (int64_t v = 0; v < vectors; ++v) {
    Value place = emitter.addIndex(column, emitter.index(v * lanes));
    right.push_back(converted(loaded(product.right, k, place, lanes), product.right.dtype, vector));
  }
  for (size_t r = 0; r < sums.size() / vectors; ++r) {
    Value line = emitter.addIndex(row, emitter.index(int64_t(r)));
    Value left =
        product.left.isTurned ? loaded(product.left, k, line, 0) : loaded(product.left, line, k, 0);
    left = emitter.splat(converted(left, product.left.dtype, vector.getElementType()));
    for (int64_t v = 0; v < vectors; ++v)
      next.push_back(multiplyAdd(left, right[v], sums[r * vectors + v]));
  }
  return next;
}

Type ProgramProducts::computeTypeOf(Type dtype) {
  return dtype.isIntOrFloat() && dtype.getIntOrFloatBitWidth() <= 16 && isa<FloatType>(dtype)
             ? emitter.builder().getF32Type()
             : KernelEmitter::storedType(dtype);
}

Value ProgramProducts::loaded(const Matrix &matrix, Value row, Value column, int64_t count) {
  Type stored = KernelEmitter::storedType(matrix.dtype);
  Value value = emitter.loadVector(address(matrix, row, column), stored, count);
  return emitter.widen(value, matrix.dtype);
}

/// An operand may be narrower than the result.
Value ProgramProducts::converted(Value value, Type dtype, Type wanted) {
  OpBuilder &b = emitter.builder();
  if (value.getType() == wanted)
    return value;
  if (isa<FloatType>(getElementTypeOrSelf(wanted)))
    return arith::ExtFOp::create(b, emitter.location(), wanted, value);
  if (dtype.isUnsignedInteger())
    return arith::ExtUIOp::create(b, emitter.location(), wanted, value);
  return arith::ExtSIOp::create(b, emitter.location(), wanted, value);
}

Value ProgramProducts::multiplyAdd(Value left, Value right, Value sum) {
  OpBuilder &b = emitter.builder();
  if (isa<FloatType>(getElementTypeOrSelf(sum)))
    return math::FmaOp::create(b, emitter.location(), left, right, sum);
  Value product = arith::MulIOp::create(b, emitter.location(), left, right);
  return arith::AddIOp::create(b, emitter.location(), sum, product);
}

} // namespace weft
