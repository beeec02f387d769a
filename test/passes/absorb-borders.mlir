// RUN: weft-opt %s --weft-absorb-borders --canonicalize | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<1x4x4x2xf32>, %[[W:.*]]: tensor<3x3x1x2x1xf32>
// CHECK-NEXT: %[[FACTORS:.*]] = weft.reshape %[[W]] : tensor<3x3x1x2x1xf32> -> tensor<3x3x2xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.depthwise_convolution %[[X]], %[[FACTORS]] window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true} : tensor<1x4x4x2xf32>, tensor<3x3x2xf32> -> tensor<1x4x4x2xf32>
// CHECK-NEXT: %[[APART:.*]] = weft.reshape %[[Y]] : tensor<1x4x4x2xf32> -> tensor<1x4x4x2x1xf32>
// CHECK-NEXT: return %[[APART]]
func.func @example(%x: tensor<1x4x4x2xf32>, %w: tensor<3x3x1x2x1xf32>) -> tensor<1x4x4x2x1xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x2xf32>, tensor<f32> -> tensor<1x6x6x2xf32>
  %2 = weft.reshape %1 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
  %3 = weft.convolution %2, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
  return %3 : tensor<1x4x4x2x1xf32>
}

// Unequal widths, strides and dilations.
// CHECK-LABEL: func.func @widths(
// CHECK: weft.depthwise_convolution %{{.*}} window [3, 2] strides [2, 1] dilations [1, 2] low [0, 2] high [1, 0] {channels_last = true} : tensor<2x4x5x2xf32>, tensor<3x2x2xf32> -> tensor<2x2x5x2xf32>
func.func @widths(%x: tensor<2x4x5x2xf32>, %w: tensor<3x2x1x2x1xf32>) -> tensor<2x2x5x2x1xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 0, 2, 0] interior [0, 0, 0, 0] : tensor<2x4x5x2xf32>, tensor<f32> -> tensor<2x5x7x2xf32>
  %2 = weft.reshape %1 : tensor<2x5x7x2xf32> -> tensor<2x5x7x2x1xf32>
  %3 = weft.convolution %2, %w strides [2, 1] dilations [1, 2] : tensor<2x5x7x2x1xf32>, tensor<3x2x1x2x1xf32> -> tensor<2x2x5x2x1xf32>
  return %3 : tensor<2x2x5x2x1xf32>
}

// CHECK-LABEL: func.func @large(
// CHECK: weft.pad
// CHECK: weft.convolution
func.func @large(%x: tensor<1x4x4x2xf32>, %w: tensor<3x5x1x2x1xf32>) -> tensor<1x4x4x2x1xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 1, 2, 0] interior [0, 0, 0, 0] : tensor<1x4x4x2xf32>, tensor<f32> -> tensor<1x6x8x2xf32>
  %2 = weft.reshape %1 : tensor<1x6x8x2xf32> -> tensor<1x6x8x2x1xf32>
  %3 = weft.convolution %2, %w strides [1, 1] dilations [1, 1] : tensor<1x6x8x2x1xf32>, tensor<3x5x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
  return %3 : tensor<1x4x4x2x1xf32>
}

// No border, one of ones, zeros between elements or channels, and groups of two channels stay.
// CHECK-LABEL: func.func @stays(
// CHECK-COUNT-5: weft.convolution
// CHECK-NOT: weft.depthwise_convolution
func.func @stays(%x: tensor<1x6x6x2xf32>, %w: tensor<3x3x1x2x1xf32>, %v: tensor<3x3x1x3x1xf32>, %pairs: tensor<3x3x2x1x2xf32>)
    -> (tensor<1x4x4x2x1xf32>, tensor<1x6x6x2x1xf32>, tensor<1x9x9x2x1xf32>, tensor<1x6x6x3x1xf32>, tensor<1x6x6x1x2xf32>) {
  %zero = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %one = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
  %0 = weft.reshape %x : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
  %1 = weft.convolution %0, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
  %2 = weft.pad %x, %one low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x6x6x2xf32>, tensor<f32> -> tensor<1x8x8x2xf32>
  %3 = weft.reshape %2 : tensor<1x8x8x2xf32> -> tensor<1x8x8x2x1xf32>
  %4 = weft.convolution %3, %w strides [1, 1] dilations [1, 1] : tensor<1x8x8x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x6x6x2x1xf32>
  %5 = weft.pad %x, %zero low [0, 0, 0, 0] interior [0, 1, 1, 0] : tensor<1x6x6x2xf32>, tensor<f32> -> tensor<1x11x11x2xf32>
  %6 = weft.reshape %5 : tensor<1x11x11x2xf32> -> tensor<1x11x11x2x1xf32>
  %7 = weft.convolution %6, %w strides [1, 1] dilations [1, 1] : tensor<1x11x11x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x9x9x2x1xf32>
  %8 = weft.pad %x, %zero low [0, 1, 1, 1] interior [0, 0, 0, 0] : tensor<1x6x6x2xf32>, tensor<f32> -> tensor<1x8x8x3xf32>
  %9 = weft.reshape %8 : tensor<1x8x8x3xf32> -> tensor<1x8x8x3x1xf32>
  %10 = weft.convolution %9, %v strides [1, 1] dilations [1, 1] : tensor<1x8x8x3x1xf32>, tensor<3x3x1x3x1xf32> -> tensor<1x6x6x3x1xf32>
  %11 = weft.pad %x, %zero low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x6x6x2xf32>, tensor<f32> -> tensor<1x8x8x2xf32>
  %12 = weft.reshape %11 : tensor<1x8x8x2xf32> -> tensor<1x8x8x1x2xf32>
  %13 = weft.convolution %12, %pairs strides [1, 1] dilations [1, 1] : tensor<1x8x8x1x2xf32>, tensor<3x3x2x1x2xf32> -> tensor<1x6x6x1x2xf32>
  return %1, %4, %7, %10, %13 : tensor<1x4x4x2x1xf32>, tensor<1x6x6x2x1xf32>, tensor<1x9x9x2x1xf32>, tensor<1x6x6x3x1xf32>, tensor<1x6x6x1x2xf32>
}
