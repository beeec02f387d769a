// Each canonicalisation pattern, and what it leaves alone.
// RUN: weft-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @compose_transposes(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.transpose %[[X]] [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
// CHECK-NEXT: return %[[Y]], %[[X]]
func.func @compose_transposes(%x: tensor<2x3x4xf32>) -> (tensor<4x2x3xf32>, tensor<2x3x4xf32>) {
  %0 = weft.transpose %x [1, 2, 0] : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  %1 = weft.transpose %0 [1, 2, 0] : tensor<3x4x2xf32> -> tensor<4x2x3xf32>
  %2 = weft.transpose %1 [1, 2, 0] : tensor<4x2x3xf32> -> tensor<2x3x4xf32>
  return %1, %2 : tensor<4x2x3xf32>, tensor<2x3x4xf32>
}

// A transpose that only moves dimensions of size 1 is a reshape.
// CHECK-LABEL: func.func @transpose_of_units(
// CHECK-SAME: %[[X:.*]]: tensor<1x3x1x4xf32>, %[[U:.*]]: tensor<1x?xf32>
// CHECK-DAG: %[[Y:.*]] = weft.reshape %[[X]] : tensor<1x3x1x4xf32> -> tensor<3x4x1x1xf32>
// CHECK-DAG: %[[V:.*]] = weft.transpose %[[U]] [1, 0]
// CHECK: return %[[Y]], %[[V]]
func.func @transpose_of_units(%x: tensor<1x3x1x4xf32>, %u: tensor<1x?xf32>)
    -> (tensor<3x4x1x1xf32>, tensor<?x1xf32>) {
  %0 = weft.transpose %x [1, 3, 0, 2] : tensor<1x3x1x4xf32> -> tensor<3x4x1x1xf32>
  %1 = weft.transpose %u [1, 0] : tensor<1x?xf32> -> tensor<?x1xf32>
  return %0, %1 : tensor<3x4x1x1xf32>, tensor<?x1xf32>
}

// CHECK-LABEL: func.func @drop_unit_dimensions(
// CHECK-SAME: %[[X:.*]]: tensor<1x3x1xf32>
// CHECK-NEXT: %[[V:.*]] = weft.reshape %[[X]] : tensor<1x3x1xf32> -> tensor<3xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.broadcast %[[V]] [1] : tensor<3xf32> -> tensor<2x3x4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @drop_unit_dimensions(%x: tensor<1x3x1xf32>) -> tensor<2x3x4xf32> {
  %0 = weft.broadcast %x [0, 1, 2] : tensor<1x3x1xf32> -> tensor<2x3x4xf32>
  return %0 : tensor<2x3x4xf32>
}

// A dimension of size 1 that stays 1 is not repeated.
// CHECK-LABEL: func.func @keep_unit_dimensions(
// CHECK-NEXT: weft.broadcast %{{.*}} [1, 2] : tensor<1x3xf32> -> tensor<5x1x3xf32>
func.func @keep_unit_dimensions(%x: tensor<1x3xf32>) -> tensor<5x1x3xf32> {
  %0 = weft.broadcast %x [1, 2] : tensor<1x3xf32> -> tensor<5x1x3xf32>
  return %0 : tensor<5x1x3xf32>
}

// CHECK-LABEL: func.func @compose_broadcasts(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.broadcast %[[X]] [2] : tensor<3xf32> -> tensor<4x2x3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @compose_broadcasts(%x: tensor<3xf32>) -> tensor<4x2x3xf32> {
  %0 = weft.broadcast %x [1] : tensor<3xf32> -> tensor<2x3xf32>
  %1 = weft.broadcast %0 [1, 2] : tensor<2x3xf32> -> tensor<4x2x3xf32>
  return %1 : tensor<4x2x3xf32>
}

// CHECK-LABEL: func.func @absorb_transposes(
// CHECK-SAME: %[[A:.*]]: tensor<5x3x2xf32>, %[[B:.*]]: tensor<5x4x3xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.matmul %[[A]], %[[B]] {transpose_lhs = true, transpose_rhs = true}
// CHECK-NEXT: %[[Z:.*]] = weft.matmul %[[B]], %[[A]] :
// CHECK-NEXT: return %[[Y]], %[[Z]]
func.func @absorb_transposes(%a: tensor<5x3x2xf32>, %b: tensor<5x4x3xf32>)
    -> (tensor<5x2x4xf32>, tensor<5x4x2xf32>) {
  %0 = weft.transpose %a [0, 2, 1] : tensor<5x3x2xf32> -> tensor<5x2x3xf32>
  %1 = weft.transpose %b [0, 2, 1] : tensor<5x4x3xf32> -> tensor<5x3x4xf32>
  %2 = weft.matmul %0, %1 : tensor<5x2x3xf32>, tensor<5x3x4xf32> -> tensor<5x2x4xf32>
  // Twice the other way round is as stored.
  %3 = weft.matmul %1, %0 {transpose_lhs = true, transpose_rhs = true} : tensor<5x3x4xf32>, tensor<5x2x3xf32> -> tensor<5x4x2xf32>
  return %2, %3 : tensor<5x2x4xf32>, tensor<5x4x2xf32>
}

// A transpose that moves a batch dimension is not the matmul's.
// CHECK-LABEL: func.func @keep_transpose(
// CHECK-NEXT: weft.transpose
// CHECK-NEXT: weft.matmul %{{.*}}, %{{.*}} :
func.func @keep_transpose(%a: tensor<2x5x3xf32>, %b: tensor<5x3x4xf32>) -> tensor<5x2x4xf32> {
  %0 = weft.transpose %a [1, 0, 2] : tensor<2x5x3xf32> -> tensor<5x2x3xf32>
  %1 = weft.matmul %0, %b : tensor<5x2x3xf32>, tensor<5x3x4xf32> -> tensor<5x2x4xf32>
  return %1 : tensor<5x2x4xf32>
}

// A power with a known exponent that has products is these products; others stay powers.
// CHECK-LABEL: func.func @fixed_exponents(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[N:.*]]: tensor<3xi32>
// CHECK-DAG: %[[ROOT:.*]] = weft.fixed_pow %[[X]] exponent -5.000000e-01 : tensor<3xf32>
// CHECK-DAG: %[[CUBE:.*]] = weft.fixed_pow %[[N]] exponent 3.000000e+00 : tensor<3xi32>
// CHECK-DAG: %[[POWER:.*]] = weft.pow %[[X]], %{{.*}} : tensor<3xf32>
// CHECK-DAG: %[[INVERSE:.*]] = weft.pow %[[N]], %{{.*}} : tensor<3xi32>
// CHECK: return %[[ROOT]], %[[CUBE]], %[[POWER]], %[[INVERSE]]
func.func @fixed_exponents(%x: tensor<3xf32>, %n: tensor<3xi32>)
    -> (tensor<3xf32>, tensor<3xi32>, tensor<3xf32>, tensor<3xi32>) {
  %half = weft.constant dense<-0.5> : tensor<3xf32> : tensor<3xf32>
  %three = weft.constant dense<3> : tensor<3xi32> : tensor<3xi32>
  %other = weft.constant dense<2.5> : tensor<3xf32> : tensor<3xf32>
  %minus = weft.constant dense<-1> : tensor<3xi32> : tensor<3xi32>
  %0 = weft.pow %x, %half : tensor<3xf32>
  %1 = weft.pow %n, %three : tensor<3xi32>
  %2 = weft.pow %x, %other : tensor<3xf32>
  %3 = weft.pow %n, %minus : tensor<3xi32>
  return %0, %1, %2, %3 : tensor<3xf32>, tensor<3xi32>, tensor<3xf32>, tensor<3xi32>
}

// An update has as few dimensions as its elements are evenly apart in.
// CHECK-LABEL: func.func @rows_and_columns(
// CHECK-DAG: weft.update %{{.*}}, %{{.*}} starts [12] steps [1] : tensor<60xf32>, tensor<8xf32> -> tensor<60xf32>
// CHECK-DAG: weft.update %{{.*}}, %{{.*}} starts [2] steps [4] : tensor<60xf32>, tensor<15xf32> -> tensor<60xf32>
// CHECK-DAG: weft.update %{{.*}}, %{{.*}} starts [0, 4] steps [2, 1] : tensor<5x12xf32>, tensor<3x8xf32> -> tensor<5x12xf32>
func.func @rows_and_columns(%x: tensor<5x3x4xf32>, %row: tensor<1x2x4xf32>, %column: tensor<5x3x1xf32>, %block: tensor<3x2x4xf32>)
    -> (tensor<5x3x4xf32>, tensor<5x3x4xf32>, tensor<5x3x4xf32>) {
  %0 = weft.update %x, %row starts [1, 0, 0] steps [1, 1, 1] : tensor<5x3x4xf32>, tensor<1x2x4xf32> -> tensor<5x3x4xf32>
  %1 = weft.update %x, %column starts [0, 0, 2] steps [1, 1, 1] : tensor<5x3x4xf32>, tensor<5x3x1xf32> -> tensor<5x3x4xf32>
  %2 = weft.update %x, %block starts [0, 1, 0] steps [2, 1, 1] : tensor<5x3x4xf32>, tensor<3x2x4xf32> -> tensor<5x3x4xf32>
  return %0, %1, %2 : tensor<5x3x4xf32>, tensor<5x3x4xf32>, tensor<5x3x4xf32>
}
