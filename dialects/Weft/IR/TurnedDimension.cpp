// Kernels that read a tensor in another order than they write.
#include "dialects/Weft/IR/TurnedDimension.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> sizesOf(Type type) {
  return cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding()).getSymbols();
}

std::optional<unsigned> turnedDimension(KernelOp kernel) {
  if (kernel.getResultTypes().empty())
    return std::nullopt;
  ArrayRef<int64_t> result = sizesOf(kernel.getResultTypes().front());
  if (result.size() < 2)
    return std::nullopt;
  for (Type type : kernel.getArgumentTypes()) {
    ArrayRef<int64_t> operand = sizesOf(type);
    if (operand.size() < 2 || operand.back() == result.back() ||
        !llvm::is_contained(operand, result.back()))
      continue;
    const auto *found = llvm::find(result, operand.back());
    if (found != result.end())
      return found - result.begin();
  }
  return std::nullopt;
}

} // namespace weft
