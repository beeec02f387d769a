// RUN: weft-opt %s --weft-batch | FileCheck %s

// Slices of all examples: their dimension comes second.
// CHECK-LABEL: func.func @sums(
// CHECK: %[[S:.*]] = weft.transpose %{{.*}} [1, 0] : tensor<8x5xf32> -> tensor<5x8xf32>
// CHECK: weft.scan [5] init(%{{.*}}) over(%[[S]]) : (tensor<8xf32>, tensor<5x8xf32>) -> tensor<8xf32>
func.func @sums(%x: tensor<f32>, %s: tensor<5xf32>) -> tensor<f32> attributes {weft.batch = 8} {
  %0 = weft.scan [5] init(%x) over(%s) : (tensor<f32>, tensor<5xf32>) -> tensor<f32> {
  ^bb0(%sum: tensor<f32>, %slice: tensor<f32>):
    %1 = weft.add %sum, %slice : tensor<f32>
    weft.yield %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// An index for each example: both branches, and a choice.
// CHECK-LABEL: func.func @choose(
// CHECK-NOT: weft.case
// CHECK: weft.negative %{{.*}} : tensor<8x3xf32>
// CHECK: weft.select
func.func @choose(%index: tensor<i64>, %x: tensor<3xf32>) -> tensor<3xf32> attributes {weft.batch = 8} {
  %0 = weft.case %index with(%x) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%y: tensor<3xf32>):
    weft.yield %y : tensor<3xf32>
  }, {
  ^bb0(%y: tensor<3xf32>):
    %1 = weft.negative %y : tensor<3xf32>
    weft.yield %1 : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// A condition for each example: the loop goes on while one holds, and the others keep their values.
// CHECK-LABEL: func.func @count(
// CHECK: weft.while init(%{{.*}}) with(%{{.*}}) : (tensor<8xi64>, tensor<8xi64>) -> tensor<8xi64>
// CHECK: weft.max %{{.*}} [0] : tensor<8xi1> -> tensor<i1>
// CHECK: } do {
// CHECK: weft.select
func.func @count(%first: tensor<i64>, %last: tensor<i64>) -> tensor<i64> attributes {weft.batch = 8} {
  %0 = weft.while init(%first) with(%last) : (tensor<i64>, tensor<i64>) -> tensor<i64> {
  ^bb0(%i: tensor<i64>, %n: tensor<i64>):
    %1 = weft.less %i, %n : tensor<i64> -> tensor<i1>
    weft.yield %1 : tensor<i1>
  } do {
  ^bb0(%i: tensor<i64>, %n: tensor<i64>):
    %1 = weft.add %i, %n : tensor<i64>
    weft.yield %1 : tensor<i64>
  }
  return %0 : tensor<i64>
}
