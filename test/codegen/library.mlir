// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s

// A library's function is called once for each matrix, with the places of operands and results, the
// sizes of the matrices, and the op's options.
// CHECK-LABEL: func.func @qr_{{[0-9a-f]+}}_0(
// CHECK: scf.for
// CHECK: func.call @weft_library_qr_f64(%[[X:.*]], %[[Q:.*]], %[[R:.*]], %[[M:.*]], %[[N:.*]], %[[FULL:.*]]) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64, i64) -> ()
// CHECK: func.func private @weft_library_qr_f64(
func.func @several(%x: tensor<7x5x3xf64>) -> (tensor<7x5x3xf64>, tensor<7x3x3xf64>) {
  %0, %1 = weft.qr %x : tensor<7x5x3xf64> -> tensor<7x5x3xf64>, tensor<7x3x3xf64>
  return %0, %1 : tensor<7x5x3xf64>, tensor<7x3x3xf64>
}

// Complex matrices are pairs of parts in memory, which the library reads as they are; a result that
// nobody reads has no place.
// CHECK-LABEL: func.func @eigh_{{[0-9a-f]+}}_0(
// CHECK: %[[NULL:.*]] = llvm.mlir.zero : !llvm.ptr
// CHECK: func.call @weft_library_eigh_c32(%{{.*}}, %{{.*}}, %[[NULL]], %{{.*}}, %{{.*}})
func.func @values_of_both(%x: tensor<3x3xcomplex<f32>>) -> tensor<3xf32> {
  %0, %1 = weft.eigh %x : tensor<3x3xcomplex<f32>> -> tensor<3xf32>, tensor<3x3xcomplex<f32>>
  return %0 : tensor<3xf32>
}

// Values without vectors are an op of their own, as LAPACK computes them by another algorithm: the
// bits of a result don't depend on which others are read.
// CHECK-LABEL: func.func @eigvalsh_{{[0-9a-f]+}}_0(
// CHECK: func.call @weft_library_eigvalsh_c32(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
func.func @values_alone(%x: tensor<3x3xcomplex<f32>>) -> tensor<3xf32> {
  %0 = weft.eigvalsh %x : tensor<3x3xcomplex<f32>> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
