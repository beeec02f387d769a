// RUN: weft-opt %s | FileCheck %s
// RUN: weft-opt %s --weft-decompose | FileCheck %s --check-prefix=DEFINITION
// RUN: weft-opt %s --weft-decompose=keep-kernels=true | FileCheck %s --check-prefix=KERNEL

// CHECK: weft.quantized_matmul %{{.*}}, %{{.*}}, %{{.*}} {bits = 4 : i64} : tensor<5x3x8xf32>, tensor<2x3x4xui8>, tensor<2x3xf32> -> tensor<5x2xf32>
// DEFINITION-LABEL: func.func @four(
// DEFINITION: weft.bitwise_and
// DEFINITION: weft.bitwise_right_shift
// DEFINITION: weft.concatenate
// DEFINITION: weft.cast %{{.*}} : tensor<2x3x8xui8> -> tensor<2x3x8xf32>
// DEFINITION: weft.subtract
// DEFINITION: weft.multiply
// DEFINITION: weft.matmul %{{.*}}, %{{.*}} {transpose_rhs = true} : tensor<5x24xf32>, tensor<2x24xf32> -> tensor<5x2xf32>
// KERNEL-LABEL: func.func @four(
// KERNEL-NEXT: weft.quantized_matmul
func.func @four(%x: tensor<5x3x8xf32>, %w: tensor<2x3x4xui8>, %s: tensor<2x3xf32>) -> tensor<5x2xf32> {
  %0 = weft.quantized_matmul %x, %w, %s {bits = 4 : i64} : tensor<5x3x8xf32>, tensor<2x3x4xui8>, tensor<2x3xf32> -> tensor<5x2xf32>
  return %0 : tensor<5x2xf32>
}

// CHECK: weft.quantized_values %{{.*}}, %{{.*}}, %{{.*}} {bits = 8 : i64} : tensor<2x3x4xi8>, tensor<2x3xf32>, tensor<2x3xi8> -> tensor<2x3x4xf32>
// KERNEL-LABEL: func.func @eight(
// KERNEL: weft.subtract
// KERNEL: weft.multiply
// KERNEL-NOT: weft.quantized
func.func @eight(%w: tensor<2x3x4xi8>, %s: tensor<2x3xf32>, %z: tensor<2x3xi8>) -> tensor<2x3x4xf32> {
  %0 = weft.quantized_values %w, %s, %z {bits = 8 : i64} : tensor<2x3x4xi8>, tensor<2x3xf32>, tensor<2x3xi8> -> tensor<2x3x4xf32>
  return %0 : tensor<2x3x4xf32>
}

// DEFINITION-LABEL: func.func @bytes(
// DEFINITION: weft.divide
// DEFINITION: weft.round
// DEFINITION: weft.cast %{{.*}} : tensor<5x12xf32> -> tensor<5x12xi32>
// DEFINITION: weft.cast %{{.*}} : tensor<5x12xi32> -> tensor<5x12xi8>
// DEFINITION: weft.subtract %{{.*}} : tensor<2x3x4xi32>
// DEFINITION: weft.matmul %{{.*}}, %{{.*}} {transpose_rhs = true} : tensor<3x5x4xi32>, tensor<3x2x4xi32> -> tensor<3x5x2xi32>
// DEFINITION: weft.matmul %{{.*}}, %{{.*}} : tensor<2x5x3xf32>, tensor<2x3x1xf32> -> tensor<2x5x1xf32>
// KERNEL-LABEL: func.func @bytes(
// KERNEL: weft.round
// KERNEL: weft.quantized_dot
// KERNEL-NOT: weft.matmul
func.func @bytes(%x: tensor<5x12xf32>, %a: tensor<5xf32>, %w: tensor<2x3x4xi8>, %s: tensor<2x3xf32>, %z: tensor<2x3xi8>) -> tensor<5x2xf32> {
  %0 = weft.quantized_steps %x, %a : tensor<5x12xf32>, tensor<5xf32> -> tensor<5x12xi8>
  %1 = weft.reshape %0 : tensor<5x12xi8> -> tensor<5x3x4xi8>
  %2 = weft.quantized_dot %1, %w, %s, %z {bits = 8 : i64} : tensor<5x3x4xi8>, tensor<2x3x4xi8>, tensor<2x3xf32>, tensor<2x3xi8> -> tensor<5x2xf32>
  return %2 : tensor<5x2xf32>
}
