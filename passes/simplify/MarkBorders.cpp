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
#include "dialects/Weft/IR/Frames.h"
#include "passes/Passes.h"
#include "passes/plan/PlanSteps.h"
#include "passes/simplify/DepthwiseConvolutions.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_MARKBORDERS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t height = 1;

struct MarkBorders : impl::MarkBordersBase<MarkBorders> {
  using MarkBordersBase::MarkBordersBase;

  void runOnOperation() override {
    getOperation().walk([](ConvolutionOp op) {
      auto [low, high] = zeroLines(op.getX(), height);
      if (isKept(op.getWeight()) && !isDepthwise(op) && (low > 0 || high > 0))
        op->setAttr("weft.border", DenseI64ArrayAttr::get(op.getContext(), {height, low, high}));
    });
  }
};

} // namespace
} // namespace weft
