#include "passes/plan/CollectiveCalls.h"

#include "dialects/Weft/IR/CollectiveProgram.h"
#include "dialects/Weft/IR/ElementTypes.h"

using namespace mlir;

namespace weft {

CollectiveOpInterface collectiveOf(KernelOp kernel) {
  for (auto op : kernel.getBody().front().getOps<CollectiveOpInterface>())
    return op;
  return {};
}

std::string collectiveFunctionOf(CollectiveOpInterface op) {
  return ("weft_collective_" + op.getFunctionName()).str();
}

SmallVector<int64_t> collectiveNumbersOf(CollectiveOpInterface op) {
  SmallVector<int64_t> options = op.getOptions();
  auto type = cast<RankedTensorType>(op.getX().getType());
  std::optional<DType> dtype = findDType(type.getElementType());
  SmallVector<int64_t> program = {1, 0};
  if (auto known = op->getAttrOfType<DenseI64ArrayAttr>(collectiveProgramName))
    program.assign(known.asArrayRef().begin(), known.asArrayRef().end());
  SmallVector<int64_t> numbers = {int64_t(dtype.value_or(DType::Bool)), int64_t(op.getGroup()),
                                  int64_t(op.getMembers())};
  llvm::append_range(numbers, program);
  numbers.push_back(int64_t(options.size()));
  llvm::append_range(numbers, options);
  numbers.push_back(type.getRank());
  return numbers;
}

} // namespace weft
