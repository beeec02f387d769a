// Kernels whose result has elements around what they compute.
#include "dialects/Weft/IR/Frames.h"

using namespace mlir;

namespace weft {

bool framesRows(Operation *op) {
  auto indexed = dyn_cast_or_null<IndexedOpInterface>(op);
  if (!indexed || !indexed.isFramed())
    return false;
  auto labels = cast<DimensionOpInterface>(op).getDimensionLabels();
  return labels.back().size() > 1 && labels.back().back() >= 0;
}

std::optional<Frame> frameOf(KernelOp kernel) {
  auto results = kernel.getYield().getValues();
  auto pad = results.size() == 1 ? results[0].getDefiningOp<PadOp>() : PadOp();
  if (!pad || !framesRows(pad))
    return std::nullopt;
  return Frame{pad, pad.getResult(), pad.getX(), pad.getValue(), pad.getLow()};
}

} // namespace weft
