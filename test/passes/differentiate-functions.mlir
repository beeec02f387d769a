// RUN: weft-opt %s --weft-differentiate | FileCheck %s

// A checkpoint is computed again, from a barrier, in the backward pass.
// CHECK-LABEL: func.func @checkpoint(
// CHECK-SAME: %[[X:.*]]: tensor<f32>)
// CHECK: %[[Y:.*]] = weft.checkpoint with(%[[X]])
// CHECK: %[[AGAIN:.*]] = weft.barrier %[[X]]
// CHECK: %[[S:.*]] = weft.sin %[[AGAIN]]
// CHECK: weft.exp %[[S]]
// CHECK: weft.cos %[[AGAIN]]
// CHECK: return %[[Y]]
func.func @checkpoint(%x: tensor<f32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  %0 = weft.checkpoint with(%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    %2 = weft.exp %1 : tensor<f32>
    weft.yield %2 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// Both passes; the first keeps what it says.
// CHECK-LABEL: func.func @both_passes(
// CHECK-SAME: %[[X:.*]]: tensor<f32>)
// CHECK: %[[Y:.*]] = weft.custom_derivative "f" of(%[[X]])
// CHECK: %[[ONE:.*]] = weft.constant dense<1.0
// CHECK: %[[KEPT:.*]] = weft.tan %[[X]]
// CHECK: %[[G:.*]] = weft.multiply %[[ONE]], %[[KEPT]]
// CHECK: return %[[Y]], %[[G]]
func.func @both_passes(%x: tensor<f32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  %0 = weft.custom_derivative "f" of(%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    weft.yield %1 : tensor<f32>
  } by {
  ^bb0(%y: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    %2 = weft.tan %y : tensor<f32>
    weft.yield %1, %2 : tensor<f32>, tensor<f32>
  }, {
  ^bb0(%kept: tensor<f32>, %g: tensor<f32>):
    %1 = weft.multiply %g, %kept : tensor<f32>
    weft.yield %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// The transpose of a rule along tangents.
// CHECK-LABEL: func.func @transposed(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>)
// CHECK: %[[ONE:.*]] = weft.constant dense<1.0
// CHECK: %[[SLOPE:.*]] = weft.tan %[[X]]
// CHECK: %[[ONES:.*]] = weft.broadcast %[[ONE]]
// CHECK: %[[G:.*]] = weft.multiply %[[ONES]], %[[SLOPE]]
// CHECK: return %{{.*}}, %[[G]]
func.func @transposed(%x: tensor<3xf32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  %0 = weft.custom_derivative "f" of(%x) : (tensor<3xf32>) -> tensor<f32> {
  ^bb0(%y: tensor<3xf32>):
    %1 = weft.sum %y [0] : tensor<3xf32> -> tensor<f32>
    weft.yield %1 : tensor<f32>
  } by {
  ^bb0(%y: tensor<3xf32>, %t: tensor<3xf32>):
    %1 = weft.sum %y [0] : tensor<3xf32> -> tensor<f32>
    %2 = weft.tan %y : tensor<3xf32>
    %3 = weft.multiply %t, %2 : tensor<3xf32>
    %4 = weft.sum %3 [0] : tensor<3xf32> -> tensor<f32>
    weft.yield %1, %4 : tensor<f32>, tensor<f32>
  }
  return %0 : tensor<f32>
}

// What the policy keeps is one more result, and is computed once.
// CHECK-LABEL: func.func @policy(
// CHECK-SAME: %[[X:.*]]: tensor<2x2xf32>)
// CHECK: %[[Y:.*]]:2 = weft.checkpoint with(%[[X]]) {saves = "contractions"}
// CHECK: weft.yield %{{.*}}, %{{.*}} : tensor<f32>, tensor<2x2xf32>
// CHECK: %[[KEPT:.*]] = weft.barrier %[[Y]]#1
// CHECK: weft.cos %[[KEPT]]
// CHECK: return %[[Y]]#0
func.func @policy(%x: tensor<2x2xf32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  %0 = weft.checkpoint with(%x) {saves = "contractions"} : (tensor<2x2xf32>) -> tensor<f32> {
  ^bb0(%y: tensor<2x2xf32>):
    %1 = weft.matmul %y, %y : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
    %2 = weft.sin %1 : tensor<2x2xf32>
    %3 = weft.sum %2 [0, 1] : tensor<2x2xf32> -> tensor<f32>
    weft.yield %3 : tensor<f32>
  }
  return %0 : tensor<f32>
}
