// The batching rules of ops whose dimension labels do not give one (BatchOpInterface).
#include "dialects/Weft/Rules/Build.h"

using namespace mlir;

namespace weft {

namespace {

/// What the rules share: operands as terms, and shapes with the examples' dimension in front.
struct Batched {
  Compose at;
  ValueRange operands;
  ArrayRef<bool> batched;
  int64_t count;

  Batched(OpBuilder &builder, Operation *op, ValueRange operands, ArrayRef<bool> batched,
          int64_t count)
      : at(builder, op->getLoc()), operands(operands), batched(batched), count(count) {}

  SmallVector<int64_t> withCount(ArrayRef<int64_t> shape) const {
    SmallVector<int64_t> result = {count};
    llvm::append_range(result, shape);
    return result;
  }
  SmallVector<int64_t> shapeOf(Value result) const {
    return withCount(cast<RankedTensorType>(result.getType()).getShape());
  }
  /// An operand with the examples' dimension: one that is not batched is the same for all.
  Expression operand(unsigned number) const {
    Expression x = at(operands[number]);
    if (batched[number])
      return x;
    SmallVector<int64_t> dimensions;
    for (int64_t d = 0; d < x.rank(); ++d)
      dimensions.push_back(d + 1);
    return broadcast(x, withCount(x.type().getShape()), dimensions);
  }
};

/// Numbers of dimensions, each one further on, behind `first`.
SmallVector<int64_t> shifted(int64_t first, ArrayRef<int64_t> numbers, int64_t by) {
  SmallVector<int64_t> result = {first};
  for (int64_t number : numbers)
    result.push_back(number + by);
  return result;
}

/// The permutation that brings dimensions [from, from + length) to `to`, the others in order.
SmallVector<int64_t> moved(int64_t rank, int64_t from, int64_t length, int64_t to) {
  SmallVector<int64_t> order;
  for (int64_t d = 0; d < rank; ++d)
    if (d < from || d >= from + length)
      order.push_back(d);
  for (int64_t i = 0; i < length; ++i)
    order.insert(order.begin() + to + i, from + i);
  return order;
}

/// Indices [count, ...] into `size` elements of each example as indices into those of all, one
/// example after the other. One that is out of range of its own is so of all.
Expression joinedIndices(const Batched &rule, unsigned operand, int64_t size) {
  Expression given = rule.operand(operand);
  bool isUnsigned = given.element().isUnsignedInteger();
  Expression index = convert(given, IntegerType::get(given.element().getContext(), 64));
  Expression fromStart = isUnsigned ? index : select(index < 0.0, index + double(size), index);
  Expression inside = fromStart >= 0.0 && fromStart < double(size);
  Expression example = rule.at.iota(index.type(), 0);
  return select(inside, example * double(size) + fromStart,
                index.filled(double(rule.count) * double(size)));
}

/// x [count, before, size, behind] as [count * size, before, behind].
Expression joinedRows(const Expression &x, int64_t axis) {
  Expression front = transpose(x, moved(x.rank(), axis + 1, 1, 1));
  SmallVector<int64_t> shape = {front.size(0) * front.size(1)};
  llvm::append_range(shape, front.type().getShape().drop_front(2));
  return reshape(front, shape);
}

} // namespace

//===----------------------------------------------------------------------===//
// Rearrangement
//===----------------------------------------------------------------------===//

Value ReshapeOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                              int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  return reshape(rule.operand(0), rule.shapeOf(getResult()));
}

Value BarrierOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool>, int64_t) {
  return BarrierOp::create(builder, getLoc(), operands[0].getType(), operands[0], getNameAttr());
}

/// The same for each example.
static Value repeated(const Batched &rule, const Expression &x) {
  SmallVector<int64_t> dimensions;
  for (int64_t d = 0; d < x.rank(); ++d)
    dimensions.push_back(d + 1);
  return broadcast(x, rule.withCount(x.type().getShape()), dimensions);
}

/// In these three a number of the example that is the same for all is one of another axis: each
/// example asks for itself.
Value SumExamplesOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                                  int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  Expression x = rule.operand(0);
  if (batched[1])
    return repeated(rule, sum(x, {0}));
  return rule.at.create<SumExamplesOp>(x.type(), x, operands[1]);
}

Value GatherExamplesOp::buildBatched(OpBuilder &builder, ValueRange operands,
                                     ArrayRef<bool> batched, int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  Expression x = rule.operand(0);
  if (batched[1])
    return repeated(rule, x);
  SmallVector<int64_t> shape(rule.shapeOf(getResult()));
  std::swap(shape[0], shape[1]);
  Type type = RankedTensorType::get(shape, x.element());
  Expression all = rule.at.create<GatherExamplesOp>(type, x, operands[1]);
  return transpose(all, moved(all.rank(), 1, 1, 0));
}

Value ScatterExamplesOp::buildBatched(OpBuilder &builder, ValueRange operands,
                                      ArrayRef<bool> batched, int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  Expression x = rule.operand(0);
  if (batched[1])
    return sum(x, {0});
  Expression turned = transpose(x, moved(x.rank(), 1, 1, 0));
  Type type = RankedTensorType::get(rule.shapeOf(getResult()), x.element());
  return rule.at.create<ScatterExamplesOp>(type, turned, operands[1]);
}

Value BroadcastOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                                int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  return broadcast(rule.operand(0), rule.shapeOf(getResult()), shifted(0, getDimensions(), 1));
}

Value SliceOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                            int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  return slice(rule.operand(0), shifted(0, getStarts(), 0), shifted(1, getSteps(), 0),
               rule.shapeOf(getResult()));
}

Value PadOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                          int64_t count) {
  if (batched[1])
    return nullptr;
  Batched rule(builder, *this, operands, batched, count);
  Type type = RankedTensorType::get(rule.shapeOf(getResult()), getType().getElementType());
  return rule.at.create<PadOp>(type, rule.operand(0), operands[1], shifted(0, getLow(), 0),
                               shifted(0, getInterior(), 0));
}

Value UpdateOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                             int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  Expression x = rule.operand(0);
  return rule.at.create<UpdateOp>(x.type(), x, rule.operand(1), shifted(0, getStarts(), 0),
                                  shifted(1, getSteps(), 0));
}

Value ConcatenateOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                                  int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  SmallVector<Value> parts;
  for (unsigned number = 0; number < operands.size(); ++number)
    parts.push_back(rule.operand(number));
  return concatenate(parts, getAxis() + 1, rule.at);
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value GatherOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                             int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  int64_t axis = getAxis(), inner = getIndices().getType().getRank();
  if (!batched[1])
    return rule.at.create<GatherOp>(rule.operand(0), operands[1], axis + 1);
  if (!batched[0]) {
    // The examples' dimension is that of the indices, behind those before the axis.
    Expression taken = rule.at.create<GatherOp>(operands[0], operands[1], axis);
    return transpose(taken, moved(taken.rank(), axis, 1, 0));
  }
  Expression indices = joinedIndices(rule, 1, getX().getType().getDimSize(axis));
  Expression taken = rule.at.create<GatherOp>(joinedRows(rule.operand(0), axis), indices, 0);
  return transpose(taken, moved(taken.rank(), 1, inner, 1 + axis));
}

template <typename Scatter>
static Value batchedScatter(Scatter op, OpBuilder &builder, ValueRange operands,
                            ArrayRef<bool> batched, int64_t count) {
  Batched rule(builder, op, operands, batched, count);
  int64_t axis = op.getAxis(), inner = op.getIndices().getType().getRank();
  Expression x = rule.operand(0), updates = rule.operand(2);
  if (!batched[1])
    return rule.at.create<Scatter>(x, operands[1], updates, axis + 1);
  Expression indices = joinedIndices(rule, 1, op.getX().getType().getDimSize(axis));
  Expression rows = transpose(updates, moved(updates.rank(), 1 + axis, inner, 1));
  Expression changed = rule.at.create<Scatter>(joinedRows(x, axis), indices, rows, 0);
  SmallVector<int64_t> order = moved(x.rank(), axis + 1, 1, 1), shape;
  for (int64_t d : order)
    shape.push_back(x.size(d));
  return transpose(reshape(changed, shape), moved(x.rank(), 1, 1, axis + 1));
}

Value ScatterAddOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                                 int64_t count) {
  return batchedScatter(*this, builder, operands, batched, count);
}

Value ScatterOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                              int64_t count) {
  return batchedScatter(*this, builder, operands, batched, count);
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

Value MatmulOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,
                             int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  auto product = [&](const Expression &lhs, const Expression &rhs) {
    return matmul(lhs, rhs, getTransposeLhs(), getTransposeRhs());
  };
  Expression lhs = rule.operand(0);
  if (batched[1] || lhs.rank() != 3 || getTransposeLhs())
    return product(lhs, rule.operand(1));
  // One product of the rows of all examples, in the place of one for each with the same matrix.
  Expression rows = reshape(lhs, {lhs.size(0) * lhs.size(1), lhs.size(2)});
  return reshape(product(rows, rule.at(operands[1])), rule.shapeOf(getResult()));
}

Value ScaledDotProductAttentionOp::buildBatched(OpBuilder &builder, ValueRange operands,
                                                ArrayRef<bool> batched, int64_t count) {
  Batched rule(builder, *this, operands, batched, count);
  OperationState state(getLoc(), getOperationName());
  for (unsigned number = 0; number < operands.size(); ++number)
    state.addOperands(rule.operand(number).value());
  state.addAttributes((*this)->getAttrs());
  state.addTypes(RankedTensorType::get(rule.shapeOf(getResult()), getType().getElementType()));
  return builder.create(state)->getResult(0);
}

} // namespace weft
