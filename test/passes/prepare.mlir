// RUN: weft-opt %s --weft-prepare --split-input-file | FileCheck %s

// The documented example.
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<4x3xf32>, %[[W:.*]]: tensor<2x3xf32> {weft.hidden}
// CHECK-NOT: attributes
// CHECK: %[[T:.*]] = weft.prepare @f_prepare_0(%[[W]]) : (tensor<2x3xf32>) -> tensor<3x2xf32>
// CHECK: weft.matmul %[[X]], %[[T]] : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
// CHECK: func.func private @f_prepare_0(%[[A:.*]]: tensor<2x3xf32>) -> tensor<3x2xf32> {
// CHECK: %[[R:.*]] = weft.transpose %[[A]] [1, 0]
// CHECK: return %[[R]]
func.func @f(%x: tensor<4x3xf32>, %w: tensor<2x3xf32> {weft.hidden}) -> tensor<4x2xf32> attributes {weft.prepare = "arranged"} {
  %0 = weft.matmul %x, %w {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

// -----

// CHECK-LABEL: func.func @as_stored(
// CHECK-NOT: weft.prepare
// CHECK: weft.matmul {{.*}} {transpose_rhs = true}
func.func @as_stored(%x: tensor<4x3xf32>, %w: tensor<2x3xf32> {weft.hidden}) -> tensor<4x2xf32> attributes {weft.prepare = ""} {
  %0 = weft.matmul %x, %w {transpose_rhs = true} : tensor<4x3xf32>, tensor<2x3xf32> -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

// -----

// Without the attribute, or for arguments that are given anew or given up, nothing is prepared.
// CHECK-LABEL: func.func @not_asked(
// CHECK-NEXT: weft.exp
// CHECK-LABEL: func.func @arguments(
// CHECK-NEXT: weft.exp
// CHECK-NEXT: weft.exp
// CHECK-NOT: @arguments_prepare
func.func @not_asked(%w: tensor<3xf32> {weft.hidden}) -> tensor<3xf32> {
  %0 = weft.exp %w : tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func @arguments(%x: tensor<3xf32>, %w: tensor<3xf32> {weft.donated, weft.hidden}) -> (tensor<3xf32>, tensor<3xf32>) attributes {weft.prepare = ""} {
  %0 = weft.exp %x : tensor<3xf32>
  %1 = weft.exp %w : tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}

// -----

// What shares work is one function, with the results that calls read; what does not is apart.
// CHECK-LABEL: func.func @parts(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[V:.*]]: tensor<3xf32> {weft.hidden}, %[[W:.*]]: tensor<3xf32> {weft.hidden}
// CHECK-NEXT: %[[A:.*]]:2 = weft.prepare @parts_prepare_0(%[[V]])
// CHECK-NEXT: %[[B:.*]] = weft.prepare @parts_prepare_1(%[[W]])
// CHECK-NEXT: %[[C:.*]] = weft.add %[[X]], %[[A]]#0
// CHECK-NEXT: %[[D:.*]] = weft.add %[[C]], %[[A]]#1
// CHECK-NEXT: weft.add %[[D]], %[[B]]
// CHECK: func.func private @parts_prepare_0(
// CHECK-NEXT: weft.exp
// CHECK-NEXT: weft.sin
// CHECK-NEXT: weft.cos
// CHECK: func.func private @parts_prepare_1(
// CHECK-NEXT: weft.log
func.func @parts(%x: tensor<3xf32>, %v: tensor<3xf32> {weft.hidden}, %w: tensor<3xf32> {weft.hidden}) -> tensor<3xf32> attributes {weft.prepare = ""} {
  %0 = weft.exp %v : tensor<3xf32>
  %1 = weft.sin %0 : tensor<3xf32>
  %2 = weft.cos %0 : tensor<3xf32>
  %3 = weft.log %w : tensor<3xf32>
  %4 = weft.add %x, %1 : tensor<3xf32>
  %5 = weft.add %4, %2 : tensor<3xf32>
  %6 = weft.add %5, %3 : tensor<3xf32>
  return %6 : tensor<3xf32>
}

// -----

// Broadcasts and views stay with their readers; what is behind them is kept as small as it is.
// CHECK-LABEL: func.func @small(
// CHECK-NEXT: %[[A:.*]] = weft.prepare @small_prepare_0(%{{.*}}) : (tensor<8xf32>) -> tensor<8xf32>
// CHECK-NEXT: %[[B:.*]] = weft.reshape %[[A]]
// CHECK-NEXT: %[[C:.*]] = weft.broadcast %[[B]] [1, 2]
// CHECK-NEXT: weft.multiply %{{.*}}, %[[C]]
func.func @small(%x: tensor<64x2x4xf32>, %w: tensor<8xf32> {weft.hidden}) -> tensor<64x2x4xf32> attributes {weft.prepare = ""} {
  %0 = weft.sqrt %w : tensor<8xf32>
  %1 = weft.reshape %0 : tensor<8xf32> -> tensor<2x4xf32>
  %2 = weft.broadcast %1 [1, 2] : tensor<2x4xf32> -> tensor<64x2x4xf32>
  %3 = weft.multiply %x, %2 : tensor<64x2x4xf32>
  return %3 : tensor<64x2x4xf32>
}

// -----

// A large value that is cheap is computed where it is read, as a mask; one that is not, as a table of
// cosines, is kept.
// CHECK-LABEL: func.func @mask(
// CHECK-NOT: weft.prepare
// CHECK: weft.add
// CHECK-LABEL: func.func @table(
// CHECK-NEXT: %[[T:.*]] = weft.prepare @table_prepare_0(%{{.*}}) : (tensor<4xf32>) -> tensor<64x4xf32>
// CHECK-NEXT: weft.multiply %{{.*}}, %[[T]]
func.func @mask(%x: tensor<64x64xf32>) -> tensor<64x64xf32> attributes {weft.prepare = ""} {
  %0 = weft.iota 0 : tensor<64x64xf32>
  %1 = weft.iota 1 : tensor<64x64xf32>
  %2 = weft.minimum %0, %1 : tensor<64x64xf32>
  %3 = weft.add %x, %2 : tensor<64x64xf32>
  return %3 : tensor<64x64xf32>
}
func.func @table(%x: tensor<64x4xf32>, %frequency: tensor<4xf32> {weft.hidden}) -> tensor<64x4xf32> attributes {weft.prepare = ""} {
  %0 = weft.iota 0 : tensor<64x4xf32>
  %1 = weft.broadcast %frequency [1] : tensor<4xf32> -> tensor<64x4xf32>
  %2 = weft.multiply %0, %1 : tensor<64x4xf32>
  %3 = weft.cos %2 : tensor<64x4xf32>
  %4 = weft.multiply %x, %3 : tensor<64x4xf32>
  return %4 : tensor<64x4xf32>
}

// -----

// What several ops read would be a kernel of its own: it is kept.
// CHECK-LABEL: func.func @shared_mask(
// CHECK-NEXT: %[[M:.*]] = weft.prepare @shared_mask_prepare_0() : () -> tensor<64x64xf32>
// CHECK-NEXT: weft.broadcast %[[M]]
func.func @shared_mask(%x: tensor<2x64x64xf32>) -> tensor<2x64x64xf32> attributes {weft.prepare = ""} {
  %0 = weft.iota 0 : tensor<64x64xf32>
  %1 = weft.iota 1 : tensor<64x64xf32>
  %2 = weft.minimum %0, %1 : tensor<64x64xf32>
  %3 = weft.broadcast %2 [1, 2] : tensor<64x64xf32> -> tensor<2x64x64xf32>
  %4 = weft.add %x, %3 : tensor<2x64x64xf32>
  %5 = weft.multiply %4, %3 : tensor<2x64x64xf32>
  return %5 : tensor<2x64x64xf32>
}

// -----

// A number that one op reads is converted there.
// CHECK-LABEL: func.func @number(
// CHECK-NEXT: weft.cast
// CHECK-NEXT: weft.broadcast
func.func @number(%x: tensor<8xf32>, %rate: tensor<f64> {weft.hidden}) -> tensor<8xf32> attributes {weft.prepare = ""} {
  %0 = weft.cast %rate : tensor<f64> -> tensor<f32>
  %1 = weft.broadcast %0 [] : tensor<f32> -> tensor<8xf32>
  %2 = weft.multiply %x, %1 : tensor<8xf32>
  return %2 : tensor<8xf32>
}

// -----

// Part of a weight is read where it is, but a contraction reads memory.
// CHECK-LABEL: func.func @slices(
// CHECK-NEXT: %[[P:.*]] = weft.prepare @slices_prepare_0(%{{.*}}) : (tensor<8x4xf32>) -> tensor<4x4xf32>
// CHECK-NEXT: %[[S:.*]] = weft.slice
// CHECK-NEXT: weft.matmul %{{.*}}, %[[P]]
// CHECK-NEXT: weft.add %{{.*}}, %[[S]]
func.func @slices(%x: tensor<4x4xf32>, %w: tensor<8x4xf32> {weft.hidden}) -> tensor<4x4xf32> attributes {weft.prepare = ""} {
  %0 = weft.slice %w starts [0, 0] steps [1, 1] : tensor<8x4xf32> -> tensor<4x4xf32>
  %1 = weft.slice %w starts [4, 0] steps [1, 1] : tensor<8x4xf32> -> tensor<4x4xf32>
  %2 = weft.matmul %x, %0 : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %3 = weft.add %2, %1 : tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}

// -----

// A constant that only prepared values need goes with them.
// CHECK-LABEL: func.func @constants(
// CHECK-NEXT: %[[P:.*]] = weft.prepare @constants_prepare_0() : () -> tensor<2x1xi1>
// CHECK-NEXT: return %[[P]]
// CHECK: func.func private @constants_prepare_0() -> tensor<2x1xi1> {
// CHECK-NEXT: weft.constant dense<{{.*}}true, false
// CHECK-NEXT: weft.transpose
func.func @constants() -> tensor<2x1xi1> attributes {weft.prepare = ""} {
  %0 = weft.constant dense<[[true, false]]> : tensor<1x2xi1> : tensor<1x2xi1>
  %1 = weft.transpose %0 [1, 0] : tensor<1x2xi1> -> tensor<2x1xi1>
  return %1 : tensor<2x1xi1>
}
