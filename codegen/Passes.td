// The passes of code generation.
#ifndef WEFT_CODEGEN_PASSES_TD
#define WEFT_CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitLoops : Pass<"weft-emit-loops", "::mlir::ModuleOp"> {
  let summary = "Replace scheduled kernels by functions of loops over vectors";
  let description = [{
    The template of the schedule writes the loops of the whole kernel; each op contributes its body by an
    interface. A kernel becomes its stages, which take buffers, sizes and a range of tasks (the ABI of
    `include/weft/abi.h`), and a function that stores the numbers of tasks and the bytes of temporary
    buffers. Functions on tensors are the plan, which was read before: they go away. Before:

    ```mlir
    weft.kernel @k(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>> attributes {schedule = #weft.schedule<kind = elementwise, lanes = 16>} {
      %0 = weft.exp %x : tensor<f32, #weft.sizes<>>
      weft.yield %0 : tensor<f32, #weft.sizes<>>
    }
    ```

    After:

    ```mlir
    func.func @k_0(%x: !llvm.ptr, %arg1: !llvm.ptr, %arg2: i64, %arg3: i64) {
      %0 = arith.index_cast %arg2 : i64 to index
      %1 = arith.index_cast %arg3 : i64 to index
      %2 = llvm.getelementptr %x[0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %3 = llvm.load %2 {alignment = 8 : i64} : !llvm.ptr -> !llvm.ptr
      %4 = llvm.getelementptr %x[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %5 = llvm.load %4 {alignment = 8 : i64} : !llvm.ptr -> !llvm.ptr
      %c0 = arith.constant 0 : index
      %6 = llvm.load %3 {alignment = 4 : i64} : !llvm.ptr -> f32
      %7 = math.exp %6 : f32
      %c0_0 = arith.constant 0 : index
      llvm.store %7, %5 {alignment = 4 : i64} : f32, !llvm.ptr
      return
    }
    func.func @k_setup(%x: !llvm.ptr, %arg1: !llvm.ptr) attributes {weft.stages = 1 : i64, weft.temporaries = 0 : i64} {
      %c1 = arith.constant 1 : index
      %0 = arith.index_cast %c1 : index to i64
      %c0 = arith.constant 0 : index
      llvm.store %0, %arg1 {alignment = 8 : i64} : i64, !llvm.ptr
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerToLLVM : Pass<"weft-lower-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower functions of loops over vectors to the LLVM dialect";
  let description = [{
    One full conversion, after structured control flow has become branches. No fast-math flags: what is
    written is what is computed. Before:

    ```mlir
    func.func @add(%p: !llvm.ptr) {
      %0 = llvm.load %p : !llvm.ptr -> vector<16xf32>
      %1 = arith.addf %0, %0 : vector<16xf32>
      llvm.store %1, %p : vector<16xf32>, !llvm.ptr
      return
    }
    ```

    After:

    ```mlir
    llvm.func @add(%x: !llvm.ptr) {
      %0 = llvm.load %x : !llvm.ptr -> vector<16xf32>
      %1 = llvm.fadd %0, %0 : vector<16xf32>
      llvm.store %1, %x : vector<16xf32>, !llvm.ptr
      llvm.return
    }
    ```
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect"];
}

#endif
