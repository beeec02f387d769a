// The passes of code generation.
#ifndef WEFT_CODEGEN_PASSES_TD
#define WEFT_CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitLoops : Pass<"weft-emit-loops", "::mlir::ModuleOp"> {
  let summary = "Replace scheduled kernels by functions of loops over vectors";
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerToLLVM : Pass<"weft-lower-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower functions of loops over vectors to the LLVM dialect";
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect"];
}

#endif
