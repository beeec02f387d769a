// Concatenates many tensors in several steps.
//
//   %0 = weft.concatenate %x0, ..., %x39 axis 0 : ...
// becomes
//   %0 = weft.concatenate %x0, ..., %x15 axis 0 : ...
//   %1 = weft.concatenate %x16, ..., %x31 axis 0 : ...
//   %2 = weft.concatenate %x32, ..., %x39 axis 0 : ...
//   %3 = weft.concatenate %0, %1, %2 axis 0 : ...
//
// The code of a kernel that concatenates grows with its operands, and so does the time of each
// element; the steps are kernels of one text. Elements are copied once more for each step, of which
// there are as many as digits in the number of operands to base 16.
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SPLITCONCATENATIONS
#include "passes/Passes.h.inc"

namespace {

/// Operands of a concatenation that one kernel computes.
constexpr size_t mostOperands = 16;

struct SplitConcatenations : impl::SplitConcatenationsBase<SplitConcatenations> {
  using SplitConcatenationsBase::SplitConcatenationsBase;

  void runOnOperation() override {
    getOperation().walk([](ConcatenateOp op) {
      if (!op->getParentOfType<KernelOp>())
        split(op);
    });
  }

private:
  static void split(ConcatenateOp op) {
    OpBuilder builder(op);
    SmallVector<Value> pieces(op.getInputs());
    while (pieces.size() > mostOperands) {
      SmallVector<Value> joined;
      for (ArrayRef<Value> rest = pieces; !rest.empty();) {
        auto part = rest.take_front(mostOperands);
        rest = rest.drop_front(part.size());
        joined.push_back(part.size() == 1 ? part.front()
                                          : Value(ConcatenateOp::create(builder, op.getLoc(), part,
                                                                        op.getAxis())));
      }
      pieces = std::move(joined);
    }
    op.getInputsMutable().assign(pieces);
  }
};

} // namespace
} // namespace weft
