// RUN: weft-opt %s --weft-narrow-operands | FileCheck %s

// CHECK-LABEL: func.func @bytes(
// CHECK-SAME: %[[X:.*]]: tensor<4x3xf32>, %[[W:.*]]: tensor<2x3xi8>
// CHECK-NEXT: weft.matmul %[[X]], %[[W]] {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xi8> -> tensor<4x2xf32>
func.func @bytes(%x: tensor<4x3xf32>, %w: tensor<2x3xi8>) -> tensor<4x2xf32> {
  %0 = weft.cast %w : tensor<2x3xi8> -> tensor<2x3xf32>
  %1 = weft.matmul %x, %0 {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// CHECK-LABEL: func.func @convolution(
// CHECK-NEXT: weft.convolution {{.*}} : tensor<1x4x4x3xf32>, tensor<2x2x3x5xbf16> -> tensor<1x3x3x5xf32>
func.func @convolution(%x: tensor<1x4x4x3xf32>, %w: tensor<2x2x3x5xbf16>) -> tensor<1x3x3x5xf32> {
  %0 = weft.cast %w : tensor<2x2x3x5xbf16> -> tensor<2x2x3x5xf32>
  %1 = weft.convolution %x, %0 strides [1, 1] dilations [1, 1] : tensor<1x4x4x3xf32>, tensor<2x2x3x5xf32> -> tensor<1x3x3x5xf32>
  return %1 : tensor<1x3x3x5xf32>
}

// A byte is a number of bfloat16 too. The conversion stays where another op reads it.
// CHECK-LABEL: func.func @half(
// CHECK: weft.cast
// CHECK: weft.matmul {{.*}} : tensor<4x3xbf16>, tensor<3x2xui8> -> tensor<4x2xbf16>
func.func @half(%x: tensor<4x3xbf16>, %w: tensor<3x2xui8>) -> (tensor<4x2xbf16>, tensor<3x2xbf16>) {
  %0 = weft.cast %w : tensor<3x2xui8> -> tensor<3x2xbf16>
  %1 = weft.matmul %x, %0 : tensor<4x3xbf16>, tensor<3x2xbf16> -> tensor<4x2xbf16>
  return %1, %0 : tensor<4x2xbf16>, tensor<3x2xbf16>
}

// What is rounded stays rounded, and what is no weight is not read again and again.
// CHECK-LABEL: func.func @stays(
// CHECK-COUNT-3: weft.cast
func.func @stays(%x: tensor<4x3xf32>, %y: tensor<4x3xbf16>, %w: tensor<3x2xf64>, %v: tensor<3x2xi32>)
    -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) {
  %0 = weft.cast %w : tensor<3x2xf64> -> tensor<3x2xf32>
  %1 = weft.matmul %x, %0 : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  %2 = weft.cast %v : tensor<3x2xi32> -> tensor<3x2xf32>
  %3 = weft.matmul %x, %2 : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  %4 = weft.cast %y : tensor<4x3xbf16> -> tensor<4x3xf32>
  %5 = weft.matmul %4, %0 : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  return %1, %3, %5 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>
}
