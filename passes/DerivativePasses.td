// The passes that make derivatives, and functions of many examples.
#ifndef WEFT_DERIVATIVE_PASSES_TD
#define WEFT_DERIVATIVE_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Differentiation
//===----------------------------------------------------------------------===//

def Batch : Pass<"weft-batch", "::mlir::ModuleOp"> {
  let summary = "Make functions of one example that ask for it functions of many";
  let description = [{
    A function that carries `weft.batch = N` is one of N examples afterwards: its arguments and
    results have a first dimension of that size. The attribute goes away. Before:

    ```mlir
    func.func @sum(%x: tensor<3xf32>) -> tensor<f32> attributes {weft.batch = 8} {
      %0 = weft.sum %x [0] : tensor<3xf32> -> tensor<f32>
      return %0 : tensor<f32>
    }
    ```

    After:

    ```mlir
    func.func @sum(%x: tensor<8x3xf32>) -> tensor<8xf32> {
      %0 = weft.sum %x [1] : tensor<8x3xf32> -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    An op is batched by its own rule (`BatchOpInterface`), else by one more dimension in front where
    its dimension labels allow it, else by a longer first dimension, else, if it is a composite, by
    its definition, else example by example.
  }];
}

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
      %one = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
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

def PushForward : Pass<"weft-push-forward", "::mlir::ModuleOp"> {
  let summary = "Make functions that ask for it take tangents, and return those of their results";
  let description = [{
    A function that carries `weft.push_forward = [argument numbers]` gets, behind its arguments, the
    tangents of these, and returns, behind its results, those of the floating and complex ones. The
    attribute goes away. Before:

    ```mlir
    func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> attributes {weft.push_forward = [0]} {
      %y = weft.exp %x : tensor<3xf32>
      return %y : tensor<3xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<3xf32>, %tx: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
      %y = weft.exp %x : tensor<3xf32>
      %ty = weft.multiply %tx, %y : tensor<3xf32>
      return %y, %ty : tensor<3xf32>, tensor<3xf32>
    }
    ```
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

#endif // WEFT_DERIVATIVE_PASSES_TD
