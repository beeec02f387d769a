// How much work a launch of a kernel is.
#include "codegen/CPU/KernelWork.h"
#include "dialects/Weft/IR/ContractionLoops.h"
#include "passes/plan/ValueMemory.h"

using namespace mlir;

namespace weft {

/// The elements of a tensor of a kernel.
static WorkTerm elementsOf(Type type, int64_t factor = 1) {
  auto sizes = cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding());
  return {factor, llvm::SmallVector<int64_t, 4>(sizes.getSymbols())};
}

static WorkTerm bytesOf(Type type) {
  return elementsOf(type, std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8));
}

static WorkTerm productsOf(ContractionOpInterface contraction) {
  WorkTerm products{2, {}};
  for (const ContractionLoop &loop : contractionLoops(contraction))
    llvm::append_range(products.sizes, loop.symbols);
  return products;
}

KernelWork workOf(KernelOp kernel) {
  KernelWork work;
  std::optional<unsigned> updated = updatedArgument(kernel);
  for (auto [number, type] : llvm::enumerate(kernel.getArgumentTypes()))
    if (number != updated)
      work.bytes.push_back(bytesOf(type));
  if (!updated)
    for (Type type : kernel.getResultTypes())
      work.bytes.push_back(bytesOf(type));
  for (Operation &op : kernel.getBody().front()) {
    if (auto contraction = dyn_cast<ContractionOpInterface>(op)) {
      work.operations.push_back(productsOf(contraction));
    } else if (auto update = dyn_cast<UpdateOpInterface>(op)) {
      work.bytes.push_back(bytesOf(update.getUpdates().getType()));
      work.operations.push_back(elementsOf(update.getUpdates().getType()));
    } else if (isa<ReductionOpInterface>(op)) {
      work.operations.push_back(elementsOf(op.getOperand(0).getType()));
    } else if (op.getNumResults() == 1 && op.getNumOperands() > 0) {
      work.operations.push_back(elementsOf(op.getResult(0).getType()));
    }
  }
  return work;
}

KernelWork copyWorkOf(KernelOp kernel) {
  KernelWork work;
  if (std::optional<unsigned> updated = updatedArgument(kernel))
    work.bytes.assign(2, bytesOf(kernel.getArgumentTypes()[*updated]));
  return work;
}

} // namespace weft
