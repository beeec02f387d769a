// RUN: weft-opt %s --weft-decompose --canonicalize --cse | FileCheck %s

// An op on complex tensors is defined by ops on their parts.
// CHECK-LABEL: func.func @product(
// CHECK-DAG: %[[A:.*]] = weft.real %arg0
// CHECK-DAG: %[[B:.*]] = weft.imag %arg0
// CHECK-DAG: %[[C:.*]] = weft.real %arg1
// CHECK-DAG: %[[D:.*]] = weft.imag %arg1
// CHECK-DAG: %[[AC:.*]] = weft.multiply %[[A]], %[[C]]
// CHECK-DAG: %[[BD:.*]] = weft.multiply %[[B]], %[[D]]
// CHECK-DAG: %[[REAL:.*]] = weft.subtract %[[AC]], %[[BD]]
// CHECK-DAG: %[[AD:.*]] = weft.multiply %[[A]], %[[D]]
// CHECK-DAG: %[[BC:.*]] = weft.multiply %[[B]], %[[C]]
// CHECK-DAG: %[[IMAG:.*]] = weft.add %[[AD]], %[[BC]]
// CHECK: weft.complex %[[REAL]], %[[IMAG]]
func.func @product(%x: tensor<3xcomplex<f32>>, %y: tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>> {
  %0 = weft.multiply %x, %y : tensor<3xcomplex<f32>>
  return %0 : tensor<3xcomplex<f32>>
}

// What moves elements moves both parts, and parts that were put together are those that are taken.
// CHECK-LABEL: func.func @moved(
// CHECK-NEXT: %[[T:.*]] = weft.transpose %arg0 [1, 0]
// CHECK-NEXT: return %[[T]] : tensor<3x2xf64>
func.func @moved(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<3x2xf64> {
  %0 = weft.complex %x, %y : tensor<2x3xf64> -> tensor<2x3xcomplex<f64>>
  %1 = weft.transpose %0 [1, 0] : tensor<2x3xcomplex<f64>> -> tensor<3x2xcomplex<f64>>
  %2 = weft.real %1 : tensor<3x2xcomplex<f64>> -> tensor<3x2xf64>
  return %2 : tensor<3x2xf64>
}

// The conjugate of a conjugate is the number again.
// CHECK-LABEL: func.func @twice(
// CHECK-NOT: weft.conj
// CHECK: return
func.func @twice(%x: tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>> {
  %0 = weft.conj %x : tensor<3xcomplex<f32>>
  %1 = weft.conj %0 : tensor<3xcomplex<f32>>
  return %1 : tensor<3xcomplex<f32>>
}
