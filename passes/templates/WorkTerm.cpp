// A term of how much work a launch of a kernel is.
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {

WorkTerm elementsOf(Value value, int64_t factor) {
  auto sizes = cast<SizesAttr>(cast<RankedTensorType>(value.getType()).getEncoding());
  return {factor, llvm::SmallVector<int64_t, 4>(sizes.getSymbols())};
}

} // namespace weft
