// RUN: weft-opt %s --weft-round-products | FileCheck %s
// RUN: weft-opt %s --weft-round-products --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func @product(
// CHECK-NOT: matmul_precision
// CHECK-SAME: %[[X:.*]]: tensor<4x3xf32>, %[[W:.*]]: tensor<3x2xf32>
// CHECK: %[[X_NARROW:.*]] = weft.cast %[[X]] : tensor<4x3xf32> -> tensor<4x3xbf16>
// CHECK: %[[X_ROUNDED:.*]] = weft.cast %[[X_NARROW]]
// CHECK: %[[W_NARROW:.*]] = weft.cast %[[W]] : tensor<3x2xf32> -> tensor<3x2xbf16>
// CHECK: %[[W_ROUNDED:.*]] = weft.cast %[[W_NARROW]]
// CHECK: weft.matmul %[[X_ROUNDED]], %[[W_ROUNDED]] : tensor<4x3xf32>
func.func @product(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32>
    attributes {weft.matmul_precision = "bf16"} {
  %0 = weft.matmul %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

// Doubles and integers are what they are, and so is what does not ask for it.
// CHECK-LABEL: func.func @doubles(
// CHECK-NOT: weft.cast
func.func @doubles(%x: tensor<4x3xf64>, %w: tensor<3x2xf64>) -> tensor<4x2xf64>
    attributes {weft.matmul_precision = "bf16"} {
  %0 = weft.matmul %x, %w : tensor<4x3xf64>, tensor<3x2xf64> -> tensor<4x2xf64>
  return %0 : tensor<4x2xf64>
}

// CHECK-LABEL: func.func @exact(
// CHECK-NOT: weft.cast
func.func @exact(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32> {
  %0 = weft.matmul %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}
