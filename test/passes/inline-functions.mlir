// RUN: weft-opt %s --weft-inline-functions | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @example(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.checkpoint with(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%y: tensor<4xf32>):
    weft.yield %y : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// One in the other, in a branch; rules go.
// CHECK-LABEL: func.func @nested(
// CHECK: weft.case
// CHECK-NOT: weft.c{{heckpoint|ustom}}
// CHECK: %[[S:.*]] = weft.sin
// CHECK-NEXT: %[[E:.*]] = weft.exp %[[S]]
// CHECK-NEXT: weft.yield %[[E]]
// CHECK-NOT: weft.cos
func.func @nested(%i: tensor<i64>, %x: tensor<f32>) -> tensor<f32> {
  %0 = weft.case %i with(%x) : (tensor<i64>, tensor<f32>) -> tensor<f32> {
  ^bb0(%a: tensor<f32>):
    %1 = weft.checkpoint with(%a) : (tensor<f32>) -> tensor<f32> {
    ^bb0(%b: tensor<f32>):
      %2 = weft.custom_derivative "f" of(%b) : (tensor<f32>) -> tensor<f32> {
      ^bb0(%c: tensor<f32>):
        %3 = weft.sin %c : tensor<f32>
        weft.yield %3 : tensor<f32>
      } by {
      ^bb0(%c: tensor<f32>, %t: tensor<f32>):
        %3 = weft.sin %c : tensor<f32>
        %4 = weft.cos %t : tensor<f32>
        weft.yield %3, %4 : tensor<f32>, tensor<f32>
      }
      %5 = weft.exp %2 : tensor<f32>
      weft.yield %5 : tensor<f32>
    }
    weft.yield %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}
