// RUN: weft-opt %s --weft-split-reductions | FileCheck %s

// The documented example: the innermost axes first.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>
// CHECK-NEXT: %[[ROWS:.*]] = weft.sum %[[X]] [2] : tensor<2x3x4xf32> -> tensor<2x3xf32>
// CHECK-NEXT: %[[ALL:.*]] = weft.sum %[[ROWS]] [0] : tensor<2x3xf32> -> tensor<3xf32>
// CHECK-NEXT: return %[[ALL]]
func.func @example(%x: tensor<2x3x4xf32>) -> tensor<3xf32> {
  %0 = weft.sum %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// Neighbouring axes stay together.
// CHECK-LABEL: func.func @runs(
// CHECK: %[[A:.*]] = weft.max %{{.*}} [4, 5] : tensor<2x3x4x5x6x7xi32> -> tensor<2x3x4x5xi32>
// CHECK: %[[B:.*]] = weft.max %[[A]] [1, 2] : tensor<2x3x4x5xi32> -> tensor<2x5xi32>
// CHECK: %[[C:.*]] = weft.prod %{{.*}} [0, 1, 2, 3, 4, 5] : tensor<2x3x4x5x6x7xi32> -> tensor<i32>
// CHECK: return %[[B]], %[[C]]
func.func @runs(%x: tensor<2x3x4x5x6x7xi32>) -> (tensor<2x5xi32>, tensor<i32>) {
  %0 = weft.max %x [1, 2, 4, 5] : tensor<2x3x4x5x6x7xi32> -> tensor<2x5xi32>
  %1 = weft.prod %x [0, 1, 2, 3, 4, 5] : tensor<2x3x4x5x6x7xi32> -> tensor<i32>
  return %0, %1 : tensor<2x5xi32>, tensor<i32>
}

// Three runs, three reductions.
// CHECK-LABEL: func.func @every_other(
// CHECK-COUNT-3: weft.min
// CHECK-NOT: weft.min
func.func @every_other(%x: tensor<2x3x4x5x6xf32>) -> tensor<3x5xf32> {
  %0 = weft.min %x [0, 2, 4] : tensor<2x3x4x5x6xf32> -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}

// Half precision is rounded once, at the end.
// CHECK-LABEL: func.func @half(
// CHECK: %[[WIDE:.*]] = weft.cast %{{.*}} : tensor<2x3x4xf16> -> tensor<2x3x4xf32>
// CHECK: %[[A:.*]] = weft.sum %[[WIDE]] [2] : tensor<2x3x4xf32> -> tensor<2x3xf32>
// CHECK: %[[B:.*]] = weft.sum %[[A]] [0] : tensor<2x3xf32> -> tensor<3xf32>
// CHECK: weft.cast %[[B]] : tensor<3xf32> -> tensor<3xf16>
func.func @half(%x: tensor<2x3x4xf16>) -> tensor<3xf16> {
  %0 = weft.sum %x [0, 2] : tensor<2x3x4xf16> -> tensor<3xf16>
  return %0 : tensor<3xf16>
}

// A reduction of no axes is nothing.
// CHECK-LABEL: func.func @none(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>
// CHECK-NEXT: return %[[X]]
func.func @none(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = weft.sum %x [] : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// Positions are those along one axis: argmax is never split.
// CHECK-LABEL: func.func @positions(
// CHECK-NEXT: weft.argmax %{{.*}} [0] : tensor<2x3xf32> -> tensor<3xi64>
func.func @positions(%x: tensor<2x3xf32>) -> tensor<3xi64> {
  %0 = weft.argmax %x [0] : tensor<2x3xf32> -> tensor<3xi64>
  return %0 : tensor<3xi64>
}
