// Rounds the operands of float32 contractions where a function asks for it.
//
//   %0 = weft.matmul %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
// becomes, in a function with `weft.matmul_precision = "bf16"`,
//   %0 = weft.cast %x : tensor<4x3xf32> -> tensor<4x3xbf16>
//   %1 = weft.cast %0 : tensor<4x3xbf16> -> tensor<4x3xf32>
//   ... the same with %w
//   %4 = weft.matmul %1, %3 : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_ROUNDPRODUCTS
#include "passes/Passes.h.inc"

namespace {

/// `value` rounded to `narrow`, as a tensor of its own type.
Value rounded(OpBuilder &builder, Location location, Value value, Type narrow) {
  Value stored = CastOp::create(builder, location, withElement(value.getType(), narrow), value);
  return CastOp::create(builder, location, value.getType(), stored);
}

struct RoundProducts : impl::RoundProductsBase<RoundProducts> {
  using RoundProductsBase::RoundProductsBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      Attribute precision = function->getAttr("weft.matmul_precision");
      if (!precision)
        continue;
      function->removeAttr("weft.matmul_precision");
      if (precision != StringAttr::get(&getContext(), "bf16")) {
        function.emitOpError() << "has a matmul_precision " << precision << "; there is \"bf16\"";
        return signalPassFailure();
      }
      round(function, BFloat16Type::get(&getContext()));
    }
  }

private:
  static void round(func::FuncOp function, Type narrow) {
    function.walk([&](ContractionOpInterface op) {
      OpBuilder builder(op);
      for (OpOperand &operand : op->getOpOperands())
        if (getElementTypeOrSelf(operand.get()).isF32())
          operand.set(rounded(builder, op.getLoc(), operand.get(), narrow));
    });
  }
};

} // namespace
} // namespace weft
