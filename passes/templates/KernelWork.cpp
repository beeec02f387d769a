// How much work a launch of a kernel is.
#include "passes/templates/KernelWork.h"
#include "passes/plan/ValueMemory.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {

static WorkTerm bytesOf(Value value) {
  return elementsOf(value, std::max(1u, getElementTypeOrSelf(value).getIntOrFloatBitWidth() / 8));
}

KernelWork workOf(KernelOp kernel) {
  KernelWork work;
  std::optional<unsigned> updated = updatedArgument(kernel);
  for (BlockArgument argument : kernel.getBody().getArguments())
    if (argument.getArgNumber() != updated)
      work.bytes.push_back(bytesOf(argument));
  if (!updated)
    llvm::transform(kernel.getYield().getValues(), std::back_inserter(work.bytes), bytesOf);
  for (auto update : kernel.getBody().front().getOps<UpdateOpInterface>())
    work.bytes.push_back(bytesOf(update.getUpdates()));
  for (Operation &op : kernel.getBody().front().without_terminator())
    if (const Template *kind = templateClaiming(&op); kind && op.getNumOperands() > 0)
      work.operations.push_back(kind->operationsOf(&op));
  return work;
}

KernelWork copyWorkOf(KernelOp kernel) {
  KernelWork work;
  if (std::optional<unsigned> updated = updatedArgument(kernel))
    work.bytes.assign(2, bytesOf(kernel.getBody().getArgument(*updated)));
  return work;
}

} // namespace weft
