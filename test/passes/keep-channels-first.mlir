// RUN: weft-opt %s --weft-keep-channels-first | FileCheck %s
// RUN: weft-opt %s --weft-keep-channels-first=columns-apart=true | FileCheck %s --check-prefix=APART

// The documented example: the border becomes the convolution's.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<1x2x4x4xf32>, %[[W:.*]]: tensor<3x3x1x2x1xf32>
// CHECK-NEXT: %[[TURNED:.*]] = weft.transpose %[[W]] [3, 4, 2, 0, 1] : tensor<3x3x1x2x1xf32> -> tensor<2x1x1x3x3xf32>
// CHECK-NEXT: %[[FACTORS:.*]] = weft.reshape %[[TURNED]] : tensor<2x1x1x3x3xf32> -> tensor<2x3x3xf32>
// CHECK-NEXT: %[[ROWS:.*]] = weft.depthwise_convolution %[[X]], %[[FACTORS]] window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {joined = true} : tensor<1x2x4x4xf32>, tensor<2x3x3xf32> -> tensor<1x2x16xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.reshape %[[ROWS]] : tensor<1x2x16xf32> -> tensor<1x2x4x4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @example(%x: tensor<1x2x4x4xf32>, %w: tensor<3x3x1x2x1xf32>) -> tensor<1x2x4x4xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 0, 1, 1] interior [0, 0, 0, 0] : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x6x6xf32>
  %2 = weft.transpose %1 [0, 2, 3, 1] : tensor<1x2x6x6xf32> -> tensor<1x6x6x2xf32>
  %3 = weft.reshape %2 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
  %4 = weft.convolution %3, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
  %5 = weft.reshape %4 : tensor<1x4x4x2x1xf32> -> tensor<1x4x4x2xf32>
  %6 = weft.transpose %5 [0, 3, 1, 2] : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
  return %6 : tensor<1x2x4x4xf32>
}

// Elementwise ops before it is turned back; a border of other numbers, or of unequal widths.
// CHECK-LABEL: func.func @borders(
// CHECK: weft.pad
// CHECK: weft.depthwise_convolution %{{.*}} strides [2, 1] dilations [1, 1] low [0, 0] high [0, 0] : tensor<2x2x6x6xf32>
// CHECK: weft.depthwise_convolution %{{.*}} strides [1, 2] dilations [1, 1] low [0, 2] high [1, 0] : tensor<2x2x5x4xf32>
// CHECK-NOT: weft.convolution
func.func @borders(%x: tensor<2x2x5x4xf32>, %w: tensor<3x3x1x2x1xf32>) -> (tensor<2x2x2x4xf32>, tensor<2x2x4x2xf32>) {
  %one = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
  %zero = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %one low [0, 0, 1, 1] interior [0, 0, 0, 0] : tensor<2x2x5x4xf32>, tensor<f32> -> tensor<2x2x6x6xf32>
  %2 = weft.transpose %1 [0, 2, 3, 1] : tensor<2x2x6x6xf32> -> tensor<2x6x6x2xf32>
  %3 = weft.reshape %2 : tensor<2x6x6x2xf32> -> tensor<2x6x6x2x1xf32>
  %4 = weft.convolution %3, %w strides [2, 1] dilations [1, 1] : tensor<2x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<2x2x4x2x1xf32>
  %5 = weft.reshape %4 : tensor<2x2x4x2x1xf32> -> tensor<2x2x4x2xf32>
  %6 = weft.tanh %5 : tensor<2x2x4x2xf32>
  %7 = weft.transpose %6 [0, 3, 1, 2] : tensor<2x2x4x2xf32> -> tensor<2x2x2x4xf32>
  %8 = weft.pad %x, %zero low [0, 0, 0, 2] interior [0, 0, 0, 0] : tensor<2x2x5x4xf32>, tensor<f32> -> tensor<2x2x6x6xf32>
  %9 = weft.transpose %8 [0, 2, 3, 1] : tensor<2x2x6x6xf32> -> tensor<2x6x6x2xf32>
  %10 = weft.reshape %9 : tensor<2x6x6x2xf32> -> tensor<2x6x6x2x1xf32>
  %11 = weft.convolution %10, %w strides [1, 2] dilations [1, 1] : tensor<2x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<2x4x2x2x1xf32>
  %12 = weft.reshape %11 : tensor<2x4x2x2x1xf32> -> tensor<2x4x2x2xf32>
  %13 = weft.transpose %12 [0, 3, 1, 2] : tensor<2x4x2x2xf32> -> tensor<2x2x4x2xf32>
  return %7, %13 : tensor<2x2x2x4xf32>, tensor<2x2x4x2xf32>
}

// Where the result stays channels last, where columns are far apart, and where groups have two
// channels, nothing changes.
// CHECK-LABEL: func.func @stays(
// CHECK-COUNT-3: weft.convolution
// CHECK-NOT: weft.depthwise_convolution
func.func @stays(%x: tensor<1x2x6x6xf32>, %w: tensor<3x3x1x2x1xf32>, %pairs: tensor<3x3x2x1x1xf32>)
    -> (tensor<1x4x4x2xf32>, tensor<1x2x4x2xf32>, tensor<1x1x4x4xf32>) {
  %0 = weft.transpose %x [0, 2, 3, 1] : tensor<1x2x6x6xf32> -> tensor<1x6x6x2xf32>
  %1 = weft.reshape %0 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
  %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
  %3 = weft.reshape %2 : tensor<1x4x4x2x1xf32> -> tensor<1x4x4x2xf32>
  %4 = weft.convolution %1, %w strides [1, 3] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x2x2x1xf32>
  %5 = weft.reshape %4 : tensor<1x4x2x2x1xf32> -> tensor<1x4x2x2xf32>
  %6 = weft.transpose %5 [0, 3, 1, 2] : tensor<1x4x2x2xf32> -> tensor<1x2x4x2xf32>
  %7 = weft.reshape %0 : tensor<1x6x6x2xf32> -> tensor<1x6x6x1x2xf32>
  %8 = weft.convolution %7, %pairs strides [1, 1] dilations [1, 1] : tensor<1x6x6x1x2xf32>, tensor<3x3x2x1x1xf32> -> tensor<1x4x4x1x1xf32>
  %9 = weft.reshape %8 : tensor<1x4x4x1x1xf32> -> tensor<1x4x4x1xf32>
  %10 = weft.transpose %9 [0, 3, 1, 2] : tensor<1x4x4x1xf32> -> tensor<1x1x4x4xf32>
  return %3, %6, %10 : tensor<1x4x4x2xf32>, tensor<1x2x4x2xf32>, tensor<1x1x4x4xf32>
}

// Another image than the one that was turned: a reshape of the user's is part of the convolution's.
// CHECK-LABEL: func.func @reshaped(
// CHECK-NOT: weft.depthwise_convolution
func.func @reshaped(%x: tensor<1x2x8x4xf32>, %w: tensor<3x3x1x2x1xf32>) -> (tensor<1x2x2x6xf32>, tensor<1x2x6x2xf32>) {
  %0 = weft.transpose %x [0, 2, 3, 1] : tensor<1x2x8x4xf32> -> tensor<1x8x4x2xf32>
  %1 = weft.reshape %0 : tensor<1x8x4x2xf32> -> tensor<1x4x8x2x1xf32>
  %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : tensor<1x4x8x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x2x6x2x1xf32>
  %3 = weft.reshape %2 : tensor<1x2x6x2x1xf32> -> tensor<1x2x6x2xf32>
  %4 = weft.transpose %3 [0, 3, 1, 2] : tensor<1x2x6x2xf32> -> tensor<1x2x2x6xf32>
  %5 = weft.reshape %0 : tensor<1x8x4x2xf32> -> tensor<1x8x4x2x1xf32>
  %6 = weft.convolution %5, %w strides [1, 1] dilations [1, 1] : tensor<1x8x4x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x6x2x2x1xf32>
  %7 = weft.reshape %6 : tensor<1x6x2x2x1xf32> -> tensor<1x6x2x2xf32>
  %8 = weft.reshape %7 : tensor<1x6x2x2xf32> -> tensor<1x2x6x2xf32>
  %9 = weft.transpose %8 [0, 3, 1, 2] : tensor<1x2x6x2xf32> -> tensor<1x2x2x6xf32>
  %10 = weft.transpose %9 [0, 1, 3, 2] : tensor<1x2x2x6xf32> -> tensor<1x2x6x2xf32>
  return %4, %10 : tensor<1x2x2x6xf32>, tensor<1x2x6x2xf32>
}

// One pixel of one image: a product of the weight and the channels, also of every second pixel. A
// weight that is larger than the image stays on the right.
// CHECK-LABEL: func.func @pixels(
// CHECK-SAME: %[[X:.*]]: tensor<1x3x4x6xf32>, %[[W:.*]]: tensor<5x3xf32>, %[[LARGE:.*]]: tensor<7x3xf32>
// CHECK: %[[CHANNELS:.*]] = weft.reshape %[[X]] : tensor<1x3x4x6xf32> -> tensor<3x24xf32>
// CHECK: weft.matmul %[[W]], %[[CHANNELS]] : tensor<5x3xf32>, tensor<3x24xf32> -> tensor<5x24xf32>
// CHECK: %[[SECOND:.*]] = weft.slice %[[X]] starts [0, 0, 0, 0] steps [1, 1, 2, 2] : tensor<1x3x4x6xf32> -> tensor<1x3x2x3xf32>
// CHECK: %[[FEW:.*]] = weft.reshape %[[SECOND]] : tensor<1x3x2x3xf32> -> tensor<3x6xf32>
// CHECK: weft.matmul %[[W]], %[[FEW]] : tensor<5x3xf32>, tensor<3x6xf32> -> tensor<5x6xf32>
// CHECK: weft.matmul %{{.*}}, %[[LARGE]] {transpose_rhs = true}
func.func @pixels(%x: tensor<1x3x4x6xf32>, %w: tensor<5x3xf32>, %large: tensor<7x3xf32>)
    -> (tensor<1x5x4x6xf32>, tensor<1x5x2x3xf32>, tensor<1x7x2x3xf32>) {
  %0 = weft.transpose %x [0, 2, 3, 1] : tensor<1x3x4x6xf32> -> tensor<1x4x6x3xf32>
  %1 = weft.reshape %0 : tensor<1x4x6x3xf32> -> tensor<24x3xf32>
  %2 = weft.matmul %1, %w {transpose_rhs = true} : tensor<24x3xf32>, tensor<5x3xf32> -> tensor<24x5xf32>
  %3 = weft.reshape %2 : tensor<24x5xf32> -> tensor<1x4x6x5xf32>
  %4 = weft.transpose %3 [0, 3, 1, 2] : tensor<1x4x6x5xf32> -> tensor<1x5x4x6xf32>
  %5 = weft.slice %0 starts [0, 0, 0, 0] steps [1, 2, 2, 1] : tensor<1x4x6x3xf32> -> tensor<1x2x3x3xf32>
  %6 = weft.reshape %5 : tensor<1x2x3x3xf32> -> tensor<6x3xf32>
  %7 = weft.matmul %6, %w {transpose_rhs = true} : tensor<6x3xf32>, tensor<5x3xf32> -> tensor<6x5xf32>
  %8 = weft.reshape %7 : tensor<6x5xf32> -> tensor<1x2x3x5xf32>
  %9 = weft.transpose %8 [0, 3, 1, 2] : tensor<1x2x3x5xf32> -> tensor<1x5x2x3xf32>
  %10 = weft.matmul %6, %large {transpose_rhs = true} : tensor<6x3xf32>, tensor<7x3xf32> -> tensor<6x7xf32>
  %11 = weft.reshape %10 : tensor<6x7xf32> -> tensor<1x2x3x7xf32>
  %12 = weft.transpose %11 [0, 3, 1, 2] : tensor<1x2x3x7xf32> -> tensor<1x7x2x3xf32>
  return %4, %9, %12 : tensor<1x5x4x6xf32>, tensor<1x5x2x3xf32>, tensor<1x7x2x3xf32>
}

// Results of long sums are stored turned where the target can; beside a tensor that is channels
// last they stay.
// CHECK-LABEL: func.func @long_sums(
// CHECK-NOT: channels_first
// APART-LABEL: func.func @long_sums(
// APART-SAME: %[[X:.*]]: tensor<2x6x6x22xf32>, %[[W:.*]]: tensor<3x3x22x5xf32>
// APART: weft.convolution %[[X]], %[[W]] strides [1, 1] dilations [1, 1] {channels_first = true} : tensor<2x6x6x22xf32>, tensor<3x3x22x5xf32> -> tensor<2x5x4x4xf32>
// APART-NOT: channels_first
func.func @long_sums(%x: tensor<2x6x6x22xf32>, %w: tensor<3x3x22x5xf32>, %short: tensor<1x1x22x5xf32>,
                     %last: tensor<2x4x4x5xf32>)
    -> (tensor<2x5x4x4xf32>, tensor<2x5x6x6xf32>, tensor<2x5x4x4xf32>) {
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<2x6x6x22xf32>, tensor<3x3x22x5xf32> -> tensor<2x4x4x5xf32>
  %1 = weft.transpose %0 [0, 3, 1, 2] : tensor<2x4x4x5xf32> -> tensor<2x5x4x4xf32>
  %2 = weft.convolution %x, %short strides [1, 1] dilations [1, 1] : tensor<2x6x6x22xf32>, tensor<1x1x22x5xf32> -> tensor<2x6x6x5xf32>
  %3 = weft.transpose %2 [0, 3, 1, 2] : tensor<2x6x6x5xf32> -> tensor<2x5x6x6xf32>
  %4 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<2x6x6x22xf32>, tensor<3x3x22x5xf32> -> tensor<2x4x4x5xf32>
  %5 = weft.add %4, %last : tensor<2x4x4x5xf32>
  %6 = weft.transpose %5 [0, 3, 1, 2] : tensor<2x4x4x5xf32> -> tensor<2x5x4x4xf32>
  return %1, %3, %6 : tensor<2x5x4x4xf32>, tensor<2x5x6x6xf32>, tensor<2x5x4x4xf32>
}
