// Ops that make, move, reduce and contract read back what they print, in both forms.
// RUN: weft-opt %s > %t.once
// RUN: weft-opt %t.once | diff %t.once -
// RUN: weft-opt %s --mlir-print-op-generic | weft-opt | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @creation(
func.func @creation(%key: tensor<2xi32>) -> (tensor<3xi32>) {
  // CHECK: weft.constant dense<[1, 2, 3]> : tensor<3xi32> : tensor<3xi32>
  %0 = weft.constant dense<[1, 2, 3]> : tensor<3xi32> : tensor<3xi32>
  // CHECK: weft.constant dense<0.000000e+00> : tensor<f32> : tensor<f32>
  %1 = weft.constant dense<0.000000e+00> : tensor<f32> : tensor<f32>
  // CHECK: weft.constant dense<> : tensor<0xf32> : tensor<0xf32>
  %2 = weft.constant dense<> : tensor<0xf32> : tensor<0xf32>
  // CHECK: weft.iota 1 : tensor<2x3xf64>
  %3 = weft.iota 1 : tensor<2x3xf64>
  // CHECK: weft.random_bits %{{[a-z0-9]+}} : tensor<2xi32> -> tensor<5xi32>
  %4 = weft.random_bits %key : tensor<2xi32> -> tensor<5xi32>
  // CHECK: weft.random_bits %{{[a-z0-9]+}} : tensor<2xi32> -> tensor<2x2xi64>
  %5 = weft.random_bits %key : tensor<2xi32> -> tensor<2x2xi64>
  return %0 : tensor<3xi32>
}

// CHECK-LABEL: func.func @keys(
func.func @keys(%keys: tensor<3x2xi32>) -> (tensor<3x5xi64>) {
  // CHECK: weft.random_bits %{{[a-z0-9]+}} : tensor<3x2xi32> -> tensor<3x5xi64>
  %0 = weft.random_bits %keys : tensor<3x2xi32> -> tensor<3x5xi64>
  return %0 : tensor<3x5xi64>
}

// CHECK-LABEL: func.func @rearrangement(
func.func @rearrangement(%x: tensor<2x3xf32>, %s: tensor<f32>) -> (tensor<6x1xf32>) {
  // CHECK: weft.reshape %{{[a-z0-9]+}} : tensor<2x3xf32> -> tensor<6x1xf32>
  %0 = weft.reshape %x : tensor<2x3xf32> -> tensor<6x1xf32>
  // CHECK: weft.transpose %{{[a-z0-9]+}} [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %1 = weft.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  // CHECK: weft.broadcast %{{[a-z0-9]+}} [0, 2] : tensor<2x3xf32> -> tensor<2x4x3xf32>
  %2 = weft.broadcast %x [0, 2] : tensor<2x3xf32> -> tensor<2x4x3xf32>
  // CHECK: weft.broadcast %{{[a-z0-9]+}} [] : tensor<f32> -> tensor<4xf32>
  %3 = weft.broadcast %s [] : tensor<f32> -> tensor<4xf32>
  // CHECK: weft.slice %{{[a-z0-9]+}} starts [1, 2] steps [-1, -2] : tensor<2x3xf32> -> tensor<2x2xf32>
  %4 = weft.slice %x starts [1, 2] steps [-1, -2] : tensor<2x3xf32> -> tensor<2x2xf32>
  // CHECK: weft.pad %{{[a-z0-9]+}}, %{{[a-z0-9]+}} low [1, 0] interior [0, 2] : tensor<2x3xf32>, tensor<f32> -> tensor<4x8xf32>
  %5 = weft.pad %x, %s low [1, 0] interior [0, 2] : tensor<2x3xf32>, tensor<f32> -> tensor<4x8xf32>
  // CHECK: weft.update %{{[a-z0-9]+}}, %{{[a-z0-9]+}} starts [0, 1] steps [1, 2] : tensor<2x3xf32>, tensor<2x1xf32> -> tensor<2x3xf32>
  %9 = weft.slice %x starts [0, 0] steps [1, 1] : tensor<2x3xf32> -> tensor<2x1xf32>
  %8 = weft.update %x, %9 starts [0, 1] steps [1, 2] : tensor<2x3xf32>, tensor<2x1xf32> -> tensor<2x3xf32>
  // CHECK: weft.concatenate %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} axis 0 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32> -> tensor<6x3xf32>
  %6 = weft.concatenate %x, %x, %x axis 0 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32> -> tensor<6x3xf32>
  // CHECK: weft.concatenate %{{[a-z0-9]+}} axis 1 : tensor<2x3xf32> -> tensor<2x3xf32>
  %7 = weft.concatenate %x axis 1 : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<6x1xf32>
}

// CHECK-LABEL: func.func @indexed(
func.func @indexed(%x: tensor<5x2xf32>, %i: tensor<3x4xi64>, %u: tensor<3x4x2xf32>) -> (tensor<5x2xf32>) {
  // CHECK: weft.gather %{{[a-z0-9]+}}, %{{[a-z0-9]+}} axis 0 : tensor<5x2xf32>, tensor<3x4xi64> -> tensor<3x4x2xf32>
  %0 = weft.gather %x, %i axis 0 : tensor<5x2xf32>, tensor<3x4xi64> -> tensor<3x4x2xf32>
  // CHECK: weft.scatter_add %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} axis 0 : tensor<5x2xf32>, tensor<3x4xi64>, tensor<3x4x2xf32>
  %1 = weft.scatter_add %x, %i, %u axis 0 : tensor<5x2xf32>, tensor<3x4xi64>, tensor<3x4x2xf32>
  // CHECK: weft.scatter %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} axis 0 : tensor<5x2xf32>, tensor<3x4xi64>, tensor<3x4x2xf32>
  %2 = weft.scatter %x, %i, %u axis 0 : tensor<5x2xf32>, tensor<3x4xi64>, tensor<3x4x2xf32>
  return %1 : tensor<5x2xf32>
}

// CHECK-LABEL: func.func @reduction(
func.func @reduction(%x: tensor<2x3x4xf32>, %b: tensor<2xi1>) -> (tensor<3xf32>) {
  // CHECK: weft.sum %{{[a-z0-9]+}} [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  %0 = weft.sum %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  // CHECK: weft.prod %{{[a-z0-9]+}} [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  %1 = weft.prod %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  // CHECK: weft.max %{{[a-z0-9]+}} [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  %2 = weft.max %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  // CHECK: weft.min %{{[a-z0-9]+}} [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  %3 = weft.min %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  // CHECK: weft.mean %{{[a-z0-9]+}} [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  %4 = weft.mean %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  // CHECK: weft.variance %{{[a-z0-9]+}} [1] {correction = 1.000000e+00 : f64} : tensor<2x3x4xf32> -> tensor<2x4xf32>
  %5 = weft.variance %x [1] {correction = 1.000000e+00 : f64} : tensor<2x3x4xf32> -> tensor<2x4xf32>
  // CHECK: weft.sum %{{[a-z0-9]+}} [] : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %6 = weft.sum %x [] : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  // CHECK: weft.argmax %{{[a-z0-9]+}} [1] : tensor<2x3x4xf32> -> tensor<2x4xi64>
  %7 = weft.argmax %x [1] : tensor<2x3x4xf32> -> tensor<2x4xi64>
  // CHECK: weft.argmin %{{[a-z0-9]+}} [2] : tensor<2x3x4xf32> -> tensor<2x3xi64>
  %8 = weft.argmin %x [2] : tensor<2x3x4xf32> -> tensor<2x3xi64>
  // CHECK: weft.max %{{[a-z0-9]+}} [0] : tensor<2xi1> -> tensor<i1>
  %9 = weft.max %b [0] : tensor<2xi1> -> tensor<i1>
  return %0 : tensor<3xf32>
}

// CHECK-LABEL: func.func @along_axis(
func.func @along_axis(%x: tensor<2x3xf32>) -> (tensor<2x3xi64>) {
  // CHECK: weft.cumulative_sum %{{[a-z0-9]+}} axis 1 : tensor<2x3xf32>
  %0 = weft.cumulative_sum %x axis 1 : tensor<2x3xf32>
  // CHECK: weft.cumulative_prod %{{[a-z0-9]+}} axis 0 {reversed = true} : tensor<2x3xf32>
  %1 = weft.cumulative_prod %x axis 0 {reversed = true} : tensor<2x3xf32>
  // CHECK: weft.sort %{{[a-z0-9]+}} axis 1 : tensor<2x3xf32>, tensor<2x3xi64>
  %2, %3 = weft.sort %x axis 1 : tensor<2x3xf32>, tensor<2x3xi64>
  // CHECK: weft.sort %{{[a-z0-9]+}} axis 0 {descending = true} : tensor<2x3xf32>, tensor<2x3xi64>
  %4, %5 = weft.sort %x axis 0 {descending = true} : tensor<2x3xf32>, tensor<2x3xi64>
  return %5 : tensor<2x3xi64>
}

// CHECK-LABEL: func.func @contraction(
func.func @contraction(%a: tensor<5x2x3xf32>, %b: tensor<5x3x4xf32>, %x: tensor<1x8x8x2x3xf32>, %w: tensor<3x3x3x2x4xf32>) -> (tensor<3x3x3x2x4xf32>) {
  // CHECK: weft.matmul %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<5x2x3xf32>, tensor<5x3x4xf32> -> tensor<5x2x4xf32>
  %0 = weft.matmul %a, %b : tensor<5x2x3xf32>, tensor<5x3x4xf32> -> tensor<5x2x4xf32>
  // CHECK: weft.matmul %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {transpose_lhs = true, transpose_rhs = true} : tensor<5x3x4xf32>, tensor<5x2x3xf32> -> tensor<5x4x2xf32>
  %1 = weft.matmul %b, %a {transpose_lhs = true, transpose_rhs = true} : tensor<5x3x4xf32>, tensor<5x2x3xf32> -> tensor<5x4x2xf32>
  // CHECK: weft.convolution %{{[a-z0-9]+}}, %{{[a-z0-9]+}} strides [2, 1] dilations [1, 2] : tensor<1x8x8x2x3xf32>, tensor<3x3x3x2x4xf32> -> tensor<1x3x4x2x4xf32>
  %2 = weft.convolution %x, %w strides [2, 1] dilations [1, 2] : tensor<1x8x8x2x3xf32>, tensor<3x3x3x2x4xf32> -> tensor<1x3x4x2x4xf32>
  // CHECK: weft.convolution_weight_gradient %{{[a-z0-9]+}}, %{{[a-z0-9]+}} strides [2, 1] dilations [1, 2] : tensor<1x8x8x2x3xf32>, tensor<1x3x4x2x4xf32> -> tensor<3x3x3x2x4xf32>
  %3 = weft.convolution_weight_gradient %x, %2 strides [2, 1] dilations [1, 2] : tensor<1x8x8x2x3xf32>, tensor<1x3x4x2x4xf32> -> tensor<3x3x3x2x4xf32>
  return %3 : tensor<3x3x3x2x4xf32>
}

// CHECK-LABEL: func.func @depthwise(
func.func @depthwise(%x: tensor<2x3x5x4xf32>, %w: tensor<3x2x3xf32>, %v: tensor<3x2x4xf32>) -> tensor<2x3x3x4xf32> {
  // CHECK: weft.depthwise_convolution %{{[a-z0-9]+}}, %{{[a-z0-9]+}} window [2, 3] strides [2, 1] dilations [2, 1] low [1, 0] high [0, 2] : tensor<2x3x5x4xf32>, tensor<3x2x3xf32> -> tensor<2x3x2x4xf32>
  %0 = weft.depthwise_convolution %x, %w window [2, 3] strides [2, 1] dilations [2, 1] low [1, 0] high [0, 2] : tensor<2x3x5x4xf32>, tensor<3x2x3xf32> -> tensor<2x3x2x4xf32>
  // CHECK: weft.depthwise_convolution %{{[a-z0-9]+}}, %{{[a-z0-9]+}} window [2, 3] strides [1, 1] dilations [2, 2] low [0, 3] high [2, 1] {joined = true} : tensor<2x3x5x4xf32>, tensor<3x2x3xf32> -> tensor<2x3x20xf32>
  %rows = weft.depthwise_convolution %x, %w window [2, 3] strides [1, 1] dilations [2, 2] low [0, 3] high [2, 1] {joined = true} : tensor<2x3x5x4xf32>, tensor<3x2x3xf32> -> tensor<2x3x20xf32>
  // CHECK: weft.depthwise_convolution %{{[a-z0-9]+}}, %{{[a-z0-9]+}} window [3, 2] strides [1, 2] dilations [1, 1] low [0, 1] high [1, 0] {channels_last = true} : tensor<2x3x5x4xf32>, tensor<3x2x4xf32> -> tensor<2x2x3x4xf32>
  %last = weft.depthwise_convolution %x, %v window [3, 2] strides [1, 2] dilations [1, 1] low [0, 1] high [1, 0] {channels_last = true} : tensor<2x3x5x4xf32>, tensor<3x2x4xf32> -> tensor<2x2x3x4xf32>
  // CHECK: weft.depthwise_convolution
  %1 = weft.depthwise_convolution %x, %w window [2, 3] strides [2, 1] dilations [1, 1] low [1, 1] high [1, 1] : tensor<2x3x5x4xf32>, tensor<3x2x3xf32> -> tensor<2x3x3x4xf32>
  return %1 : tensor<2x3x3x4xf32>
}

// CHECK-LABEL: func.func @windows(
func.func @windows(%x: tensor<1x5x5x3xf32>) -> (tensor<1x5x5x3xf32>) {
  // CHECK: weft.window_max_index %{{[a-z0-9]+}} window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x2x2x3xui8>
  %0 = weft.window_max_index %x window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x2x2x3xui8>
  // CHECK: weft.window_gather %{{[a-z0-9]+}}, %{{[a-z0-9]+}} window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32>, tensor<1x2x2x3xui8> -> tensor<1x2x2x3xf32>
  %1 = weft.window_gather %x, %0 window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32>, tensor<1x2x2x3xui8> -> tensor<1x2x2x3xf32>
  // CHECK: weft.window_scatter %{{[a-z0-9]+}}, %{{[a-z0-9]+}} window [3, 3] strides [2, 2] : tensor<1x2x2x3xf32>, tensor<1x2x2x3xui8> -> tensor<1x5x5x3xf32>
  %2 = weft.window_scatter %1, %0 window [3, 3] strides [2, 2] : tensor<1x2x2x3xf32>, tensor<1x2x2x3xui8> -> tensor<1x5x5x3xf32>
  // CHECK: weft.window_sum %{{[a-z0-9]+}} window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x2x2x3xf32>
  %3 = weft.window_sum %x window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x2x2x3xf32>
  // CHECK: weft.window_spread %{{[a-z0-9]+}} window [3, 3] strides [2, 2] : tensor<1x2x2x3xf32> -> tensor<1x5x5x3xf32>
  %4 = weft.window_spread %3 window [3, 3] strides [2, 2] : tensor<1x2x2x3xf32> -> tensor<1x5x5x3xf32>
  return %4 : tensor<1x5x5x3xf32>
}

// In a kernel numbers may be those that the launch gives.
// CHECK-LABEL: weft.kernel @from_launch(
// CHECK: weft.slice %{{[a-z0-9]+}} starts [?0, 0] steps [-1, ?1]
weft.kernel @from_launch(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[2, 3]>> {
  %0 = weft.slice %x starts [?0, 0] steps [-1, ?1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[2, 3]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[2, 3]>>
}
