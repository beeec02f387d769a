// How much work a launch of a kernel is.
#include "passes/templates/KernelWork.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {

static WorkTerm bytesOf(Value value) {
  return elementsOf(value, std::max(1u, getElementTypeOrSelf(value).getIntOrFloatBitWidth() / 8));
}

KernelWork workOf(KernelOp kernel) {
  KernelWork work;
  llvm::transform(kernel.getBody().getArguments(), std::back_inserter(work.bytes), bytesOf);
  llvm::transform(kernel.getYield().getValues(), std::back_inserter(work.bytes), bytesOf);
  for (Operation &op : kernel.getBody().front().without_terminator())
    if (const Template *kind = templateClaiming(&op); kind && op.getNumOperands() > 0)
      work.operations.push_back(kind->operationsOf(&op));
  return work;
}

} // namespace weft
