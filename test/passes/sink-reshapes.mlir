// RUN: weft-opt %s --weft-sink-reshapes | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf32>
// CHECK-NEXT: %[[SUM:.*]] = weft.sum %[[X]] [1] : tensor<4x8xf32> -> tensor<4xf32>
// CHECK-NEXT: %[[EXP:.*]] = weft.exp %[[SUM]] : tensor<4xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.reshape %[[EXP]] : tensor<4xf32> -> tensor<4x1xf32>
// CHECK-NEXT: return %[[Y]]
func.func @example(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
  %1 = weft.reshape %0 : tensor<4xf32> -> tensor<4x1xf32>
  %2 = weft.exp %1 : tensor<4x1xf32>
  return %2 : tensor<4x1xf32>
}

// A constant of equal elements and a broadcast have every shape for free; a chain sinks to its end.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf32>, %[[S:.*]]: tensor<f32>
// CHECK-DAG: %[[SUM:.*]] = weft.sum %[[X]] [1] : tensor<4x8xf32> -> tensor<4xf32>
// CHECK-DAG: %[[TWO:.*]] = weft.constant dense<2.000000e+00> : tensor<4xf32>
// CHECK-DAG: %[[SPREAD:.*]] = weft.broadcast %[[S]] [] : tensor<f32> -> tensor<4xf32>
// CHECK-DAG: %[[P:.*]] = weft.multiply %[[SUM]], %[[TWO]] : tensor<4xf32>
// CHECK: %[[A:.*]] = weft.add %[[P]], %[[SPREAD]] : tensor<4xf32>
// CHECK: %[[Y:.*]] = weft.reshape %[[A]] : tensor<4xf32> -> tensor<4x1xf32>
// CHECK-NEXT: return %[[Y]]
func.func @chain(%x: tensor<4x8xf32>, %s: tensor<f32>) -> tensor<4x1xf32> {
  %sum = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
  %two = weft.constant dense<2.0> : tensor<4x1xf32> : tensor<4x1xf32>
  %0 = weft.reshape %sum : tensor<4xf32> -> tensor<4x1xf32>
  %1 = weft.multiply %0, %two : tensor<4x1xf32>
  %2 = weft.broadcast %s [] : tensor<f32> -> tensor<4x1xf32>
  %3 = weft.add %1, %2 : tensor<4x1xf32>
  return %3 : tensor<4x1xf32>
}

// Two operands that were reshaped alike; the result may have another dtype.
// CHECK-LABEL: func.func @alike(
// CHECK: %[[X:.*]] = weft.sum
// CHECK: %[[Y:.*]] = weft.max
// CHECK-NEXT: %[[LESS:.*]] = weft.less %[[X]], %[[Y]] : tensor<6xf32> -> tensor<6xi1>
// CHECK-NEXT: weft.reshape %[[LESS]] : tensor<6xi1> -> tensor<2x3xi1>
func.func @alike(%x: tensor<6x8xf32>) -> tensor<2x3xi1> {
  %0 = weft.sum %x [1] : tensor<6x8xf32> -> tensor<6xf32>
  %1 = weft.max %x [1] : tensor<6x8xf32> -> tensor<6xf32>
  %2 = weft.reshape %0 : tensor<6xf32> -> tensor<2x3xf32>
  %3 = weft.reshape %1 : tensor<6xf32> -> tensor<2x3xf32>
  %4 = weft.less %2, %3 : tensor<2x3xf32> -> tensor<2x3xi1>
  return %4 : tensor<2x3xi1>
}

// Arguments are in memory: a reshape of one separates nothing, and one in another shape costs nothing.
// CHECK-LABEL: func.func @arguments(
// CHECK-SAME: %[[X:.*]]: tensor<6xf32>, %[[Y:.*]]: tensor<2x3xf32>
// CHECK-NEXT: %[[VIEW:.*]] = weft.reshape %[[X]] : tensor<6xf32> -> tensor<2x3xf32>
// CHECK-NEXT: %[[SUM:.*]] = weft.add %[[VIEW]], %[[Y]] : tensor<2x3xf32>
// CHECK-NEXT: return %[[SUM]]
func.func @arguments(%x: tensor<6xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = weft.reshape %x : tensor<6xf32> -> tensor<2x3xf32>
  %1 = weft.add %0, %y : tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// An operand that was computed in the other shape holds the reshape where it is.
// CHECK-LABEL: func.func @held(
// CHECK: %[[SUM:.*]] = weft.sum %{{.*}} [1] : tensor<6x8xf32> -> tensor<6xf32>
// CHECK: weft.reshape %[[SUM]] : tensor<6xf32> -> tensor<2x3xf32>
// CHECK: weft.add %{{.*}}, %{{.*}} : tensor<2x3xf32>
func.func @held(%x: tensor<6x8xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = weft.sum %x [1] : tensor<6x8xf32> -> tensor<6xf32>
  %1 = weft.reshape %0 : tensor<6xf32> -> tensor<2x3xf32>
  %2 = weft.exp %y : tensor<2x3xf32>
  %3 = weft.add %1, %2 : tensor<2x3xf32>
  return %3 : tensor<2x3xf32>
}

// Reductions are not elementwise: their order is that of the shape they were written on.
// CHECK-LABEL: func.func @reduction(
// CHECK-NEXT: weft.reshape
// CHECK-NEXT: weft.sum %{{.*}} [1] : tensor<2x3xf32>
func.func @reduction(%x: tensor<6xf32>) -> tensor<2xf32> {
  %0 = weft.reshape %x : tensor<6xf32> -> tensor<2x3xf32>
  %1 = weft.sum %0 [1] : tensor<2x3xf32> -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// A broadcast has a form in the other shape if the dimensions it comes from are in both: one value for
// each channel, over pixels that are one dimension or two.
// CHECK-LABEL: func.func @channels(
// CHECK: %[[PRODUCT:.*]] = weft.matmul
// CHECK: %[[BIAS:.*]] = weft.broadcast %{{.*}} [1] : tensor<8xf32> -> tensor<6x8xf32>
// CHECK: %[[SUM:.*]] = weft.add %[[PRODUCT]], %[[BIAS]] : tensor<6x8xf32>
// CHECK: weft.reshape %[[SUM]] : tensor<6x8xf32> -> tensor<2x3x8xf32>
func.func @channels(%x: tensor<6x4xf32>, %w: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<2x3x8xf32> {
  %0 = weft.matmul %x, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
  %1 = weft.reshape %0 : tensor<6x8xf32> -> tensor<2x3x8xf32>
  %2 = weft.broadcast %b [2] : tensor<8xf32> -> tensor<2x3x8xf32>
  %3 = weft.add %1, %2 : tensor<2x3x8xf32>
  return %3 : tensor<2x3x8xf32>
}

// One value for each row of pixels has none: the rows are part of a dimension there.
// CHECK-LABEL: func.func @rows_of_pixels(
// CHECK: weft.add %{{.*}}, %{{.*}} : tensor<2x3x8xf32>
func.func @rows_of_pixels(%x: tensor<6x4xf32>, %w: tensor<4x8xf32>, %b: tensor<3xf32>) -> tensor<2x3x8xf32> {
  %0 = weft.matmul %x, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
  %1 = weft.reshape %0 : tensor<6x8xf32> -> tensor<2x3x8xf32>
  %2 = weft.broadcast %b [1] : tensor<3xf32> -> tensor<2x3x8xf32>
  %3 = weft.add %1, %2 : tensor<2x3x8xf32>
  return %3 : tensor<2x3x8xf32>
}

// An image enlarged along two dimensions, one after the other, is so at once: the reshape between
// joins a dimension and its copies. One that does more stays.
// CHECK-LABEL: func.func @enlarged(
// CHECK-SAME: %[[X:.*]]: tensor<1x3x5x7xf32>
// CHECK-NEXT: %[[B:.*]] = weft.broadcast %[[X]] [0, 1, 3, 5] : tensor<1x3x5x7xf32> -> tensor<1x3x2x5x4x7xf32>
// CHECK-NEXT: %[[R:.*]] = weft.reshape %[[B]] : tensor<1x3x2x5x4x7xf32> -> tensor<1x6x5x4x7xf32>
// CHECK-NEXT: return %[[R]]
func.func @enlarged(%x: tensor<1x3x5x7xf32>) -> tensor<1x6x5x4x7xf32> {
  %0 = weft.broadcast %x [0, 1, 3, 4] : tensor<1x3x5x7xf32> -> tensor<1x3x2x5x7xf32>
  %1 = weft.reshape %0 : tensor<1x3x2x5x7xf32> -> tensor<1x6x5x7xf32>
  %2 = weft.broadcast %1 [0, 1, 2, 4] : tensor<1x6x5x7xf32> -> tensor<1x6x5x4x7xf32>
  return %2 : tensor<1x6x5x4x7xf32>
}

// CHECK-LABEL: func.func @cut_otherwise(
// CHECK: weft.broadcast {{.*}} -> tensor<3x2x5xf32>
// CHECK-NEXT: weft.reshape
// CHECK-NEXT: weft.broadcast {{.*}} -> tensor<2x15x2xf32>
func.func @cut_otherwise(%x: tensor<3x5xf32>) -> tensor<2x15x2xf32> {
  %0 = weft.broadcast %x [0, 2] : tensor<3x5xf32> -> tensor<3x2x5xf32>
  %1 = weft.reshape %0 : tensor<3x2x5xf32> -> tensor<2x15xf32>
  %2 = weft.broadcast %1 [0, 1] : tensor<2x15xf32> -> tensor<2x15x2xf32>
  return %2 : tensor<2x15x2xf32>
}
