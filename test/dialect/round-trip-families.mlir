// The ops of families with headers of their own read back what they print, in both forms.
// RUN: weft-opt %s > %t.once
// RUN: weft-opt %t.once | diff %t.once -
// RUN: weft-opt %s --mlir-print-op-generic | weft-opt | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: @collectives
// CHECK: weft.reduce %arg0 after %{{.*}} {group = 0 : i64, members = 4 : i64, root = 1 : i64}
// CHECK: weft.permute_members %arg0 after %{{.*}} {destinations = array<i64: 1, 2, 3, -1>, group = 0 : i64, members = 4 : i64}
func.func @collectives(%x: tensor<4x3xf32>, %t: tensor<i32>) -> tensor<i32> {
  %0, %t0 = weft.all_reduce %x after %t {group = 0 : i64, members = 4 : i64, reduction = 0 : i64, shared = true}
      : tensor<4x3xf32>, tensor<i32> -> tensor<4x3xf32>, tensor<i32>
  %1, %t1 = weft.reduce %x after %t0 {group = 0 : i64, members = 4 : i64, root = 1 : i64}
      : tensor<4x3xf32>, tensor<i32> -> tensor<4x3xf32>, tensor<i32>
  %2, %t2 = weft.reduce_scatter %x after %t1 {group = 0 : i64, members = 4 : i64}
      : tensor<4x3xf32>, tensor<i32> -> tensor<3xf32>, tensor<i32>
  %3, %t3 = weft.all_gather %x after %t2 {group = 0 : i64, members = 4 : i64, mean = true}
      : tensor<4x3xf32>, tensor<i32> -> tensor<4x4x3xf32>, tensor<i32>
  %4, %t4 = weft.all_to_all %x after %t3 {group = 0 : i64, members = 4 : i64}
      : tensor<4x3xf32>, tensor<i32> -> tensor<4x3xf32>, tensor<i32>
  %5, %t5 = weft.collective_broadcast %x after %t4 {group = 0 : i64, members = 4 : i64, root = 2 : i64}
      : tensor<4x3xf32>, tensor<i32> -> tensor<4x3xf32>, tensor<i32>
  %6, %t6 = weft.permute_members %x after %t5 {group = 0 : i64, members = 4 : i64, destinations = array<i64: 1, 2, 3, -1>}
      : tensor<4x3xf32>, tensor<i32> -> tensor<4x3xf32>, tensor<i32>
  %7:2, %t7 = weft.replicate %x, %6 after %t6 {group = 0 : i64, members = 4 : i64}
      : (tensor<4x3xf32>, tensor<4x3xf32>), tensor<i32> -> (tensor<4x3xf32>, tensor<4x3xf32>), tensor<i32>
  return %t7 : tensor<i32>
}

// CHECK-LABEL: @quantized
// CHECK: weft.quantized_matmul %{{.*}}, %{{.*}}, %{{.*}} {bits = 4 : i64}
// CHECK: weft.quantized_values %{{.*}}, %{{.*}}, %{{.*}} {bits = 8 : i64}
// CHECK: weft.quantized_steps %{{.*}}, %{{.*}} : tensor<5x24xf32>, tensor<5xf32> -> tensor<5x24xi8>
// CHECK: weft.quantized_dot %{{.*}}, %{{.*}}, %{{.*}} {bits = 4 : i64}
func.func @quantized(%x: tensor<5x3x8xf32>, %w: tensor<2x3x4xui8>, %s: tensor<2x3xf32>, %b: tensor<2x3x4xi8>, %z: tensor<2x3xi8>,
                     %rows: tensor<5x24xf32>, %scale: tensor<5xf32>, %bytes: tensor<5x3x8xi8>)
    -> (tensor<5x2xf32>, tensor<2x3x4xf32>, tensor<5x24xi8>, tensor<5x2xf32>) {
  %0 = weft.quantized_matmul %x, %w, %s {bits = 4 : i64}
      : tensor<5x3x8xf32>, tensor<2x3x4xui8>, tensor<2x3xf32> -> tensor<5x2xf32>
  %1 = weft.quantized_values %b, %s, %z {bits = 8 : i64}
      : tensor<2x3x4xi8>, tensor<2x3xf32>, tensor<2x3xi8> -> tensor<2x3x4xf32>
  %2 = weft.quantized_steps %rows, %scale : tensor<5x24xf32>, tensor<5xf32> -> tensor<5x24xi8>
  %3 = weft.quantized_dot %bytes, %w, %s {bits = 4 : i64}
      : tensor<5x3x8xi8>, tensor<2x3x4xui8>, tensor<2x3xf32> -> tensor<5x2xf32>
  return %0, %1, %2, %3 : tensor<5x2xf32>, tensor<2x3x4xf32>, tensor<5x24xi8>, tensor<5x2xf32>
}

// CHECK-LABEL: @in_two_ends
// CHECK: weft.start_collective
// CHECK: weft.finish_collective
func.func @in_two_ends(%x: tensor<4x3xf32>, %t: tensor<i32>) -> (tensor<2x4x3xf32>, tensor<i32>) {
  %0 = weft.start_collective %x after %t {group = 0 : i64, members = 2 : i64, kind = 1 : i64}
      : tensor<4x3xf32>, tensor<i32> -> tensor<i32>
  %1, %2 = weft.finish_collective %x started %0 after %0
      {group = 0 : i64, members = 2 : i64, kind = 1 : i64}
      : tensor<4x3xf32>, tensor<i32>, tensor<i32> -> tensor<2x4x3xf32>, tensor<i32>
  return %1, %2 : tensor<2x4x3xf32>, tensor<i32>
}

// CHECK-LABEL: @regrouped
// CHECK: weft.regroup %{{.*}} [1, 2] to [0, 1, 1, 2] : tensor<2x3xf32> -> tensor<1x2x1x3xf32>
func.func @regrouped(%x: tensor<2x3xf32>) -> tensor<1x2x1x3xf32> {
  %0 = weft.regroup %x [1, 2] to [0, 1, 1, 2] : tensor<2x3xf32> -> tensor<1x2x1x3xf32>
  return %0 : tensor<1x2x1x3xf32>
}
