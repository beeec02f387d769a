//===- ExpandMath.cpp - Math operations become arith ----------------------===//

#include "codegen/Loops/ExpandMath.h"

#include "codegen/Loops/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace weft {

namespace {

struct ExpandMath : mlir::PassWrapper<ExpandMath, mlir::OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)

  explicit ExpandMath(bool canScale) { this->canScale = canScale; }
  ExpandMath(const ExpandMath &other) : PassWrapper(other) { canScale = other.canScale; }

  llvm::StringRef getArgument() const final { return "weft-expand-math"; }
  llvm::StringRef getDescription() const final {
    return "Replace math operations by Weft's own arithmetic expansions";
  }
  void getDependentDialects(mlir::DialectRegistry &registry) const final {
    registry.insert<mlir::arith::ArithDialect, mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
                    mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  }
  void runOnOperation() final { expandMath(getOperation(), canScale); }

  Option<bool> canScale{
      *this, "scale",
      llvm::cl::desc("x86 with AVX-512, which multiplies by a power of two in one instruction"),
      llvm::cl::init(false)};
};

} // namespace

void expandMath(mlir::Operation *root, bool canScale) {
  llvm::SmallVector<mlir::Operation *> operations;
  root->walk([&](mlir::Operation *operation) {
    if (mlir::isa_and_nonnull<mlir::math::MathDialect>(operation->getDialect()))
      operations.push_back(operation);
  });
  for (mlir::Operation *operation : operations)
    if (mlir::Value value = vectormath::expandMathOperation(operation, canScale)) {
      operation->getResult(0).replaceAllUsesWith(value);
      operation->erase();
    }
}

std::unique_ptr<mlir::Pass> createExpandMathPass(bool canScale) {
  return std::make_unique<ExpandMath>(canScale);
}

void registerExpandMathPass() {
  mlir::PassRegistration<ExpandMath>([] { return createExpandMathPass(); });
}

} // namespace weft
