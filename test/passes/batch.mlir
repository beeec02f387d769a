// RUN: weft-opt %s --weft-batch | FileCheck %s

// CHECK-LABEL: func.func @sum(%arg0: tensor<8x3xf32>) -> tensor<8xf32> {
// CHECK-NEXT: %[[SUM:.*]] = weft.sum %arg0 [1] : tensor<8x3xf32> -> tensor<8xf32>
// CHECK-NEXT: return %[[SUM]]
func.func @sum(%x: tensor<3xf32>) -> tensor<f32> attributes {weft.batch = 8} {
  %0 = weft.sum %x [0] : tensor<3xf32> -> tensor<f32>
  return %0 : tensor<f32>
}

// What is the same for all examples is computed once, and repeated where it meets them.
// CHECK-LABEL: func.func @same(
// CHECK: %[[ONE:.*]] = weft.constant dense<1.0
// CHECK: %[[EXP:.*]] = weft.exp %[[ONE]] : tensor<f32>
// CHECK: %[[ALL:.*]] = weft.broadcast %[[EXP]] [] : tensor<f32> -> tensor<4xf32>
// CHECK: weft.add %arg0, %[[ALL]] : tensor<4xf32>
func.func @same(%x: tensor<f32>) -> tensor<f32> attributes {weft.batch = 4} {
  %0 = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
  %1 = weft.exp %0 : tensor<f32>
  %2 = weft.add %x, %1 : tensor<f32>
  return %2 : tensor<f32>
}

// Rows of all examples by the one matrix: one product.
// CHECK-LABEL: func.func @rows(
// CHECK: %[[ROWS:.*]] = weft.reshape %arg0 : tensor<5x2x3xf32> -> tensor<10x3xf32>
// CHECK: weft.matmul %[[ROWS]], %{{.*}} : tensor<10x3xf32>, tensor<3x4xf32> -> tensor<10x4xf32>
func.func @rows(%x: tensor<2x3xf32>) -> tensor<2x4xf32> attributes {weft.batch = 5} {
  %0 = weft.constant dense<1.0> : tensor<3x4xf32> : tensor<3x4xf32>
  %1 = weft.matmul %x, %0 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// The windows of all images, one after the other.
// CHECK-LABEL: func.func @windows(
// CHECK: weft.reshape %arg0 : tensor<3x2x4x4x1xf32> -> tensor<6x4x4x1xf32>
// CHECK: weft.window_sum
// CHECK: weft.reshape %{{.*}} : tensor<6x2x2x1xf32> -> tensor<3x2x2x2x1xf32>
func.func @windows(%x: tensor<2x4x4x1xf32>) -> tensor<2x2x2x1xf32> attributes {weft.batch = 3} {
  %0 = weft.window_sum %x window [2, 2] strides [2, 2] : tensor<2x4x4x1xf32> -> tensor<2x2x2x1xf32>
  return %0 : tensor<2x2x2x1xf32>
}

// Rows of tables of their own are rows of one table of all of them.
// CHECK-LABEL: func.func @tables(
// CHECK: weft.iota 0
// CHECK: weft.gather %{{.*}}, %{{.*}} axis 0 : tensor<10x3xf32>, tensor<2x4xi64> -> tensor<2x4x3xf32>
func.func @tables(%x: tensor<5x3xf32>, %i: tensor<4xi64>) -> tensor<4x3xf32> attributes {weft.batch = 2} {
  %0 = weft.gather %x, %i axis 0 : tensor<5x3xf32>, tensor<4xi64> -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// A composite is batched by its definition.
// CHECK-LABEL: func.func @composite(%arg0: tensor<2x3x4xf32>)
// CHECK: weft.max %arg0 [2] : tensor<2x3x4xf32> -> tensor<2x3xf32>
// CHECK-NOT: weft.softmax
func.func @composite(%x: tensor<3x4xf32>) -> tensor<3x4xf32> attributes {weft.batch = 2} {
  %0 = weft.softmax %x axis 1 : tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// Each its own key: one draw of a row for each.
// CHECK-LABEL: func.func @keys(
// CHECK: weft.random_bits %{{.*}} : tensor<2x2xi32> -> tensor<2x3xi32>
// CHECK-NOT: weft.concatenate
func.func @keys(%k: tensor<2xi32>) -> tensor<3xi32> attributes {weft.batch = 2} {
  %0 = weft.random_bits %k : tensor<2xi32> -> tensor<3xi32>
  return %0 : tensor<3xi32>
}

// Of no examples nothing is computed.
// CHECK-LABEL: func.func @none(
// CHECK-NOT: weft.gather
// CHECK: weft.constant dense<0.000000e+00> : tensor<0x4x3xf32>
func.func @none(%x: tensor<5x3xf32>, %i: tensor<4xi64>) -> tensor<4x3xf32> attributes {weft.batch = 0} {
  %0 = weft.gather %x, %i axis 0 : tensor<5x3xf32>, tensor<4xi64> -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// What each asks of all: its number says that these are the examples that are meant.
// CHECK-LABEL: func.func @of_all(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>, %{{.*}}: tensor<2xi64>)
// CHECK: %[[SUM:.*]] = weft.sum %[[X]] [0] : tensor<2x3xf32> -> tensor<3xf32>
// CHECK: %[[EACH:.*]] = weft.broadcast %[[SUM]] [1] : tensor<3xf32> -> tensor<2x3xf32>
// CHECK: %[[ALL:.*]] = weft.broadcast %[[EACH]] [1, 2] : tensor<2x3xf32> -> tensor<2x2x3xf32>
// CHECK: weft.sum %[[ALL]] [0] : tensor<2x2x3xf32> -> tensor<2x3xf32>
func.func @of_all(%x: tensor<3xf32>, %i: tensor<i64>) -> tensor<3xf32> attributes {weft.batch = 2} {
  %0 = weft.sum_examples %x at %i : tensor<3xf32>, tensor<i64> -> tensor<3xf32>
  %1 = weft.gather_examples %0 at %i : tensor<3xf32>, tensor<i64> -> tensor<2x3xf32>
  %2 = weft.scatter_examples %1 at %i : tensor<2x3xf32>, tensor<i64> -> tensor<3xf32>
  return %2 : tensor<3xf32>
}
