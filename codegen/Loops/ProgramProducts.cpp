// Products of two blocks of a program (weft.program): tiles in registers, over all of the depth.
//
// What is computed of an element of the product alone, such as its sum with another block, is
// computed of the tile while it is in registers, and is all that is written.
//
// Operands of half precision are copied, as float32, once: a tile reads the right one for each of
// its few rows, and the left one element by element.
#include "codegen/Loops/ProgramProducts.h"
#include "codegen/Loops/TurnedTile.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

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

static bool isHalf(Type dtype) {
  return isa<FloatType>(dtype) && dtype.getIntOrFloatBitWidth() <= 16;
}

/// What the elements of a copied operand are kept as.
static Type copiedType(Type dtype) {
  return isHalf(dtype) ? Float32Type::get(dtype.getContext()) : KernelEmitter::storedType(dtype);
}

double bytesOfCopies(ContractionOpInterface op, int64_t lanes) {
  double bytes = 0;
  for (unsigned number : {0, 1}) {
    Value operand = op->getOperand(number);
    Type dtype = getElementTypeOrSelf(operand), stored = KernelEmitter::storedType(dtype);
    bool isTurned = number == 1 && readsTurned(op);
    if (!isTurned && !isHalf(dtype))
      continue;
    SmallVector<int64_t> shape(ProgramBlocks::shapeOf(operand));
    if (isTurned)
      shape = {int64_t(llvm::alignTo(shape[1], squareOf(stored, lanes))), shape[0]};
    double elements = double(shape[0]) * double(ProgramBlocks::rowDistance(shape, lanes));
    bytes +=
        (elements + double(lanes)) * std::max(1u, copiedType(dtype).getIntOrFloatBitWidth() / 8);
  }
  return bytes;
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
  else if (isHalf(product.right.dtype))
    product.right = widened(product.right, product.depth, product.columns);
  if (isHalf(product.left.dtype) && product.left.isTurned)
    product.left = widened(product.left, product.depth, product.rows);
  else if (isHalf(product.left.dtype))
    product.left = widened(product.left, product.rows, product.depth);
  int64_t lanes = emitter.laneCount(), columns = tileOf(product).vectors, width = lanes * columns;
  int64_t vectors = llvm::divideCeil(product.columns, lanes);
  int64_t whole = vectors / columns;
  emitter.loop(emitter.index(0), emitter.index(whole * width), width,
               [&](Value column) { emitRows(product, column, columns); });
  if (int64_t rest = vectors % columns)
    emitRows(product, emitter.index(whole * width), rest);
}

/// The schedule's tile is one of float32: of longer numbers as many registers hold less.
ProgramProducts::Tile ProgramProducts::tileOf(const Product &product) {
  Type sum = computeTypeOf(getElementTypeOrSelf(product.value));
  int64_t longer = std::max<int64_t>(1, sum.getIntOrFloatBitWidth() / 32);
  int64_t vectors = schedule.getColumns();
  if (longer <= vectors)
    return {schedule.getRows(), vectors / longer, 1};
  return {schedule.getRows(), 1, longer};
}

/// A copy as float32.
ProgramProducts::Matrix ProgramProducts::widened(const Matrix &from, int64_t rows,
                                                 int64_t columns) {
  Type type = copiedType(from.dtype);
  int64_t lanes = emitter.laneCount();
  Matrix to{emitter.allocate(type, rows * from.distance + lanes), type, from.distance,
            from.isTurned};
  emitter.loop(emitter.index(0), emitter.index(rows), 1, [&](Value row) {
    emitter.loop(emitter.index(0), emitter.index(columns), lanes, [&](Value column) {
      emitter.storeVector(loaded(from, row, column, lanes), address(to, row, column));
    });
  });
  return to;
}

/// A copy with the columns side by side: squares are turned in registers. Rows are filled up with
/// what is behind their ends, and what is made of that is not read.
ProgramProducts::Matrix ProgramProducts::turned(const Matrix &from, int64_t depth,
                                                int64_t columns) {
  Type stored = KernelEmitter::storedType(from.dtype);
  int64_t lanes = emitter.laneCount(), square = squareOf(stored, lanes);
  int64_t shape[] = {int64_t(llvm::alignTo(depth, square)), columns};
  int64_t distance = ProgramBlocks::rowDistance(shape, lanes);
  bool isWidened = isHalf(from.dtype);
  Type type = copiedType(from.dtype);
  Matrix to{emitter.allocate(type, shape[0] * distance + lanes), isWidened ? type : from.dtype,
            distance, false};
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
      for (auto [line, value] : llvm::enumerate(transposeSquare(emitter, lines))) {
        Value kept = isWidened ? emitter.widen(value, from.dtype) : value;
        emitter.storeVector(kept, address(to, emitter.addIndex(row, emitter.index(line)), column));
      }
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
  int64_t rows = std::min(tileOf(product).rows, product.rows);
  int64_t whole = product.rows / rows * rows;
  emitter.loop(emitter.index(0), emitter.index(whole), rows,
               [&](Value row) { emitTile(product, row, column, rows, vectors); });
  if (whole < product.rows)
    emitTile(product, emitter.index(whole), column, product.rows - whole, vectors);
}

void ProgramProducts::emitTile(const Product &product, Value row, Value column, int64_t rows,
                               int64_t vectors) {
  Type dtype = getElementTypeOrSelf(product.value);
  int64_t parts = tileOf(product).parts, lanes = emitter.laneCount() / parts;
  SmallVector<Value> sums;
  for (int64_t part = 0; part < parts; ++part) {
    Value first = emitter.addIndex(column, emitter.index(part * lanes));
    SmallVector<Value> own = sumsOf(product, row, first, rows, vectors, lanes);
    if (part == 0)
      sums = own;
    else
      for (auto [sum, behind] : llvm::zip_equal(sums, own))
        sum = joined(sum, behind);
  }
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

/// The sums of a tile whose vectors have so many lanes, over all of the depth.
SmallVector<Value> ProgramProducts::sumsOf(const Product &product, Value row, Value column,
                                           int64_t rows, int64_t vectors, int64_t lanes) {
  OpBuilder &b = emitter.builder();
  auto vector = VectorType::get({lanes}, computeTypeOf(getElementTypeOrSelf(product.value)));
  Value zero = arith::ConstantOp::create(b, emitter.location(), b.getZeroAttr(vector));
  SmallVector<Value> sums(rows * vectors, zero);
  return emitter.loop(
      emitter.index(0), emitter.index(product.depth), 1, sums,
      [&](Value k, ValueRange carried) { return step(product, row, column, k, carried, vectors); });
}

/// One vector behind the other.
Value ProgramProducts::joined(Value left, Value right) {
  int64_t size = cast<VectorType>(left.getType()).getNumElements();
  size += cast<VectorType>(right.getType()).getNumElements();
  return vector::ShuffleOp::create(emitter.builder(), emitter.location(), left, right,
                                   llvm::to_vector(llvm::seq<int64_t>(0, size)));
}

/// Adds the products of one depth.
SmallVector<Value> ProgramProducts::step(const Product &product, Value row, Value column, Value k,
                                         ValueRange sums, int64_t vectors) {
  auto vector = cast<VectorType>(sums.front().getType());
  int64_t lanes = vector.getNumElements();
  SmallVector<Value> next, right;
  for (int64_t v = 0; v < vectors; ++v) {
    Value place = emitter.addIndex(column, emitter.index(v * lanes));
    right.push_back(converted(loaded(product.right, k, place, lanes), product.right.dtype, vector));
  }
  for (size_t r = 0; r < sums.size() / vectors; ++r) {
    Value line = emitter.addIndex(row, emitter.index(int64_t(r)));
    Value left =
        product.left.isTurned ? loaded(product.left, k, line, 0) : loaded(product.left, line, k, 0);
    left = converted(left, product.left.dtype, vector.getElementType());
    left = vector::BroadcastOp::create(emitter.builder(), emitter.location(), vector, left);
    for (int64_t v = 0; v < vectors; ++v)
      next.push_back(multiplyAdd(left, right[v], sums[r * vectors + v]));
  }
  return next;
}

Type ProgramProducts::computeTypeOf(Type dtype) { return copiedType(dtype); }

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
