// RUN: weft-opt %s --weft-mark-borders | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @f(
// CHECK: weft.convolution {{.*}} {weft.border = array<i64: 1, 1, 1>}
func.func @f(%x: tensor<1x4x4x3xf32>, %w: tensor<3x3x3x2xf32> {weft.hidden}) -> tensor<1x4x4x2xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x6x6x3xf32>
  %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x4x4x2xf32>
  return %2 : tensor<1x4x4x2xf32>
}

// A turned image, and groups set apart; two lines above, three below.
// CHECK-LABEL: func.func @turned(
// CHECK: weft.convolution {{.*}} {weft.border = array<i64: 1, 2, 3>}
func.func @turned(%x: tensor<1x4x4x6xf32>, %w: tensor<3x3x2x2x2xf32> {weft.hidden}) -> tensor<1x7x2x2x2xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 0, 0, 2] interior [0, 0, 0, 0] : tensor<1x4x4x6xf32>, tensor<f32> -> tensor<1x4x4x11xf32>
  %2 = weft.transpose %1 [0, 3, 2, 1] : tensor<1x4x4x11xf32> -> tensor<1x11x4x4xf32>
  %3 = weft.reshape %2 : tensor<1x11x4x4xf32> -> tensor<1x11x4x2x2xf32>
  %4 = weft.convolution %3, %w strides [1, 1] dilations [2, 1] : tensor<1x11x4x2x2xf32>, tensor<3x3x2x2x2xf32> -> tensor<1x7x2x2x2xf32>
  return %4 : tensor<1x7x2x2x2xf32>
}

// Of an image whose size is open, only the first lines are known.
// CHECK-LABEL: func.func @open(
// CHECK: weft.convolution {{.*}} {weft.border = array<i64: 1, 1, 0>}
func.func @open(%x: tensor<1x?x4x3xf32>, %w: tensor<3x3x3x2xf32> {weft.hidden}) -> tensor<1x?x2x2xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 1, 0, 0] interior [0, 0, 0, 0] : tensor<1x?x4x3xf32>, tensor<f32> -> tensor<1x?x4x3xf32>
  %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : tensor<1x?x4x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x?x2x2xf32>
  return %2 : tensor<1x?x2x2xf32>
}

// Other than zeros, elements apart, a weight that may be another in each call.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: weft.border
func.func @others(%x: tensor<1x4x4x3xf32>, %w: tensor<3x3x3x2xf32> {weft.hidden}, %v: tensor<3x3x3x2xf32>)
    -> (tensor<1x4x4x2xf32>, tensor<1x5x2x2xf32>, tensor<1x4x4x2xf32>) {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
  %2 = weft.pad %x, %1 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x6x6x3xf32>
  %3 = weft.convolution %2, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x4x4x2xf32>
  %4 = weft.pad %x, %0 low [0, 0, 0, 0] interior [0, 1, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x7x4x3xf32>
  %5 = weft.convolution %4, %w strides [1, 1] dilations [1, 1] : tensor<1x7x4x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x5x2x2xf32>
  %6 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x6x6x3xf32>
  %7 = weft.convolution %6, %v strides [1, 1] dilations [1, 1] : tensor<1x6x6x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x4x4x2xf32>
  return %3, %5, %7 : tensor<1x4x4x2xf32>, tensor<1x5x2x2xf32>, tensor<1x4x4x2xf32>
}
