// Reduces one group of neighbouring axes at a time, the innermost first.
//
//   %0 = weft.sum %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
// becomes
//   %0 = weft.sum %x [2] : tensor<2x3x4xf32> -> tensor<2x3xf32>
//   %1 = weft.sum %0 [0] : tensor<2x3xf32> -> tensor<3xf32>
//
// So the templates know two kinds only, rows and columns, and the order of a sum is a function of
// the op's shape and axes. What half precision leaves between the parts stays in float32: the
// result is rounded once. A reduction of no axes is left out.
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SPLITREDUCTIONS
#include "passes/Passes.h.inc"

namespace {

/// The last run of neighbouring axes.
ArrayRef<int64_t> lastRun(ArrayRef<int64_t> axes) {
  size_t first = axes.size() - 1;
  while (first > 0 && axes[first - 1] + 1 == axes[first])
    --first;
  return axes.drop_front(first);
}

/// A reduction like `op` of `x` along `axes`.
Value reduce(OpBuilder &builder, Operation *op, Value x, ArrayRef<int64_t> axes) {
  auto attribute = builder.getNamedAttr("axes", builder.getDenseI64ArrayAttr(axes));
  Operation *reduction =
      createByName(builder, op->getLoc(), op->getName().getStringRef(), x, attribute);
  return reduction->getResult(0);
}

Value convert(OpBuilder &builder, Operation *op, Value x, Type element) {
  if (getElementTypeOrSelf(x) == element)
    return x;
  return CastOp::create(builder, op->getLoc(), withElement(x.getType(), element), x);
}

struct SplitReductions : impl::SplitReductionsBase<SplitReductions> {
  using SplitReductionsBase::SplitReductionsBase;

  void runOnOperation() override {
    getOperation().walk([](ReductionOpInterface op) {
      if (op->getParentOfType<KernelOp>() || op.usesPosition())
        return;
      SmallVector<int64_t> axes(op.getReducedAxes());
      Value x = op->getOperand(0);
      if (!axes.empty() && lastRun(axes).size() == axes.size())
        return;
      OpBuilder builder(op);
      Type element = getElementTypeOrSelf(x);
      bool isHalf = element.isF16() || element.isBF16();
      if (isHalf && !axes.empty())
        x = convert(builder, op, x, builder.getF32Type());
      while (!axes.empty()) {
        ArrayRef<int64_t> run = lastRun(axes);
        x = reduce(builder, op, x, run);
        axes.pop_back_n(run.size());
      }
      op->getResult(0).replaceAllUsesWith(convert(builder, op, x, element));
      op->erase();
    });
  }
};

} // namespace
} // namespace weft
