// Which values of a function are in the same memory.
#include "passes/plan/ValueMemory.h"
#include "dialects/Weft/IR/Shape.h"
#include "passes/templates/Template.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

std::optional<unsigned> updatedArgument(KernelOp kernel) {
  for (auto update : kernel.getBody().front().getOps<UpdateOpInterface>())
    return cast<BlockArgument>(update.getX()).getArgNumber();
  return std::nullopt;
}

std::optional<unsigned> overwritableArgument(KernelOp kernel) {
  std::optional<unsigned> number = updatedArgument(kernel);
  bool isReadOnce = number && kernel.getBody().getArgument(*number).hasOneUse();
  return isReadOnce ? number : std::nullopt;
}

/// True if the kernel reads the value, and what it computes from it, only at the element that is
/// written, or before its task writes any.
static bool isReadInPlace(Value value, const Template *kind) {
  llvm::SmallSetVector<Operation *, 8> readers;
  auto addReaders = [&](Value read) {
    return llvm::all_of(read.getUses(), [&](OpOperand &use) {
      Operation *reader = use.getOwner();
      if (kind && kind->readsAhead(use))
        return true;
      readers.insert(reader);
      return isa<YieldOp>(reader) || readsInPlace(reader, use.getOperandNumber());
    });
  };
  bool isInPlace = addReaders(value);
  for (size_t next = 0; isInPlace && next < readers.size(); ++next)
    isInPlace = isa<YieldOp>(readers[next]) || addReaders(readers[next]->getResult(0));
  return isInPlace;
}

bool mayOverwrite(KernelOp kernel, unsigned argument, unsigned result) {
  BlockArgument read = kernel.getBody().getArgument(argument);
  return read.getType() == kernel.getYield().getValues()[result].getType() &&
         isReadInPlace(read, templateOf(kernel));
}

Value overwrittenOperand(LaunchOp launch) {
  auto number = launch->getAttrOfType<IntegerAttr>("overwrites");
  return number ? launch.getInputs()[number.getInt()] : Value();
}

Value withoutReshapes(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

std::optional<int64_t> partStart(Operation &op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  std::optional<int64_t> start = indexed ? indexed.getRunStart() : std::nullopt;
  if (!start)
    return std::nullopt;
  return *start *
         std::max<int64_t>(1, getElementTypeOrSelf(op.getResult(0)).getIntOrFloatBitWidth() / 8);
}

ValueMemory::ValueMemory(Block &body) {
  for (Operation &op : body) {
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      first[reshape.getResult()] = of(reshape.getX());
    else if (auto launch = dyn_cast<LaunchOp>(op))
      if (Value operand = overwrittenOperand(launch))
        first[launch.getOutputs()[0]] = of(operand);
  }
}

Value ValueMemory::of(Value value) const {
  auto found = first.find(value);
  return found == first.end() ? value : found->second;
}

} // namespace weft
