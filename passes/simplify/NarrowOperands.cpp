// Lets contractions read weights in the dtype in which they are stored.
//
//   %0 = weft.cast %w : tensor<2x3xi8> -> tensor<2x3xf32>
//   %1 = weft.matmul %x, %0 {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> ...
// becomes
//   %0 = weft.matmul %x, %w {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xi8> -> ...
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_NARROWOPERANDS
#include "passes/Passes.h.inc"

namespace {

/// True if `op` has the same results with `operand` as its right one.
bool accepts(InferTypeOpInterface op, Value operand) {
  SmallVector<Value> operands(op->getOperands());
  operands[1] = operand;
  SmallVector<Type> types;
  LogicalResult inferred = op.inferReturnTypes(op.getContext(), std::nullopt, operands,
                                               op->getDiscardableAttrDictionary(),
                                               op->getPropertiesStorage(), op->getRegions(), types);
  return succeeded(inferred) && llvm::equal(types, op->getResultTypes());
}

struct NarrowOperands : impl::NarrowOperandsBase<NarrowOperands> {
  using NarrowOperandsBase::NarrowOperandsBase;

  void runOnOperation() override {
    getOperation().walk([](ContractionOpInterface contraction) {
      auto op = dyn_cast<InferTypeOpInterface>(contraction.getOperation());
      auto cast = contraction->getOperand(1).getDefiningOp<CastOp>();
      if (op && cast && accepts(op, cast.getX())) {
        contraction->setOperand(1, cast.getX());
        if (cast->use_empty())
          cast.erase();
      }
    });
  }
};

} // namespace
} // namespace weft
