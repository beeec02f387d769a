// Says of convolutions which lines of their images are zeros.
//
//   %1 = weft.pad %x, %0 low [0, 1, 1, 0] ... : tensor<1x4x4x3xf32> -> tensor<1x6x6x3xf32>
//   %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : ...
// becomes
//   %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] {weft.border = [1, 1, 1]} : ...
//
// Along dimension 1 the image begins with one line of zeros and ends with one; a weft.transpose or
// a weft.reshape that keeps lines may come between. What multiplies zeros adds nothing, if the
// weight is finite: a kernel looks at that once for a weight that is kept
// (`codegen/Loops/ContractionBorder.h`), so others are not marked.
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/plan/PlanSteps.h"
#include "passes/simplify/DepthwiseConvolutions.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_MARKBORDERS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t height = 1;

/// How many of the first and last lines of `value` along `dimension` are known to be +0.
std::pair<int64_t, int64_t> zerosAlong(Value value, int64_t dimension) {
  if (auto turned = value.getDefiningOp<TransposeOp>())
    return zerosAlong(turned.getX(), turned.getPermutation()[dimension]);
  if (auto apart = value.getDefiningOp<ReshapeOp>()) {
    int64_t leading = dimension + 1;
    RankedTensorType from = apart.getX().getType(), to = apart.getType();
    bool areAlike = from.getRank() >= leading &&
                    from.getShape().take_front(leading) == to.getShape().take_front(leading);
    return areAlike ? zerosAlong(apart.getX(), dimension) : std::pair<int64_t, int64_t>();
  }
  auto pad = value.getDefiningOp<PadOp>();
  if (!pad || !matchPattern(pad.getValue(), m_PosZeroFloat()) || pad.getInterior()[dimension] != 0)
    return {};
  int64_t inside = pad.getX().getType().getDimSize(dimension);
  int64_t size = pad.getType().getDimSize(dimension), low = pad.getLow()[dimension];
  return {low, isKnownSize(inside) && isKnownSize(size) ? size - inside - low : 0};
}

struct MarkBorders : impl::MarkBordersBase<MarkBorders> {
  using MarkBordersBase::MarkBordersBase;

  void runOnOperation() override {
    getOperation().walk([](ConvolutionOp op) {
      auto [low, high] = zerosAlong(op.getX(), height);
      if (isKept(op.getWeight()) && !isDepthwise(op) && (low > 0 || high > 0))
        op->setAttr("weft.border", DenseI64ArrayAttr::get(op.getContext(), {height, low, high}));
    });
  }
};

} // namespace
} // namespace weft
