// RUN: weft-opt %s --weft-split-complex | FileCheck %s

// The memory of complex numbers is that of pairs of parts, and so are the types of functions.
// CHECK-LABEL: func.func @swap(
// CHECK-SAME: %[[Z:.*]]: tensor<4x2xf32> {weft.pairs}) -> (tensor<4x2xf32> {weft.pairs})
// CHECK-NEXT: %[[FIRST:.*]] = weft.slice %[[Z]] starts [0, 0] steps [1, 1] : tensor<4x2xf32> -> tensor<4x1xf32>
// CHECK-NEXT: %[[REAL:.*]] = weft.reshape %[[FIRST]]
// CHECK-NEXT: %[[SECOND:.*]] = weft.slice %[[Z]] starts [0, 1] steps [1, 1] : tensor<4x2xf32> -> tensor<4x1xf32>
// CHECK-NEXT: %[[IMAG:.*]] = weft.reshape %[[SECOND]]
// CHECK-NEXT: %[[LEFT:.*]] = weft.reshape %[[IMAG]]
// CHECK-NEXT: %[[RIGHT:.*]] = weft.reshape %[[REAL]]
// CHECK-NEXT: %[[PAIRS:.*]] = weft.concatenate %[[LEFT]], %[[RIGHT]] axis 1
// CHECK-NEXT: return %[[PAIRS]] : tensor<4x2xf32>
func.func @swap(%z: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
  %0 = weft.real %z : tensor<4xcomplex<f32>> -> tensor<4xf32>
  %1 = weft.imag %z : tensor<4xcomplex<f32>> -> tensor<4xf32>
  %2 = weft.complex %1, %0 : tensor<4xf32> -> tensor<4xcomplex<f32>>
  return %2 : tensor<4xcomplex<f32>>
}

// What is not complex stays as it is; constants that are returned are pairs.
// CHECK-LABEL: func.func @constant(
// CHECK-SAME: %[[X:.*]]: tensor<3xf64>) -> (tensor<2x2xf64> {weft.pairs}, tensor<3xf64>)
// CHECK-NEXT: %[[PAIRS:.*]] = weft.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]> : tensor<2x2xf64>
// CHECK-NEXT: return %[[PAIRS]], %[[X]]
func.func @constant(%x: tensor<3xf64>) -> (tensor<2xcomplex<f64>>, tensor<3xf64>) {
  %0 = weft.constant dense<[(1.0, 2.0), (3.0, 4.0)]> : tensor<2xcomplex<f64>> : tensor<2xcomplex<f64>>
  return %0, %x : tensor<2xcomplex<f64>>, tensor<3xf64>
}

// A library's transform has pairs where it had complex numbers, of its result alone here.
// CHECK-LABEL: func.func @transform(
// CHECK-NEXT: %[[PAIRS:.*]] = weft.real_fourier %{{.*}} {pairs = true} : tensor<2x4xf32> -> tensor<2x3x2xf32>
// CHECK-NEXT: weft.inverse_real_fourier %[[PAIRS]] {odd = false, pairs = true} : tensor<2x3x2xf32> -> tensor<2x4xf32>
func.func @transform(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %0 = weft.real_fourier %x : tensor<2x4xf32> -> tensor<2x3xcomplex<f32>>
  %1 = weft.inverse_real_fourier %0 {odd = false} : tensor<2x3xcomplex<f32>> -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}
