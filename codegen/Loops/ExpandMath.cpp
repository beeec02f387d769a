//===- ExpandMath.cpp - Math operations become arith ----------------------===//

#include "codegen/Loops/ExpandMath.h"

#include "codegen/Loops/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace weft {

namespace {

struct ExpandMath : mlir::PassWrapper<ExpandMath, mlir::OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)

  llvm::StringRef getArgument() const final { return "weft-expand-math"; }
  llvm::StringRef getDescription() const final {
    return "Replace math operations by Weft's own arithmetic expansions";
  }
  void getDependentDialects(mlir::DialectRegistry &registry) const final {
    registry.insert<mlir::arith::ArithDialect, mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
                    mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  }
  void runOnOperation() final { expandMath(getOperation()); }
};

struct ExpandMathPattern : mlir::RewritePattern {
  explicit ExpandMathPattern(mlir::MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  llvm::LogicalResult matchAndRewrite(mlir::Operation *operation,
                                      mlir::PatternRewriter &rewriter) const final {
    mlir::Value value = vectormath::expandMathOperation(operation, rewriter.getListener());
    if (!value)
      return mlir::failure();
    rewriter.replaceOp(operation, value);
    return mlir::success();
  }
};

} // namespace

void expandMath(mlir::Operation *root) {
  llvm::SmallVector<mlir::Operation *> operations;
  root->walk([&](mlir::Operation *operation) {
    if (mlir::isa_and_nonnull<mlir::math::MathDialect>(operation->getDialect()))
      operations.push_back(operation);
  });
  for (mlir::Operation *operation : operations)
    if (mlir::Value value = vectormath::expandMathOperation(operation)) {
      operation->getResult(0).replaceAllUsesWith(value);
      operation->erase();
    }
}

std::unique_ptr<mlir::Pass> createExpandMathPass() { return std::make_unique<ExpandMath>(); }

void populateExpandMathPatterns(mlir::RewritePatternSet &patterns) {
  patterns.add<ExpandMathPattern>(patterns.getContext());
}

void registerExpandMathPass() { mlir::PassRegistration<ExpandMath>(); }

} // namespace weft
