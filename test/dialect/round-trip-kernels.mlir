// Composites, kernels and launches read back what they print, in both forms.
// RUN: weft-opt %s > %t.once
// RUN: weft-opt %t.once | diff %t.once -
// RUN: weft-opt %s --mlir-print-op-generic | weft-opt | diff %t.once -
// RUN: FileCheck %s < %t.once

// No op of the dialect is missing from the round trips.
// RUN: grep -oE 'WEFT_OP\("weft\.[a-z0-9_]+"' %op-info | sed -E 's/.*"(.*)"/\1/' | sort -u > %t.records
// RUN: cat %S/round-trip-*.mlir | grep -oE 'weft\.[a-z0-9_]+' | sort -u > %t.tested
// RUN: comm -23 %t.records %t.tested | count 0

// CHECK-LABEL: func.func @normalization(
func.func @normalization(%x: tensor<2x3xf32>, %w: tensor<3xf32>, %l: tensor<2xi64>, %k: tensor<2xi32>) -> (tensor<2x3xf32>) {
  // CHECK: weft.softmax %{{[a-z0-9]+}} axis 1 : tensor<2x3xf32>
  %0 = weft.softmax %x axis 1 : tensor<2x3xf32>
  // CHECK: weft.log_softmax %{{[a-z0-9]+}} axis 0 : tensor<2x3xf32>
  %1 = weft.log_softmax %x axis 0 : tensor<2x3xf32>
  // CHECK: weft.layer_norm %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {epsilon = 1.000000e-05 : f64} : tensor<2x3xf32>, tensor<3xf32>
  %2 = weft.layer_norm %x, %w, %w {epsilon = 1.000000e-05 : f64} : tensor<2x3xf32>, tensor<3xf32>
  // CHECK: weft.batch_norm %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {epsilon = 1.000000e-05 : f64} : tensor<2x3xf32>, tensor<3xf32>
  %3 = weft.batch_norm %x, %w, %w, %w, %w {epsilon = 1.000000e-05 : f64} : tensor<2x3xf32>, tensor<3xf32>
  // CHECK: weft.cross_entropy %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<2x3xf32>, tensor<2xi64> -> tensor<2xf32>
  %4 = weft.cross_entropy %x, %l : tensor<2x3xf32>, tensor<2xi64> -> tensor<2xf32>
  // CHECK: weft.dropout %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {probability = 5.000000e-01 : f64} : tensor<2x3xf32>, tensor<2xi32>
  %5 = weft.dropout %x, %k {probability = 5.000000e-01 : f64} : tensor<2x3xf32>, tensor<2xi32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @attention(
func.func @attention(%q: tensor<2x4x8xf32>, %k: tensor<2x6x8xf32>, %v: tensor<2x6x5xf32>) -> (tensor<2x4x5xf32>) {
  // CHECK: weft.scaled_dot_product_attention %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {causal = true, scale = 1.250000e-01 : f64} : tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x5xf32> -> tensor<2x4x5xf32>
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64} : tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x5xf32> -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// CHECK-LABEL: func.func @channels_first(
func.func @channels_first(%x: tensor<1x4x8x8xf32>, %w: tensor<6x2x3x3xf32>, %b: tensor<6xf32>) -> (tensor<1x6x4x4xf32>) {
  // CHECK: weft.conv2d %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {dilations = array<i64: 1, 1>, groups = 2 : i64, padding = array<i64: 1, 1>, strides = array<i64: 2, 2>} : tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32>, tensor<6xf32> -> tensor<1x6x4x4xf32>
  %0 = weft.conv2d %x, %w, %b {dilations = array<i64: 1, 1>, groups = 2 : i64, padding = array<i64: 1, 1>, strides = array<i64: 2, 2>} : tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32>, tensor<6xf32> -> tensor<1x6x4x4xf32>
  // CHECK: weft.conv2d %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {dilations = array<i64: 1, 1>, groups = 2 : i64, padding = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x6x6xf32>
  %1 = weft.conv2d %x, %w {dilations = array<i64: 1, 1>, groups = 2 : i64, padding = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x6x6xf32>
  // CHECK: weft.max_pool2d %{{[a-z0-9]+}} {padding = array<i64: 0, 0>, strides = array<i64: 2, 2>, window = array<i64: 2, 2>} : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  %2 = weft.max_pool2d %x {padding = array<i64: 0, 0>, strides = array<i64: 2, 2>, window = array<i64: 2, 2>} : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  // CHECK: weft.avg_pool2d %{{[a-z0-9]+}} {padding = array<i64: 1, 1>, strides = array<i64: 3, 3>, window = array<i64: 3, 3>} : tensor<1x4x8x8xf32> -> tensor<1x4x3x3xf32>
  %3 = weft.avg_pool2d %x {padding = array<i64: 1, 1>, strides = array<i64: 3, 3>, window = array<i64: 3, 3>} : tensor<1x4x8x8xf32> -> tensor<1x4x3x3xf32>
  return %0 : tensor<1x6x4x4xf32>
}

// CHECK-LABEL: func.func @launches(
func.func @launches(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2xf32>) {
  // CHECK: weft.launch @row_sums(%{{.*}}) sizes [2, 3] : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2xf32>)
  %0, %1 = weft.launch @row_sums(%x) sizes [2, 3] : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2xf32>)
  return %0, %1 : tensor<2x3xf32>, tensor<2xf32>
}

// CHECK-LABEL: weft.kernel @row_sums(
// CHECK-SAME: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> (tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?xf32, #weft.sizes<[0]>>)
// CHECK-SAME: attributes {schedule = #weft.rows<lanes = 16>}
weft.kernel @row_sums(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>)
    -> (tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?xf32, #weft.sizes<[0]>>)
    attributes {schedule = #weft.rows<lanes = 16>} {
  // CHECK: weft.constant dense<2.000000e+00> : tensor<f32> : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %two = weft.constant dense<2.000000e+00> : tensor<f32> : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %0 = weft.multiply %x, %two : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  // CHECK: weft.sum %{{.*}} [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  // CHECK: weft.yield %{{.*}}, %{{.*}} : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0, %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?xf32, #weft.sizes<[0]>>
}

// Every field of a schedule can be written; a tensor of rank 0 has no sizes.
// CHECK-LABEL: weft.kernel @scalar(
// CHECK-SAME: tensor<f32, #weft.sizes<>>
// CHECK-SAME: #weft.contraction<lanes = 8, rows = 6, columns = 2, depth = 128, pack_lhs = true, pack_rhs = true>
weft.kernel @scalar(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>>
    attributes {schedule = #weft.contraction<lanes = 8, rows = 6, columns = 2,
                                          depth = 128, pack_lhs = true, pack_rhs = true>} {
  weft.yield %x : tensor<f32, #weft.sizes<>>
}

// CHECK-LABEL: func.func @prepares(
// CHECK: weft.prepare @prepared(%{{.*}}) : (tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
func.func @prepares(%w: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = weft.prepare @prepared(%w) : (tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}
func.func private @prepared(%w: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  return %w, %w : tensor<3xf32>, tensor<3xf32>
}
