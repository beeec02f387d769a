// RUN: weft-opt %s --weft-remove-stop-gradients | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.exp %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @example(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.stop_gradient %x : tensor<4xf32>
  %1 = weft.exp %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// One behind the other, and as a result.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]], %[[X]]
func.func @chain(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = weft.stop_gradient %x : tensor<4xf32>
  %1 = weft.stop_gradient %0 : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
