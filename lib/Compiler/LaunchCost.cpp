// What a launch costs.
#include "lib/Compiler/LaunchCost.h"
#include "dialects/Weft/IR/ContractionLoops.h"

using namespace mlir;

namespace weft {

static int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * std::max<int64_t>(1, tensor.getElementTypeBitWidth() / 8);
}

static int64_t elementsOf(Type type, ArrayRef<int64_t> sizes) {
  int64_t product = 1;
  for (int64_t symbol : cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding()).getSymbols())
    product *= sizes[symbol];
  return product;
}

double LaunchCost::nanoseconds() const {
  constexpr double bytesPerNanosecond = 15, operationsPerNanosecond = 25;
  return std::max(bytes / bytesPerNanosecond, operations / operationsPerNanosecond);
}

int32_t LaunchCost::threads() const {
  constexpr double worthwhile = 8000;
  return static_cast<int32_t>(std::clamp(nanoseconds() / worthwhile, 1.0, 1024.0));
}

LaunchCost costOf(LaunchOp launch, KernelOp kernel) {
  LaunchCost cost;
  for (Type type : launch.getOperandTypes())
    cost.bytes += bytesOf(type);
  for (Type type : launch.getResultTypes())
    cost.bytes += bytesOf(type);
  for (Operation &op : kernel.getBody().front()) {
    if (auto contraction = dyn_cast<ContractionOpInterface>(op)) {
      int64_t products = 2;
      for (const ContractionLoop &loop : contractionLoops(contraction))
        for (int64_t symbol : loop.symbols)
          products *= launch.getSizes()[symbol];
      cost.operations += products;
    } else if (isa<ReductionOpInterface>(op)) {
      cost.operations += elementsOf(op.getOperand(0).getType(), launch.getSizes());
    } else if (op.getNumResults() == 1 && op.getNumOperands() > 0) {
      cost.operations += elementsOf(op.getResult(0).getType(), launch.getSizes());
    }
  }
  return cost;
}

} // namespace weft
