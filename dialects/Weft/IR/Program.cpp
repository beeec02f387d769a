// Programs over blocks: verification, what a launch gives, and batching.
#include "dialects/Weft/IR/Program.h"

using namespace mlir;

namespace weft {

/// The operand or result that a load, a store or a size names; null if there is none.
static Value tensorOf(ProgramOp program, int64_t number, bool isResult) {
  OperandRange inputs = program.getInputs();
  auto inputCount = static_cast<int64_t>(inputs.size());
  if (isResult)
    number += inputCount;
  auto count = inputCount + static_cast<int64_t>(program.getNumResults());
  if (number < 0 || number >= count)
    return nullptr;
  return number < inputCount ? Value(inputs[number])
                             : Value(program.getResult(number - inputCount));
}

/// Checks that a block of `value` at `indices`, with `others` of its shape, is one of `tensor`.
static LogicalResult verifyBlock(Operation *op, Value tensor, ValueRange indices, Type block,
                                 ValueRange others) {
  if (!tensor)
    return op->emitOpError() << "names a tensor that its program does not have";
  auto type = cast<RankedTensorType>(tensor.getType()), own = cast<RankedTensorType>(block);
  auto count = static_cast<int64_t>(indices.size());
  if (count > type.getRank() || (count == 0) != (type.getRank() == 0))
    return op->emitOpError() << "has " << count << " indices into " << type;
  if (type.getElementType() != own.getElementType())
    return op->emitOpError() << "has a block of " << own.getElementType() << " of "
                             << type.getElementType();
  for (ValueRange values : {indices, others})
    for (Value value : values)
      if (cast<RankedTensorType>(value.getType()).getShape() != own.getShape())
        return op->emitOpError() << "has an operand of type " << value.getType()
                                 << " with a block of type " << own;
  return success();
}

static LogicalResult verifyLoad(ProgramOp program, ProgramLoadOp op) {
  SmallVector<Value> others;
  if (Value mask = op.getMask())
    others.push_back(mask);
  if (Value other = op.getOther()) {
    others.push_back(other);
    if (other.getType() != op.getResult().getType())
      return op.emitOpError() << "has other elements of type " << other.getType();
  }
  Value tensor = tensorOf(program, op.getNumber(), /*isResult=*/false);
  if (isa_and_nonnull<OpResult>(tensor) && tensor.getDefiningOp() == program)
    tensor = nullptr;
  return verifyBlock(op, tensor, op.getIndices(), op.getResult().getType(), others);
}

static LogicalResult verifyStore(ProgramOp program, ProgramStoreOp op) {
  SmallVector<Value> others;
  if (Value mask = op.getMask())
    others.push_back(mask);
  if (auto combine = op.getCombine()) {
    if (!llvm::is_contained({"add", "max", "min"}, *combine))
      return op->emitOpError() << "combines by " << *combine << "; there are add, max and min";
    if (getElementTypeOrSelf(op.getValue()).isInteger(1))
      return op->emitOpError() << "combines bools";
  }
  return verifyBlock(op, tensorOf(program, op.getNumber(), /*isResult=*/true), op.getIndices(),
                     op.getValue().getType(), others);
}

bool ProgramOp::isOrdered() {
  return getBody()
      .walk([](ProgramStoreOp op) {
        bool needsOrder =
            op.getCombine() && isa<FloatType>(getElementTypeOrSelf(op.getValue().getType()));
        return needsOrder ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

static LogicalResult verifyPart(ProgramOp program, Operation *op) {
  for (Type type : op->getResultTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
      return op->emitOpError() << "has a result of type " << type
                               << "; a program computes with blocks of known sizes";
  auto rank = static_cast<int64_t>(program.getGrid().size());
  auto verifyAxis = [&](int64_t axis) -> LogicalResult {
    if (axis >= 0 && axis < rank)
      return success();
    return op->emitOpError() << "names axis " << axis << " of a grid that has " << rank;
  };
  if (auto id = dyn_cast<ProgramIdOp>(op))
    return verifyAxis(id.getAxis());
  if (auto count = dyn_cast<ProgramCountOp>(op))
    return verifyAxis(count.getAxis());
  if (auto size = dyn_cast<ProgramSizeOp>(op)) {
    Value tensor = tensorOf(program, size.getNumber(), /*isResult=*/false);
    uint64_t sizes = tensor ? cast<RankedTensorType>(tensor.getType()).getRank() : 0;
    if (size.getDimension() >= sizes)
      return op->emitOpError() << "names a size that its program does not have";
  }
  if (auto load = dyn_cast<ProgramLoadOp>(op))
    return verifyLoad(program, load);
  if (auto store = dyn_cast<ProgramStoreOp>(op))
    return verifyStore(program, store);
  return success();
}

LogicalResult ProgramOp::verify() {
  if (getBody().getNumArguments() > 0 || !isa<ProgramEndOp>(getBody().front().back()))
    return emitOpError() << "needs a region without arguments that ends by weft.program_end";
  if (getInitial().size() != getNumResults())
    return emitOpError() << "has " << getInitial().size() << " initial values of "
                         << getNumResults() << " results";
  for (auto [initial, result] : llvm::zip_equal(getInitial(), getResults()))
    if (initial < -1 || initial >= static_cast<int64_t>(getInputs().size()) ||
        (initial >= 0 &&
         getElementTypeOrSelf(getInputs()[initial]) != getElementTypeOrSelf(result)))
      return emitOpError() << "has an initial value that is no operand like the result";
  for (int64_t count : getGrid())
    if (count < 0 && !isFromLaunch(count))
      return emitOpError() << "has a grid of " << count << " programs";
  WalkResult walk = getBody().walk([&](Operation *op) {
    return failed(verifyPart(*this, op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

SmallVector<LaunchNumber> ProgramOp::getLaunchNumbers() {
  SmallVector<LaunchNumber> numbers;
  for (unsigned axis = 0; axis < getGrid().size(); ++axis)
    numbers.push_back({getGridAttrName(), axis});
  return numbers;
}

//===----------------------------------------------------------------------===//
// Batching: one more axis of the grid, the first, and of all tensors that differ
//===----------------------------------------------------------------------===//

/// The number of the example, as an index for a block of `shape`.
static Value exampleIndex(OpBuilder &builder, Location location, ArrayRef<int64_t> shape) {
  auto scalar = RankedTensorType::get({}, builder.getI64Type());
  Value id = ProgramIdOp::create(builder, location, scalar, builder.getI64IntegerAttr(0));
  if (shape.empty())
    return id;
  return BroadcastOp::create(builder, location, RankedTensorType::get(shape, builder.getI64Type()),
                             id, builder.getDenseI64ArrayAttr({}));
}

/// Makes a part of a program one of a program for many examples.
static void batchPart(Operation *op, ArrayRef<bool> batched) {
  OpBuilder builder(op);
  auto isBatched = [&](int64_t number) {
    return number >= static_cast<int64_t>(batched.size()) || batched[number];
  };
  if (auto id = dyn_cast<ProgramIdOp>(op))
    id.setAxis(id.getAxis() + 1);
  else if (auto count = dyn_cast<ProgramCountOp>(op))
    count.setAxis(count.getAxis() + 1);
  else if (auto size = dyn_cast<ProgramSizeOp>(op); size && isBatched(size.getNumber()))
    size.setDimension(size.getDimension() + 1);
  else if (auto load = dyn_cast<ProgramLoadOp>(op); load && isBatched(load.getNumber())) {
    auto shape = cast<RankedTensorType>(load.getResult().getType()).getShape();
    SmallVector<Value> indices{exampleIndex(builder, op->getLoc(), shape)};
    llvm::append_range(indices, load.getIndices());
    load.getIndicesMutable().assign(indices);
  } else if (auto store = dyn_cast<ProgramStoreOp>(op)) {
    auto shape = cast<RankedTensorType>(store.getValue().getType()).getShape();
    SmallVector<Value> indices{exampleIndex(builder, op->getLoc(), shape)};
    llvm::append_range(indices, store.getIndices());
    store.getIndicesMutable().assign(indices);
  }
}

static RankedTensorType withCount(Type type, int64_t count) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape{count};
  llvm::append_range(shape, tensor.getShape());
  return RankedTensorType::get(shape, tensor.getElementType());
}

Value ProgramOp::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> areBatched,
                              int64_t count) {
  if (getNumResults() != 1)
    return {};
  SmallVector<Value> inputs(operands);
  SmallVector<bool> batched(areBatched);
  for (int64_t initial : getInitial()) {
    if (initial < 0 || batched[initial])
      continue;
    Type type = inputs[initial].getType();
    auto along = llvm::to_vector(llvm::seq<int64_t>(1, 1 + cast<RankedTensorType>(type).getRank()));
    inputs[initial] = BroadcastOp::create(builder, getLoc(), withCount(type, count),
                                          inputs[initial], builder.getDenseI64ArrayAttr(along));
    batched[initial] = true;
  }
  auto copy = cast<ProgramOp>(builder.clone(*getOperation()));
  SmallVector<int64_t> grid{count};
  llvm::append_range(grid, getGrid());
  copy.setGrid(grid);
  copy.getInputsMutable().assign(inputs);
  for (Value result : copy.getResults())
    result.setType(withCount(result.getType(), count));
  SmallVector<Operation *> parts;
  copy.getBody().walk([&](Operation *op) { parts.push_back(op); });
  for (Operation *op : parts)
    batchPart(op, batched);
  return copy.getResult(0);
}

} // namespace weft
