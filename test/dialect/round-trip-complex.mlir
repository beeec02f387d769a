// Ops between complex tensors and their parts, and those of libraries, read back what they print.
// RUN: weft-opt %s > %t.once
// RUN: weft-opt %t.once | diff %t.once -
// RUN: weft-opt %s --mlir-print-op-generic | weft-opt | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @parts(
// CHECK: weft.real %arg0 : tensor<3xcomplex<f32>> -> tensor<3xf32>
// CHECK: weft.imag %arg0 : tensor<3xcomplex<f32>> -> tensor<3xf32>
// CHECK: weft.complex %{{.*}}, %{{.*}} : tensor<3xf32> -> tensor<3xcomplex<f32>>
// CHECK: weft.conj %{{.*}} : tensor<3xcomplex<f32>>
// CHECK: weft.magnitude %{{.*}} : tensor<3xcomplex<f32>> -> tensor<3xf32>
func.func @parts(%z: tensor<3xcomplex<f32>>) -> tensor<3xf32> {
  %0 = weft.real %z : tensor<3xcomplex<f32>> -> tensor<3xf32>
  %1 = weft.imag %z : tensor<3xcomplex<f32>> -> tensor<3xf32>
  %2 = weft.complex %1, %0 : tensor<3xf32> -> tensor<3xcomplex<f32>>
  %3 = weft.conj %2 : tensor<3xcomplex<f32>>
  %4 = weft.magnitude %3 : tensor<3xcomplex<f32>> -> tensor<3xf32>
  return %4 : tensor<3xf32>
}

// CHECK-LABEL: func.func @library(
// CHECK: weft.cholesky %{{.*}} : tensor<2x4x4xf64>
// CHECK: weft.solve %{{.*}}, %{{.*}} : tensor<2x4x4xf64>, tensor<2x4x1xf64> -> tensor<2x4x1xf64>
// CHECK: weft.solve_triangular %{{.*}}, %{{.*}} {lower = true} : tensor<2x4x4xf64>, tensor<2x4x1xf64> -> tensor<2x4x1xf64>
// CHECK: weft.lu %{{.*}} : tensor<2x4x4xf64>, tensor<2x4xi64>
// CHECK: weft.qr %{{.*}} : tensor<2x4x4xf64> -> tensor<2x4x4xf64>, tensor<2x4x4xf64>
// CHECK: weft.svd %{{.*}} {full = true} : tensor<2x4x4xf64> -> tensor<2x4x4xf64>, tensor<2x4xf64>, tensor<2x4x4xf64>
// CHECK: weft.eigh %{{.*}} : tensor<2x4x4xf64> -> tensor<2x4xf64>, tensor<2x4x4xf64>
// CHECK: weft.svdvals %{{.*}} : tensor<2x4x4xf64> -> tensor<2x4xf64>
// CHECK: weft.eigvalsh %{{.*}} : tensor<2x4x4xf64> -> tensor<2x4xf64>
func.func @library(%x: tensor<2x4x4xf64>, %y: tensor<2x4x1xf64>) -> tensor<2x4x1xf64> {
  %0 = weft.cholesky %x : tensor<2x4x4xf64>
  %1 = weft.solve %0, %y : tensor<2x4x4xf64>, tensor<2x4x1xf64> -> tensor<2x4x1xf64>
  %2 = weft.solve_triangular %0, %1 {lower = true} : tensor<2x4x4xf64>, tensor<2x4x1xf64> -> tensor<2x4x1xf64>
  %3, %4 = weft.lu %x : tensor<2x4x4xf64>, tensor<2x4xi64>
  %5, %6 = weft.qr %x : tensor<2x4x4xf64> -> tensor<2x4x4xf64>, tensor<2x4x4xf64>
  %7, %8, %9 = weft.svd %x {full = true} : tensor<2x4x4xf64> -> tensor<2x4x4xf64>, tensor<2x4xf64>, tensor<2x4x4xf64>
  %10, %11 = weft.eigh %x : tensor<2x4x4xf64> -> tensor<2x4xf64>, tensor<2x4x4xf64>
  %12 = weft.svdvals %x : tensor<2x4x4xf64> -> tensor<2x4xf64>
  %13 = weft.eigvalsh %x : tensor<2x4x4xf64> -> tensor<2x4xf64>
  return %2 : tensor<2x4x1xf64>
}

// CHECK-LABEL: func.func @complex_library(
// CHECK: weft.eig %{{.*}} : tensor<3x3xcomplex<f32>> -> tensor<3xcomplex<f32>>, tensor<3x3xcomplex<f32>>
// CHECK: weft.eigvals %{{.*}} : tensor<3x3xcomplex<f32>> -> tensor<3xcomplex<f32>>
// CHECK: weft.fourier %{{.*}} {inverse = true} : tensor<3xcomplex<f32>>
// CHECK: weft.inverse_real_fourier %{{.*}} {odd = true} : tensor<3xcomplex<f32>> -> tensor<5xf32>
// CHECK: weft.real_fourier %{{.*}} : tensor<5xf32> -> tensor<3xcomplex<f32>>
func.func @complex_library(%x: tensor<3x3xcomplex<f32>>) -> tensor<3xcomplex<f32>> {
  %0, %1 = weft.eig %x : tensor<3x3xcomplex<f32>> -> tensor<3xcomplex<f32>>, tensor<3x3xcomplex<f32>>
  %values = weft.eigvals %x : tensor<3x3xcomplex<f32>> -> tensor<3xcomplex<f32>>
  %2 = weft.fourier %0 {inverse = true} : tensor<3xcomplex<f32>>
  %3 = weft.inverse_real_fourier %2 {odd = true} : tensor<3xcomplex<f32>> -> tensor<5xf32>
  %4 = weft.real_fourier %3 : tensor<5xf32> -> tensor<3xcomplex<f32>>
  return %4 : tensor<3xcomplex<f32>>
}
