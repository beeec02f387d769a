// Kernels that read a tensor in another order than they write.
#include "dialects/Weft/IR/TurnedDimension.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> sizesOf(Type type) {
  return cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding()).getSymbols();
}

/// The sizes of `kernel` that dimensions have behind a frame, where they have others before.
static llvm::DenseMap<int64_t, int64_t> framedSizes(KernelOp kernel) {
  llvm::DenseMap<int64_t, int64_t> framed;
  for (auto op : kernel.getBody().getOps<IndexedOpInterface>())
    if (op.isFramed())
      for (auto [before, after] : llvm::zip_equal(sizesOf(op->getOperand(0).getType()),
                                                  sizesOf(op->getResult(0).getType())))
        if (before != after)
          framed[before] = after;
  return framed;
}

std::optional<unsigned> turnedDimension(KernelOp kernel) {
  if (kernel.getResultTypes().empty())
    return std::nullopt;
  llvm::DenseMap<int64_t, int64_t> framed = framedSizes(kernel);
  ArrayRef<int64_t> result = sizesOf(kernel.getResultTypes().front());
  if (result.size() < 2)
    return std::nullopt;
  for (Type type : kernel.getArgumentTypes()) {
    ArrayRef<int64_t> operand = sizesOf(type);
    if (operand.size() < 2 || operand.back() == result.back() ||
        !llvm::is_contained(operand, result.back()))
      continue;
    auto rows = framed.find(operand.back());
    const auto *found = llvm::find(result, rows == framed.end() ? operand.back() : rows->second);
    if (found != result.end())
      return found - result.begin();
  }
  return std::nullopt;
}

} // namespace weft
