// RUN: weft-opt %s --weft-arrange-constants --split-input-file | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<4x3xf32>
// CHECK: %[[W:.*]] = weft.constant dense<{{\[}}[1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// CHECK: weft.matmul %[[X]], %[[W]] : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
func.func @example(%x: tensor<4x3xf32>) -> tensor<4x2xf32> {
  %w = weft.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32> : tensor<2x3xf32>
  %y = weft.matmul %x, %w {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

// Of three dimensions, and through a reshape.
// CHECK-LABEL: func.func @rotated(
// CHECK-NEXT: %[[C:.*]] = weft.constant dense<[1, 4, 2, 5, 3, 6]> : tensor<6xi16>
// CHECK-NEXT: return %[[C]]
func.func @rotated() -> tensor<6xi16> {
  %0 = weft.constant dense<[[[1, 2, 3]], [[4, 5, 6]]]> : tensor<2x1x3xi16> : tensor<2x1x3xi16>
  %1 = weft.transpose %0 [2, 1, 0] : tensor<2x1x3xi16> -> tensor<3x1x2xi16>
  %2 = weft.reshape %1 : tensor<3x1x2xi16> -> tensor<6xi16>
  return %2 : tensor<6xi16>
}

// -----

// A resource stays one, and keeps the name that its file knows it by.
// CHECK-LABEL: func.func @resource(
// CHECK: weft.constant {weft.name = "layer.weight"} dense_resource<w_1> : tensor<2x1xf32>
// CHECK: w_1: "0x400000000000803F00000040"
func.func @resource() -> tensor<2x1xf32> {
  %0 = weft.constant {weft.name = "layer.weight"} dense_resource<w> : tensor<1x2xf32> : tensor<1x2xf32>
  %1 = weft.transpose %0 [1, 0] : tensor<1x2xf32> -> tensor<2x1xf32>
  return %1 : tensor<2x1xf32>
}
{-#
  dialect_resources: {
    builtin: {
      w: "0x040000000000803F00000040"
    }
  }
#-}

// -----

// Arguments and bools are left alone; constants of equal elements fold.
// CHECK-LABEL: func.func @others(
// CHECK: weft.constant dense<1.000000e+00> : tensor<3x2xf32>
// CHECK-COUNT-2: weft.transpose
func.func @others(%x: tensor<2x3xf32>) -> (tensor<3x2xf32>, tensor<2x1xi1>, tensor<3x2xf32>) {
  %0 = weft.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %1 = weft.constant dense<[[true, false]]> : tensor<1x2xi1> : tensor<1x2xi1>
  %2 = weft.transpose %1 [1, 0] : tensor<1x2xi1> -> tensor<2x1xi1>
  %3 = weft.constant dense<1.0> : tensor<2x3xf32> : tensor<2x3xf32>
  %4 = weft.transpose %3 [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  return %0, %2, %4 : tensor<3x2xf32>, tensor<2x1xi1>, tensor<3x2xf32>
}
