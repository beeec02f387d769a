// The passes of the weft level. `weft-opt --help` shows the summaries.
#ifndef WEFT_PASSES_TD
#define WEFT_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Simplification
//===----------------------------------------------------------------------===//

def Decompose : Pass<"weft-decompose", "::mlir::ModuleOp"> {
  let summary = "Replace composite ops (softmax, conv2d, layer_norm, ...) by the ops that define them";
  let dependentDialects = ["::weft::WeftDialect"];
}

def SinkReshapes : Pass<"weft-sink-reshapes", "::mlir::ModuleOp"> {
  let summary = "Move reshapes behind elementwise ops, so that what they separate can be fused";
  let dependentDialects = ["::weft::WeftDialect"];
}

def SinkTransposes : Pass<"weft-sink-transposes", "::mlir::ModuleOp"> {
  let summary = "Move transposes behind elementwise ops, so that those of neighbouring layers cancel";
  let dependentDialects = ["::weft::WeftDialect"];
}

def SplitReductions : Pass<"weft-split-reductions", "::mlir::ModuleOp"> {
  let summary = "Reduce one group of neighbouring axes at a time, the innermost first";
  let dependentDialects = ["::weft::WeftDialect"];
}

//===----------------------------------------------------------------------===//
// Differentiation
//===----------------------------------------------------------------------===//

def Differentiate : Pass<"weft-differentiate", "::mlir::ModuleOp"> {
  let summary = "Make functions that ask for it return their gradients too";
  let description = [{
    A function that carries `weft.differentiate = [argument numbers]` returns, behind its results,
    the gradients of its first result, which is a floating tensor of rank 0, for these arguments. The
    attribute goes away. Before:

    ```mlir
    func.func @loss(%x: tensor<3xf32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
      %y = weft.exp %x : tensor<3xf32>
      %loss = weft.sum %y [0] : tensor<3xf32> -> tensor<f32>
      return %loss : tensor<f32>
    }
    ```

    After:

    ```mlir
    func.func @loss(%x: tensor<3xf32>) -> (tensor<f32>, tensor<3xf32>) {
      %y = weft.exp %x : tensor<3xf32>
      %loss = weft.sum %y [0] : tensor<3xf32> -> tensor<f32>
      %one = weft.constant dense<1.0> : tensor<f32>
      %ones = weft.broadcast %one [] : tensor<f32> -> tensor<3xf32>
      %gradient = weft.multiply %ones, %y : tensor<3xf32>
      return %loss, %gradient : tensor<f32>, tensor<3xf32>
    }
    ```

    Composites without a gradient rule are differentiated by their definitions, which are built
    before them; `weft-decompose` and `cse` make the two one.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

//===----------------------------------------------------------------------===//
// Fusion
//===----------------------------------------------------------------------===//

def Fuse : Pass<"weft-fuse", "::mlir::ModuleOp"> {
  let summary = "Outline groups of ops into kernels that are generic in their sizes";
  let dependentDialects = ["::weft::WeftDialect"];
}

def CollapseDimensions : Pass<"weft-collapse-dimensions", "::mlir::ModuleOp"> {
  let summary = "Merge dimensions of kernels that are always walked together";
  let dependentDialects = ["::weft::WeftDialect"];
}

def DeduplicateKernels : Pass<"weft-deduplicate-kernels", "::mlir::ModuleOp"> {
  let summary = "Keep one of kernels that are equal, and name it by its contents";
  let dependentDialects = ["::weft::WeftDialect"];
}

//===----------------------------------------------------------------------===//
// Schedule and plan
//===----------------------------------------------------------------------===//

def Schedule : Pass<"weft-schedule", "::mlir::ModuleOp"> {
  let summary = "Choose for each kernel its template, vector lanes, register tile and packing";
  let dependentDialects = ["::weft::WeftDialect"];
  let options = [
    Option<"registers", "registers", "int64_t", "32", "vector registers of the target">,
    Option<"registerBytes", "register-bytes", "int64_t", "64", "bytes of a vector register">];
}

def PlanMemory : Pass<"weft-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give the results of launches that do not leave the function places in one arena";
  let dependentDialects = ["::weft::WeftDialect"];
}

#endif
