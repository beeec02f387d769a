// RUN: weft-opt %s --cse --weft-remove-barriers | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @example(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.barrier %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CSE has left both.
// CHECK-LABEL: func.func @both(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[A:.*]] = weft.exp %[[X]]
// CHECK-NEXT: %[[B:.*]] = weft.exp %[[X]]
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @both(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = weft.exp %x : tensor<4xf32>
  %1 = weft.barrier %x : tensor<4xf32>
  %2 = weft.exp %1 : tensor<4xf32>
  return %0, %2 : tensor<4xf32>, tensor<4xf32>
}
