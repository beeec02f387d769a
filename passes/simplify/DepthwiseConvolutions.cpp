// A weft.convolution of each channel for itself, and the weft.pad of zeros around its image.
#include "passes/simplify/DepthwiseConvolutions.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

bool isKnownSize(int64_t size) { return !ShapedType::isDynamic(size) && !isSymbolicSize(size); }

BorderedImage withoutBorder(Value value, int64_t height) {
  BorderedImage whole{value};
  auto pad = value.getDefiningOp<PadOp>();
  if (!pad || !matchPattern(pad.getValue(), m_PosZeroFloat()))
    return whole;
  BorderedImage found{pad.getX()};
  for (int64_t d = 0; d < 4; ++d) {
    int64_t inside = pad.getX().getType().getDimSize(d), size = pad.getType().getDimSize(d);
    int64_t low = pad.getLow()[d];
    bool isAlike = inside == size && low == 0 && !ShapedType::isDynamic(size);
    bool isBorder = d >= height && d < height + 2 && isKnownSize(inside) && isKnownSize(size) &&
                    pad.getInterior()[d] == 0;
    if (!isAlike && !isBorder)
      return whole;
    if (isBorder) {
      found.low[d - height] = low;
      found.high[d - height] = size - inside - low;
    }
  }
  return found;
}

bool isDepthwise(ConvolutionOp op) {
  constexpr int64_t mostElements = 64, mostStride = 2;
  constexpr unsigned leastBits = 32;
  RankedTensorType weight = op.getWeight().getType();
  if (weight.getRank() != 5 || weight.getDimSize(2) != 1 || weight.getDimSize(4) != 1)
    return false;
  int64_t height = weight.getDimSize(0), width = weight.getDimSize(1);
  auto isSmall = [](int64_t size) { return size >= 1 && size <= mostElements; };
  return isSmall(height) && isSmall(width) && isSmall(height * width) &&
         op.getStrides()[1] <= mostStride && op.getType().getElementTypeBitWidth() >= leastBits &&
         weight.getElementType() == op.getType().getElementType();
}

bool dropsGroupSize(RankedTensorType apart, RankedTensorType joined) {
  auto isSize = [](int64_t size) { return !ShapedType::isDynamic(size); };
  return llvm::all_of(joined.getShape(), isSize) && apart.getShape().back() == 1 &&
         apart.getShape().drop_back() == joined.getShape();
}

} // namespace weft
