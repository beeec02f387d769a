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
    buffers. On a GPU a stage has a parameter for each buffer, for each size and launch parameter, and
    one for the number of its tasks, which the blocks share out. Functions on tensors are the plan,
    which was read before: they go away. Before:

    ```mlir
    weft.kernel @k(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>> attributes {schedule = #weft.elementwise<lanes = 16>} {
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
      %3 = llvm.load %2 : !llvm.ptr -> !llvm.ptr
      %4 = llvm.getelementptr %x[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %5 = llvm.load %4 : !llvm.ptr -> !llvm.ptr
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
                           "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
  let options = [Option<"target", "target", "std::string", "\"native\"",
                        "The processor or GPU, by name: native, x86-64-v3, cuda:sm_80, ...">];
}

def EmitEntry : Pass<"weft-emit-entry", "::mlir::ModuleOp"> {
  let summary = "Replace the planned @main by the C functions of a model, and kernels by their loops";
  let description = [{
    What runs the launches becomes three internal functions: one stores the sizes of all arguments, one
    counts the bytes of the workspace, one does the launches. A table describes the model, and the
    functions that a C program calls hand it to those that are the same for all models (checks of
    arguments, errors, threads), which are written in C and linked in later: lib/Runtime/artifact. A
    constant with `weft.weight_offset` lies in a file, which `weft.weights_file` on the module
    describes. Before:

    ```mlir
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      return %x : tensor<2xf32>
    }
    ```

    After:

    ```mlir
    llvm.func internal @weft.workspace(%arg0: !llvm.ptr) -> i64 {
      %0 = llvm.mlir.constant(0 : i64) : i64
      llvm.return %0 : i64
    }
    llvm.func internal @weft.execute(%arg0: !llvm.ptr, %arg1: !llvm.ptr, %arg2: !llvm.ptr, %arg3: !llvm.ptr) {
      %0 = llvm.mlir.constant(0 : i64) : i64
      %1 = llvm.mlir.constant(4 : i64) : i64
      %2 = llvm.mlir.constant(2 : i64) : i64
      %3 = llvm.mlir.constant(8 : i64) : i64
      %4 = llvm.getelementptr %arg1[0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %5 = llvm.load %4 : !llvm.ptr -> !llvm.ptr
      %6 = llvm.getelementptr %arg1[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %7 = llvm.load %6 : !llvm.ptr -> !llvm.ptr
      "llvm.intr.memcpy"(%7, %5, %3) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
      llvm.return
    }
    llvm.func internal @weft.measure(%arg0: !llvm.ptr, %arg1: !llvm.ptr) -> i32 {
      %0 = llvm.mlir.constant(2 : i64) : i64
      %1 = llvm.getelementptr %arg1[0] : (!llvm.ptr) -> !llvm.ptr, i64
      llvm.store %0, %1 {alignment = 8 : i64} : i64, !llvm.ptr
      %2 = llvm.getelementptr %arg1[1] : (!llvm.ptr) -> !llvm.ptr, i64
      llvm.store %0, %2 {alignment = 8 : i64} : i64, !llvm.ptr
      %3 = llvm.mlir.constant(1 : i32) : i32
      llvm.return %3 : i32
    }
    llvm.mlir.global internal constant @weft.model() {addr_space = 0 : i32, alignment = 8 : i64} : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)> {
      %0 = llvm.mlir.constant(0 : i64) : i64
      %1 = llvm.mlir.constant(1 : i64) : i64
      %2 = llvm.mlir.constant(2 : i64) : i64
      %3 = llvm.mlir.zero : !llvm.ptr
      %4 = llvm.mlir.addressof @weft.tensors : !llvm.ptr
      %5 = llvm.mlir.addressof @weft.dimensions : !llvm.ptr
      %6 = llvm.mlir.zero : !llvm.ptr
      %7 = llvm.mlir.addressof @weft.measure : !llvm.ptr
      %8 = llvm.mlir.addressof @weft.workspace : !llvm.ptr
      %9 = llvm.mlir.addressof @weft.execute : !llvm.ptr
      %10 = llvm.mlir.undef : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %11 = llvm.insertvalue %0, %10[0] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %12 = llvm.insertvalue %1, %11[1] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %13 = llvm.insertvalue %1, %12[2] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %14 = llvm.insertvalue %4, %13[3] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %15 = llvm.insertvalue %5, %14[4] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %16 = llvm.insertvalue %2, %15[5] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %17 = llvm.insertvalue %6, %16[6] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %18 = llvm.insertvalue %7, %17[7] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %19 = llvm.insertvalue %8, %18[8] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %20 = llvm.insertvalue %9, %19[9] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %21 = llvm.insertvalue %0, %20[10] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %22 = llvm.insertvalue %3, %21[11] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %23 = llvm.insertvalue %0, %22[12] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %24 = llvm.insertvalue %0, %23[13] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %25 = llvm.insertvalue %0, %24[14] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      %26 = llvm.insertvalue %3, %25[15] : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
      llvm.return %26 : !llvm.struct<(i64, i64, i64, ptr, ptr, i64, ptr, ptr, ptr, ptr, i64, ptr, i64, i64, i64, ptr)>
    }
    llvm.mlir.global internal constant @weft.tensors(dense<[8, 1, 8, 1]> : tensor<4xi64>) {addr_space = 0 : i32, alignment = 8 : i64} : !llvm.array<4 x i64>
    llvm.mlir.global internal constant @weft.dimensions(dense<2> : tensor<2xi64>) {addr_space = 0 : i32, alignment = 8 : i64} : !llvm.array<2 x i64>
    llvm.func @model_run(%arg0: !llvm.ptr, %arg1: !llvm.ptr, %arg2: !llvm.ptr) -> i32 {
      %0 = llvm.mlir.constant(1 : i64) : i64
      %1 = llvm.mlir.constant(2 : i64) : i64
      %2 = llvm.alloca %0 x i64 {alignment = 8 : i64} : (i64) -> !llvm.ptr
      %3 = llvm.alloca %1 x !llvm.ptr {alignment = 8 : i64} : (i64) -> !llvm.ptr
      %4 = llvm.getelementptr %3[0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      llvm.store %arg0, %4 : !llvm.ptr, !llvm.ptr
      %5 = llvm.getelementptr %3[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      llvm.store %arg1, %5 : !llvm.ptr, !llvm.ptr
      %6 = llvm.mlir.addressof @weft.model : !llvm.ptr
      %7 = llvm.call @weft_model_run(%6, %2, %3, %arg2) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
      llvm.return %7 : i32
    }
    llvm.func @weft_model_run(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
    llvm.func @model_workspace_bytes() -> i64 {
      %0 = llvm.mlir.constant(1 : i64) : i64
      %1 = llvm.alloca %0 x i64 {alignment = 8 : i64} : (i64) -> !llvm.ptr
      %2 = llvm.mlir.addressof @weft.model : !llvm.ptr
      %3 = llvm.call @weft_model_workspace_bytes(%2, %1) : (!llvm.ptr, !llvm.ptr) -> i64
      llvm.return %3 : i64
    }
    llvm.func @weft_model_workspace_bytes(!llvm.ptr, !llvm.ptr) -> i64
    llvm.func @weft_model_invoke(!llvm.ptr, !llvm.ptr, i64, !llvm.ptr, i64, !llvm.ptr) -> i32
    llvm.func @model_invoke(%arg0: !llvm.ptr, %arg1: i64, %arg2: !llvm.ptr, %arg3: i64, %arg4: !llvm.ptr) -> i32 {
      %0 = llvm.mlir.addressof @weft.model : !llvm.ptr
      %1 = llvm.call @weft_model_invoke(%0, %arg0, %arg1, %arg2, %arg3, %arg4) : (!llvm.ptr, !llvm.ptr, i64, !llvm.ptr, i64, !llvm.ptr) -> i32
      llvm.return %1 : i32
    }
    llvm.func @weft_model_error_text(i32) -> !llvm.ptr
    llvm.func @model_error_text(%arg0: i32) -> !llvm.ptr {
      %0 = llvm.call @weft_model_error_text(%arg0) : (i32) -> !llvm.ptr
      llvm.return %0 : !llvm.ptr
    }
    ```
  }];
  let options = [
    Option<"name", "name", "std::string", "\"model\"", "What the C functions' names begin with">,
    Option<"threads", "threads", "std::string", "\"none\"",
           "How launches run: none (on the caller), hook (the caller's parallel_for), pool">,
    Option<"target", "target", "std::string", "\"native\"", "The processor, by name">];
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

def ExpandRemainders : Pass<"weft-expand-remainders", "::mlir::ModuleOp"> {
  let summary = "Replace remainders of floats by exact arithmetic of integers, for a GPU";
  let description = [{
    A GPU has neither an instruction nor a library for them, and what LLVM writes instead, x - y *
    trunc(x / y), is wrong where the quotient is large or y infinite. The significands are divided as
    on paper, with as many bits at once as a word has room for. Before:

    ```mlir
    func.func @single(%x: f32, %y: f32) -> f32 {
      %0 = arith.remf %x, %y : f32
      return %0 : f32
    }
    ```

    After:

    ```mlir
    func.func @single(%arg0: f32, %arg1: f32) -> f32 {
      %0 = arith.bitcast %arg0 : f32 to i32
      %1 = arith.extui %0 : i32 to i64
      %c2147483647_i64 = arith.constant 2147483647 : i64
      %c2147483648_i64 = arith.constant 2147483648 : i64
      %2 = arith.andi %1, %c2147483648_i64 : i64
      %3 = arith.andi %1, %c2147483647_i64 : i64
      %4 = arith.bitcast %arg1 : f32 to i32
      %5 = arith.extui %4 : i32 to i64
      %6 = arith.andi %5, %c2147483647_i64 : i64
      %7 = arith.cmpi uge, %3, %6 : i64
      %c2139095040_i64 = arith.constant 2139095040 : i64
      %8 = arith.cmpi ult, %3, %c2139095040_i64 : i64
      %9 = arith.cmpi ule, %6, %c2139095040_i64 : i64
      %c0_i64 = arith.constant 0 : i64
      %10 = arith.cmpi ne, %6, %c0_i64 : i64
      %11 = arith.andi %8, %9 : i1
      %12 = arith.andi %11, %10 : i1
      %13 = arith.andi %7, %12 : i1
      %14 = scf.if %13 -> (i64) {
        %c23_i64 = arith.constant 23 : i64
        %19 = arith.shrui %6, %c23_i64 : i64
        %c1_i64 = arith.constant 1 : i64
        %20 = arith.maxui %19, %c1_i64 : i64
        %c1_i64_0 = arith.constant 1 : i64
        %21 = arith.subi %20, %c1_i64_0 : i64
        %c23_i64_1 = arith.constant 23 : i64
        %22 = arith.shli %21, %c23_i64_1 : i64
        %23 = arith.subi %6, %22 : i64
        %c23_i64_2 = arith.constant 23 : i64
        %24 = arith.shrui %3, %c23_i64_2 : i64
        %c1_i64_3 = arith.constant 1 : i64
        %25 = arith.maxui %24, %c1_i64_3 : i64
        %c1_i64_4 = arith.constant 1 : i64
        %26 = arith.subi %25, %c1_i64_4 : i64
        %c23_i64_5 = arith.constant 23 : i64
        %27 = arith.shli %26, %c23_i64_5 : i64
        %28 = arith.subi %3, %27 : i64
        %29 = arith.remui %28, %23 : i64
        %30 = arith.subi %25, %20 : i64
        %31:2 = scf.while (%arg2 = %29, %arg3 = %30) : (i64, i64) -> (i64, i64) {
          %c0_i64_9 = arith.constant 0 : i64
          %42 = arith.cmpi ne, %arg2, %c0_i64_9 : i64
          %c0_i64_10 = arith.constant 0 : i64
          %43 = arith.cmpi ne, %arg3, %c0_i64_10 : i64
          %44 = arith.andi %42, %43 : i1
          scf.condition(%44) %arg2, %arg3 : i64, i64
        } do {
        ^bb0(%arg2: i64, %arg3: i64):
          %c40_i64_9 = arith.constant 40 : i64
          %42 = arith.minui %arg3, %c40_i64_9 : i64
          %43 = arith.shli %arg2, %42 : i64
          %44 = arith.subi %arg3, %42 : i64
          %45 = arith.remui %43, %23 : i64
          scf.yield %45, %44 : i64, i64
        }
        %32 = "llvm.intr.ctlz"(%31#0) <{is_zero_poison = false}> : (i64) -> i64
        %c1_i64_6 = arith.constant 1 : i64
        %33 = arith.subi %20, %c1_i64_6 : i64
        %c40_i64 = arith.constant 40 : i64
        %34 = arith.subi %32, %c40_i64 : i64
        %35 = arith.minui %34, %33 : i64
        %36 = arith.shli %31#0, %35 : i64
        %37 = arith.subi %33, %35 : i64
        %c23_i64_7 = arith.constant 23 : i64
        %38 = arith.shli %37, %c23_i64_7 : i64
        %39 = arith.addi %36, %38 : i64
        %c0_i64_8 = arith.constant 0 : i64
        %40 = arith.cmpi eq, %31#0, %c0_i64_8 : i64
        %41 = arith.select %40, %31#0, %39 : i64
        scf.yield %41 : i64
      } else {
        scf.yield %3 : i64
      }
      %15 = arith.ori %14, %2 : i64
      %cst = arith.constant 0x7FC00000 : f32
      %16 = arith.trunci %15 : i64 to i32
      %17 = arith.bitcast %16 : i32 to f32
      %18 = arith.select %12, %17, %cst : f32
      return %18 : f32
    }
    
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerToNVVM : Pass<"weft-lower-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "Lower functions of loops for a GPU to the LLVM and NVVM dialects";
  let description = [{
    As `weft-lower-to-llvm`; stages become entries of the GPU's module. A `math` operation that has no
    expansion is an error, as there is no library to call. Before:

    ```mlir
    func.func @k_0(%p: !llvm.ptr, %tasks: i64) attributes {weft.shared_bytes = 0 : i64, weft.threads = 256 : i64} {
      %0 = llvm.load %p : !llvm.ptr -> f32
      %1 = arith.addf %0, %0 : f32
      llvm.store %1, %p : f32, !llvm.ptr
      return
    }
    ```

    After:

    ```mlir
    llvm.func @k_0(%x: !llvm.ptr, %arg1: i64) attributes {nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 256>, weft.shared_bytes = 0 : i64, weft.threads = 256 : i64} {
      %0 = llvm.load %x : !llvm.ptr -> f32
      %1 = llvm.fadd %0, %0 : f32
      llvm.store %1, %x : f32, !llvm.ptr
      llvm.return
    }
    ```
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

#endif
