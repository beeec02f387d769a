// The passes of the weft level. `weft-opt --help` shows the summaries.
#ifndef WEFT_PASSES_TD
#define WEFT_PASSES_TD

include "mlir/Pass/PassBase.td"
include "passes/ConvolutionPasses.td"
include "passes/DerivativePasses.td"

//===----------------------------------------------------------------------===//
// Symbolic sizes
//===----------------------------------------------------------------------===//

def ResolveSizes : Pass<"weft-resolve-sizes", "::mlir::ModuleOp"> {
  let summary = "Replace dynamic dimensions by handles of symbolic sizes, as all other passes expect";
  let description = [{
    In files a symbolic size is written `tensor<?xf32, #weft.shape<["n"]>>`; inside the compiler it is
    a handle, a number no tensor has for a size, so that equal sizes are equal numbers
    (lib/Support/SymbolicSize.h). A bare `?` of an argument becomes a symbol named after the argument
    (its `weft.name`, or `arg0`, `arg1`, ...) and the dimension. The types of results are inferred
    again, in the order of the ops; where an op's result is written, a bare `?` is found from the
    operands if they leave no choice. Before:

    ```mlir
    func.func @f(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<?xf32> {
      %0 = weft.sum %x [1] : tensor<?x4xf32, #weft.shape<["n", 4]>> -> tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    ```

    After, with the first handle that a process makes:

    ```mlir
    func.func @f(%x: tensor<1152921504607458929x4xf32>) -> tensor<1152921504607458929xf32> {
      %0 = weft.sum %x [1] : tensor<1152921504607458929x4xf32> -> tensor<1152921504607458929xf32>
      return %0 : tensor<1152921504607458929xf32>
    }
    ```

    Functions without dynamic dimensions stay as they are.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def NameSizes : Pass<"weft-name-sizes", "::mlir::ModuleOp"> {
  let summary = "Write symbolic sizes by name, the inverse of weft-resolve-sizes";
  let description = [{
    Types with handles become types with dynamic dimensions and a `#weft.shape` that says what they
    are. For files and people: handles are numbers of one process. Before, in a process in which the
    size of the attribute has the first handle:

    ```mlir
    func.func @f(%x: tensor<1152921504607458929xf32>) -> tensor<1152921504607458929xf32>
        attributes {sizes = #weft.shape<["n"]>} {
      %0 = weft.exp %x : tensor<1152921504607458929xf32>
      return %0 : tensor<1152921504607458929xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<?xf32, #weft.shape<["n"]>>) -> tensor<?xf32, #weft.shape<["n"]>>
        attributes {sizes = #weft.shape<["n"]>} {
      %0 = weft.exp %x : tensor<?xf32, #weft.shape<["n"]>>
      return %0 : tensor<?xf32, #weft.shape<["n"]>>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

//===----------------------------------------------------------------------===//
// Simplification
//===----------------------------------------------------------------------===//

def Decompose : Pass<"weft-decompose", "::mlir::ModuleOp"> {
  let summary = "Replace composite ops (softmax, conv2d, layer_norm, ...) by the ops that define them";
  let description = [{
    Composites are ops that other ops define (`DecompositionOpInterface`); a definition may hold composites
    itself. Before:

    ```mlir
    func.func @silu(%x: tensor<3xf32>) -> tensor<3xf32> {
      %0 = weft.silu %x : tensor<3xf32>
      return %0 : tensor<3xf32>
    }
    ```

    After:

    ```mlir
    func.func @silu(%x: tensor<3xf32>) -> tensor<3xf32> {
      %0 = weft.negative %x : tensor<3xf32>
      %1 = weft.exp %0 : tensor<3xf32>
      %2 = weft.constant dense<1.000000e+00> : tensor<3xf32> : tensor<3xf32>
      %3 = weft.add %2, %1 : tensor<3xf32>
      %4 = weft.constant dense<1.000000e+00> : tensor<3xf32> : tensor<3xf32>
      %5 = weft.divide %4, %3 : tensor<3xf32>
      %6 = weft.multiply %x, %5 : tensor<3xf32>
      return %6 : tensor<3xf32>
    }
    ```
  }];
  let options = [Option<"keepsKernels", "keep-kernels", "bool", "false",
                        "Leave composites that lead a kind of kernels">];
  let dependentDialects = ["::weft::WeftDialect"];
}

def InlineFunctions : Pass<"weft-inline-functions", "::mlir::ModuleOp"> {
  let summary = "Put the bodies of checkpoints and of functions with derivatives in their places";
  let description = [{
    Runs once there is nothing more to differentiate or batch. Before:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = weft.checkpoint with(%x) : (tensor<4xf32>) -> tensor<4xf32> {
      ^bb0(%y: tensor<4xf32>):
        weft.yield %y : tensor<4xf32>
      }
      return %0 : tensor<4xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      return %x : tensor<4xf32>
    }
    ```
  }];
}

def RemoveBarriers : Pass<"weft-remove-barriers", "::mlir::ModuleOp"> {
  let summary = "Remove the barriers that kept computations apart";
  let description = [{
    Runs behind `cse`: what a checkpoint computes again stays apart from what it computed. Before:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = weft.barrier %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      return %x : tensor<4xf32>
    }
    ```
  }];
}

def RemoveStopGradients : Pass<"weft-remove-stop-gradients", "::mlir::ModuleOp"> {
  let summary = "Remove stop_gradient, which means nothing once all gradients are there";
  let description = [{
    Runs behind `weft-differentiate` and `weft-decompose`. What is computed under `no_grad` would copy its
    operands otherwise. Before:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = weft.stop_gradient %x : tensor<4xf32>
      %1 = weft.exp %0 : tensor<4xf32>
      return %1 : tensor<4xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = weft.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
  }];
}

def SinkReshapes : Pass<"weft-sink-reshapes", "::mlir::ModuleOp"> {
  let summary = "Move reshapes behind elementwise ops, so that what they separate can be fused";
  let description = [{
    A reshape is a view: it ends a kernel, but costs nothing. Elementwise ops behind it are computed
    before it, if their other operands have the shape before it for free: constants of equal elements,
    broadcasts, arguments. A broadcast of a broadcast that was reshaped by joining dimensions is one. Before:

    ```mlir
    func.func @f(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
      %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
      %1 = weft.reshape %0 : tensor<4xf32> -> tensor<4x1xf32>
      %2 = weft.exp %1 : tensor<4x1xf32>
      return %2 : tensor<4x1xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
      %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
      %1 = weft.exp %0 : tensor<4xf32>
      %2 = weft.reshape %1 : tensor<4xf32> -> tensor<4x1xf32>
      return %2 : tensor<4x1xf32>
    }
    ```

    Reductions stay: the order of a sum is a function of the shape that it was written on.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def SinkTransposes : Pass<"weft-sink-transposes", "::mlir::ModuleOp"> {
  let summary = "Move transposes behind elementwise ops, so that those of neighbouring layers cancel";
  let description = [{
    Layers that take channels first and compute channels last begin and end with a transpose. Moved
    behind what is elementwise, the end of one layer meets the beginning of the next, and
    `canonicalize` removes both. Before:

    ```mlir
    func.func @f(%x: tensor<2x5x5x3xf32>, %b: tensor<3xf32>) -> tensor<2x3x5x5xf32> {
      %0 = weft.transpose %x [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
      %1 = weft.broadcast %b [1] : tensor<3xf32> -> tensor<2x3x5x5xf32>
      %2 = weft.add %0, %1 : tensor<2x3x5x5xf32>
      return %2 : tensor<2x3x5x5xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<2x5x5x3xf32>, %arg1: tensor<3xf32>) -> tensor<2x3x5x5xf32> {
      %0 = weft.broadcast %arg1 [3] : tensor<3xf32> -> tensor<2x5x5x3xf32>
      %1 = weft.add %x, %0 : tensor<2x5x5x3xf32>
      %2 = weft.transpose %1 [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
      return %2 : tensor<2x3x5x5xf32>
    }
    ```

    They also move behind frames (`weft.pad`), concatenations of tensors that are all transposed in
    the same way, and repetitions: a broadcast whose new dimensions a reshape puts together.

    Reductions stay, as for `weft-sink-reshapes`.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def SplitComplex : Pass<"weft-split-complex", "::mlir::ModuleOp"> {
  let summary = "Make complex tensors real ones with a last dimension of two parts";
  let description = [{
    No kernel computes with complex elements. In memory they are pairs of parts, so that a tensor of
    n of them is one of shape [n, 2]: functions take and give these, marked as `weft.pairs`. Runs behind `weft-decompose`,
    which defines ops on complex tensors by their parts. Before:

    ```mlir
    func.func @swap(%z: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
      %0 = weft.real %z : tensor<4xcomplex<f32>> -> tensor<4xf32>
      %1 = weft.imag %z : tensor<4xcomplex<f32>> -> tensor<4xf32>
      %2 = weft.complex %1, %0 : tensor<4xf32> -> tensor<4xcomplex<f32>>
      return %2 : tensor<4xcomplex<f32>>
    }
    ```

    After:

    ```mlir
    func.func @swap(%z: tensor<4x2xf32> {weft.pairs}) -> (tensor<4x2xf32> {weft.pairs}) {
      %0 = weft.slice %z starts [0, 0] steps [1, 1] : tensor<4x2xf32> -> tensor<4x1xf32>
      %1 = weft.reshape %0 : tensor<4x1xf32> -> tensor<4xf32>
      %2 = weft.slice %z starts [0, 1] steps [1, 1] : tensor<4x2xf32> -> tensor<4x1xf32>
      %3 = weft.reshape %2 : tensor<4x1xf32> -> tensor<4xf32>
      %4 = weft.reshape %3 : tensor<4xf32> -> tensor<4x1xf32>
      %5 = weft.reshape %1 : tensor<4xf32> -> tensor<4x1xf32>
      %6 = weft.concatenate %4, %5 axis 1 : tensor<4x1xf32>, tensor<4x1xf32> -> tensor<4x2xf32>
      return %6 : tensor<4x2xf32>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def JoinPads : Pass<"weft-join-pads", "::mlir::ModuleOp"> {
  let summary = "Concatenate what is padded and summed";
  let description = [{
    The gradient of a tensor that is read in parts is a sum of the parts' gradients, each in a frame of zeros: a
    kernel looks for each element whether it is in one of them. Before:

    ```mlir
    func.func @f(%x: tensor<4x2xf32>, %y: tensor<4x3xf32>) -> tensor<4x5xf32> {
      %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
      %1 = weft.pad %x, %0 low [0, 0] interior [0, 0] : tensor<4x2xf32>, tensor<f32> -> tensor<4x5xf32>
      %2 = weft.pad %y, %0 low [0, 2] interior [0, 0] : tensor<4x3xf32>, tensor<f32> -> tensor<4x5xf32>
      %3 = weft.add %1, %2 : tensor<4x5xf32>
      return %3 : tensor<4x5xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4x2xf32>, %y: tensor<4x3xf32>) -> tensor<4x5xf32> {
      %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
      %1 = weft.broadcast %0 [] : tensor<f32> -> tensor<4x2xf32>
      %2 = weft.add %x, %1 : tensor<4x2xf32>
      %3 = weft.broadcast %0 [] : tensor<f32> -> tensor<4x3xf32>
      %4 = weft.add %y, %3 : tensor<4x3xf32>
      %5 = weft.concatenate %2, %4 axis 1 : tensor<4x2xf32>, tensor<4x3xf32> -> tensor<4x5xf32>
      return %5 : tensor<4x5xf32>
    }
    ```

    Floats have +0 added, which a zero of the frames is: -0 becomes +0. A few gates of a recurrent cell take a
    fifth of the time.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def SplitConcatenations : Pass<"weft-split-concatenations", "::mlir::ModuleOp"> {
  let summary = "Concatenate many tensors in several steps, so that no kernel reads too many";
  let description = [{
    A concatenation of more than 16 tensors becomes one of concatenations of 16 each, and so on: the
    code of a kernel grows with its operands. Before:

    ```mlir
    func.func @f(%x: tensor<1xf32>) -> tensor<17xf32> {
      %0 = weft.concatenate %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x axis 0 : tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32> -> tensor<17xf32>
      return %0 : tensor<17xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<1xf32>) -> tensor<17xf32> {
      %0 = weft.concatenate %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x axis 0 : tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32> -> tensor<16xf32>
      %1 = weft.concatenate %0, %x axis 0 : tensor<16xf32>, tensor<1xf32> -> tensor<17xf32>
      return %1 : tensor<17xf32>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def SplitReductions : Pass<"weft-split-reductions", "::mlir::ModuleOp"> {
  let summary = "Reduce one group of neighbouring axes at a time, the innermost first";
  let description = [{
    The templates know two kinds of reduction, of rows (the innermost axes) and of columns (one run of
    neighbouring axes further out). A reduction along other axes becomes several, so that its order is
    a function of shape and axes. Before:

    ```mlir
    func.func @f(%x: tensor<2x3x4xf32>) -> tensor<3xf32> {
      %0 = weft.sum %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
      return %0 : tensor<3xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<2x3x4xf32>) -> tensor<3xf32> {
      %0 = weft.sum %x [2] : tensor<2x3x4xf32> -> tensor<2x3xf32>
      %1 = weft.sum %0 [0] : tensor<2x3xf32> -> tensor<3xf32>
      return %1 : tensor<3xf32>
    }
    ```

    A reduction of no axes goes away.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def RoundProducts : Pass<"weft-round-products", "::mlir::ModuleOp"> {
  let summary = "Round the operands of float32 contractions where a function asks for it";
  let description = [{
    In a function with `weft.matmul_precision = "bf16"`, which goes away, operands of contractions become
    numbers of bfloat16. Sums stay what they are. What is a weight is kept as bfloat16 then
    (`weft-narrow-operands`, `weft-prepare`). Before:

    ```mlir
    func.func @f(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32> attributes {weft.matmul_precision = "bf16"} {
      %0 = weft.matmul %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
      return %0 : tensor<4x2xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32> {
      %0 = weft.cast %x : tensor<4x3xf32> -> tensor<4x3xbf16>
      %1 = weft.cast %0 : tensor<4x3xbf16> -> tensor<4x3xf32>
      %2 = weft.cast %w : tensor<3x2xf32> -> tensor<3x2xbf16>
      %3 = weft.cast %2 : tensor<3x2xbf16> -> tensor<3x2xf32>
      %4 = weft.matmul %1, %3 : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
      return %4 : tensor<4x2xf32>
    }
    ```

    It runs behind `weft-differentiate` and `weft-decompose`: products of gradients and those inside of
    composites are rounded too, but for composites that are kept whole, as attention on processors.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def NarrowOperands : Pass<"weft-narrow-operands", "::mlir::ModuleOp"> {
  let summary = "Let contractions read weights in the dtype in which they are stored";
  let description = [{
    The right operand of a contraction may be of a narrower dtype than the left one: it is converted
    where it is read, which takes less than reading twice as many bytes. Before:

    ```mlir
    func.func @f(%x: tensor<4x3xf32>, %w: tensor<2x3xi8>) -> tensor<4x2xf32> {
      %0 = weft.cast %w : tensor<2x3xi8> -> tensor<2x3xf32>
      %1 = weft.matmul %x, %0 {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> tensor<4x2xf32>
      return %1 : tensor<4x2xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4x3xf32>, %w: tensor<2x3xi8>) -> tensor<4x2xf32> {
      %0 = weft.matmul %x, %w {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xi8> -> tensor<4x2xf32>
      return %0 : tensor<4x2xf32>
    }
    ```

    Only conversions that lose nothing are left out: those for which the contraction's own inference
    gives the same result.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def HoistInvariants : Pass<"weft-hoist-invariants", "::mlir::ModuleOp"> {
  let summary = "Compute before a loop what is the same in all iterations";
  let description = [{
    What the body of a `weft.loop` computes of captured values and constants alone is computed before
    the loop, if it pays to read it from memory instead (the same rule as for `weft-prepare`, which may
    then prepare it), and is captured. Branches keep what is theirs. Captured arguments of bodies are
    marked `weft.hidden`: what kernels copy of them need not be copied in each iteration. Before:

    ```mlir
    func.func @f(%x: tensor<2x3xf32>, %w: tensor<3x3xf32>) -> tensor<2x3xf32> {
      %0 = weft.loop @f_body_0 count [5] init(%x) with(%w)
          : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
      return %0 : tensor<2x3xf32>
    }
    func.func private @f_body_0(%x: tensor<2x3xf32> {weft.donated}, %w: tensor<3x3xf32>)
        -> tensor<2x3xf32> {
      %0 = weft.exp %w : tensor<3x3xf32>
      %1 = weft.matmul %x, %0 : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
      return %1 : tensor<2x3xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<2x3xf32>, %w: tensor<3x3xf32>) -> tensor<2x3xf32> {
      %0 = weft.exp %w : tensor<3x3xf32>
      %1 = weft.loop @f_body_0 count [5] init(%x) with(%0)
          : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
      return %1 : tensor<2x3xf32>
    }
    func.func private @f_body_0(%x: tensor<2x3xf32> {weft.donated}, %w: tensor<3x3xf32> {weft.hidden})
        -> tensor<2x3xf32> attributes {weft.repeated} {
      %0 = weft.matmul %x, %w : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
      return %0 : tensor<2x3xf32>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def OutlineRegions : Pass<"weft-outline-regions", "::mlir::ModuleOp"> {
  let summary = "Make functions of the regions of control flow, and steps that run them";
  let description = [{
    Runs first, once there is nothing more to differentiate or batch: bodies of loops, and branches, are
    functions from here on, which go through the same passes as others. What a body carries is
    `weft.donated`: its next value may be written over it. Before:

    ```mlir
    func.func @f(%x: tensor<f32>, %steps: tensor<5x3xf32>) -> tensor<f32> {
      %0 = weft.scan [5] init(%x) over(%steps) : (tensor<f32>, tensor<5x3xf32>) -> tensor<f32> {
      ^bb0(%carry: tensor<f32>, %slice: tensor<3xf32>):
        %1 = weft.sum %slice [0] : tensor<3xf32> -> tensor<f32>
        %2 = weft.add %carry, %1 : tensor<f32>
        weft.yield %2 : tensor<f32>
      }
      return %0 : tensor<f32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<f32>, %steps: tensor<5x3xf32>) -> tensor<f32> {
      %0 = weft.loop @f_body_0 count [5] init(%x) over(%steps) : (tensor<f32>, tensor<5x3xf32>) -> tensor<f32>
      return %0 : tensor<f32>
    }
    func.func private @f_body_0(%carry: tensor<f32> {weft.donated}, %slice: tensor<3xf32>) -> tensor<f32> {
      %0 = weft.sum %slice [0] : tensor<3xf32> -> tensor<f32>
      %1 = weft.add %carry, %0 : tensor<f32>
      return %1 : tensor<f32>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect", "::mlir::func::FuncDialect"];
}

def Prepare : Pass<"weft-prepare", "::mlir::ModuleOp"> {
  let summary = "Split off what is computed once for tensors that hardly ever change";
  let description = [{
    In a function with `weft.prepare = ""`, what depends on arguments with `weft.hidden` and on constants
    alone, as the transposed weight of a layer, becomes a function of its own and `weft.prepare` its
    call: whoever runs the program keeps the results with the memory of the arguments. Ops that share
    work are one function, others are apart, so that a weight that changes takes no other with it.
    Before:

    ```mlir
    func.func @f(%x: tensor<4x3xf32>, %w: tensor<2x3xf32> {weft.hidden}) -> tensor<4x2xf32> attributes {weft.prepare = "arranged"} {
      %0 = weft.matmul %x, %w {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> tensor<4x2xf32>
      return %0 : tensor<4x2xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%arg0: tensor<4x3xf32>, %arg1: tensor<2x3xf32> {weft.hidden}) -> tensor<4x2xf32> {
      %0 = weft.prepare @f_prepare_0(%arg1) : (tensor<2x3xf32>) -> tensor<3x2xf32>
      %1 = weft.matmul %arg0, %0 : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
      return %1 : tensor<4x2xf32>
    }
    func.func private @f_prepare_0(%arg0: tensor<2x3xf32>) -> tensor<3x2xf32> {
      %0 = weft.transpose %arg0 [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
      return %0 : tensor<3x2xf32>
    }
    ```

    `"arranged"`, as in the example, also stores right operands of contractions as processors read
    them: for programs whose kernels pack them in each call (compiled objects). Elsewhere the copy is
    made where the plan is built, from the stage of the kernel that packs (`lib/Compiler/PlanBuilder`).

    Not prepared is what costs nothing where it is read: constants, counters, broadcasts, views, parts
    of tensors; and what is more than twice as large as what it is made of, unless it takes many
    instructions or a kernel of its own to compute.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

//===----------------------------------------------------------------------===//
// Fusion
//===----------------------------------------------------------------------===//

def Fuse : Pass<"weft-fuse", "::mlir::ModuleOp"> {
  let summary = "Outline groups of ops into kernels that are generic in their sizes";
  let description = [{
    Ops are visited last to first; each joins the group of its users if it can be computed there at the
    same elements (`passes/fusion/FusionGroups.h`). A group becomes a `weft.kernel`, whose sizes are
    numbers (`#weft.sizes`), and a `weft.launch` that gives their values. Before:

    ```mlir
    func.func @f(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %0 = weft.add %x, %y : tensor<4x8xf32>
      %1 = weft.exp %0 : tensor<4x8xf32>
      return %1 : tensor<4x8xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%arg0: tensor<4x8xf32>, %arg1: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %0 = weft.launch @kernel_0(%arg0, %arg1) sizes [4, 8] : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
      return %0 : tensor<4x8xf32>
    }
    weft.kernel @kernel_0(%arg0: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %arg1: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
      %0 = weft.add %arg0, %arg1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
      %1 = weft.exp %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
      weft.yield %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
    }
    ```

    A contraction stores its result in a frame that comes behind it, if `stores-in-frames` is set: the `weft.pad` becomes
    part of its kernel. So does a reshape between, and one between an image that is enlarged (a broadcast) and what puts it
    beside another: a `weft.regroup`, if it only joins or splits dimensions and rows stay rows.

    Composites must be decomposed and reductions split before; all sizes are known.
  }];
  let options = [Option<"readsParts", "reads-parts", "bool", "true",
                        "Leave slices of arguments that are runs of memory to the kernels' readers">,
                 Option<"storesInFrames", "stores-in-frames", "bool", "true",
                        "Let contractions store their results in the frame that comes behind them">];
  let dependentDialects = ["::weft::WeftDialect"];
}

def CollapseDimensions : Pass<"weft-collapse-dimensions", "::mlir::ModuleOp"> {
  let summary = "Merge dimensions of kernels that are always walked together";
  let description = [{
    Two sizes become one, their product, if they follow each other in every tensor that has one of
    them, and every op can be rebuilt over the fewer dimensions (`DimensionOpInterface`). So most
    elementwise kernels have rank 1, whatever the rank of their operands. Before:

    ```mlir
    func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %0 = weft.launch @k(%x) sizes [4, 8] : (tensor<4x8xf32>) -> tensor<4x8xf32>
      return %0 : tensor<4x8xf32>
    }
    weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
      %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
      weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %0 = weft.launch @k(%x) sizes [32] : (tensor<4x8xf32>) -> tensor<4x8xf32>
      return %0 : tensor<4x8xf32>
    }
    weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def DeduplicateKernels : Pass<"weft-deduplicate-kernels", "::mlir::ModuleOp"> {
  let summary = "Keep one of kernels that are equal, and name it by its contents";
  let description = [{
    Kernels are equal if their texts are, without names, sizes and the user's lines. The one that stays
    is named by its last ops and the hash of its text: the key of the kernel cache. Before:

    ```mlir
    func.func @f(%x: tensor<4xf32>, %y: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
      %0 = weft.launch @kernel_0(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
      %1 = weft.launch @kernel_1(%y) sizes [5] : (tensor<5xf32>) -> tensor<5xf32>
      return %0, %1 : tensor<4xf32>, tensor<5xf32>
    }
    weft.kernel @kernel_0(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    weft.kernel @kernel_1(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```

    After:

    ```mlir
    func.func @f(%arg0: tensor<4xf32>, %arg1: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
      %0 = weft.launch @exp_047c613d7f1410d7730250cffe3ed6d5(%arg0) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
      %1 = weft.launch @exp_047c613d7f1410d7730250cffe3ed6d5(%arg1) sizes [5] : (tensor<5xf32>) -> tensor<5xf32>
      return %0, %1 : tensor<4xf32>, tensor<5xf32>
    }
    weft.kernel @exp_047c613d7f1410d7730250cffe3ed6d5(%arg0: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.exp %arg0 : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

//===----------------------------------------------------------------------===//
// Schedule and plan
//===----------------------------------------------------------------------===//

def Schedule : Pass<"weft-schedule", "::mlir::ModuleOp"> {
  let summary = "Choose for each kernel its template, vector lanes, register tile and packing";
  let description = [{
    The schedule says how a kernel runs, see the schedules in the
    reference of attributes. One that is there already is kept, so it
    can be written by hand. Before:

    ```mlir
    weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```

    After:

    ```mlir
    weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> attributes {schedule = #weft.rows<lanes = 16, chains = 4>} {
      %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
  let options = [
    Option<"target", "target", "std::string", "\"native\"",
           "The processor or GPU, by name: native, x86-64-v3, cuda:sm_80, ...">];
}

def PlanMemory : Pass<"weft-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give the results of launches that do not leave the function places in one arena";
  let description = [{
    Places are given first fit by address and reused as soon as the last reader has run, as in the
    linear scan of register allocation (Poletto and Sarkar, 1999). `offsets` holds the place of each
    result, in bytes, or -1 for one that is returned; `weft.arena` the bytes in all. In a function
    with symbolic sizes the places are numbers of slots, whose bytes `weft.slots` lists: a slot is for
    one result at a time, and as large as the largest of its sizes. A kernel that changes some elements
    of an operand writes over it (`overwrites`, the number of the operand) if a launch made the operand
    and nobody reads it later; both have one place. With `in-place` so does any kernel with one result
    that reads an operand of its type only where the same element is computed. Before:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = weft.launch @k(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
      %1 = weft.launch @k(%0) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
      %2 = weft.launch @k(%1) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
      return %2 : tensor<4xf32>
    }
    weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> attributes {weft.arena = 128 : i64} {
      %0 = weft.launch @k(%x) sizes [4] {offsets = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
      %1 = weft.launch @k(%0) sizes [4] {offsets = array<i64: 64>} : (tensor<4xf32>) -> tensor<4xf32>
      %2 = weft.launch @k(%1) sizes [4] {offsets = array<i64: -1>} : (tensor<4xf32>) -> tensor<4xf32>
      return %2 : tensor<4xf32>
    }
    weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
      %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    }
    ```
  }];
  let options = [Option<"inPlace", "in-place", "bool", "false",
                        "Kernels may write over what they read at the same element">];
  let dependentDialects = ["::weft::WeftDialect"];
}

#endif
