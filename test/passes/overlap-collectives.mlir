// RUN: weft-opt %s --weft-overlap-collectives=least-bytes=64 | FileCheck %s
// RUN: weft-opt %s --weft-overlap-collectives | FileCheck %s --check-prefix=LARGE
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s --check-prefix=LOOPS

// What the sums need comes first, in their order; each is waited for where it is read first.

// CHECK-LABEL: func.func @buckets(
// CHECK-SAME: %[[X:.*]]: tensor<16xf32>, %[[Y:.*]]: tensor<16xf32>, %[[T:.*]]: tensor<i32>
// CHECK-NEXT: %[[A:.*]] = weft.negative %[[X]]
// CHECK-NEXT: %[[FIRST:.*]] = weft.start_collective %[[A]] after %[[T]] {group = 0 : i64, kind = 0 : i64, members = 2 : i64}
// CHECK-NEXT: %[[B:.*]] = weft.exp %[[Y]]
// CHECK-NEXT: %[[SECOND:.*]] = weft.start_collective %[[B]] after %[[FIRST]] {group = 0 : i64, kind = 0 : i64, members = 2 : i64}
// CHECK-NEXT: %[[OTHER:.*]] = weft.sin %[[Y]]
// CHECK-NEXT: %[[SUM:.*]], %[[T1:.*]] = weft.finish_collective %[[A]] started %[[FIRST]] after %[[SECOND]]
// CHECK-NEXT: %[[USED:.*]] = weft.cos %[[SUM]]
// CHECK-NEXT: %[[LATER:.*]], %[[T2:.*]] = weft.finish_collective %[[B]] started %[[SECOND]] after %[[T1]]
// CHECK-NEXT: return %[[OTHER]], %[[USED]], %[[LATER]], %[[T2]]
// LARGE-LABEL: func.func @buckets(
// LARGE-NOT: start_collective
// LARGE: return
func.func @buckets(%x: tensor<16xf32>, %y: tensor<16xf32>, %t: tensor<i32>)
    -> (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<i32>) {
  %0 = weft.sin %y : tensor<16xf32>
  %1 = weft.exp %y : tensor<16xf32>
  %2 = weft.negative %x : tensor<16xf32>
  %3, %t1 = weft.all_reduce %2 after %t {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<16xf32>, tensor<i32>
  %4 = weft.cos %3 : tensor<16xf32>
  %5, %t2 = weft.all_reduce %1 after %t1 {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<16xf32>, tensor<i32>
  return %0, %4, %5, %t2 : tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<i32>
}

// What is read at once stays one op, and keeps its place in the chain.

// CHECK-LABEL: func.func @dependent(
// CHECK-SAME: %[[X:.*]]: tensor<16xf32>, %[[T:.*]]: tensor<i32>
// CHECK-NEXT: %[[SUM:.*]], %[[T0:.*]] = weft.all_reduce %[[X]] after %[[T]]
// CHECK-NEXT: %[[EXP:.*]] = weft.exp %[[SUM]]
// CHECK-NEXT: %[[FIRST:.*]] = weft.start_collective %[[EXP]] after %[[T0]] {group = 0 : i64, kind = 1 : i64
// CHECK-NEXT: %[[SECOND:.*]] = weft.start_collective %[[EXP]] after %[[FIRST]] {group = 0 : i64, kind = 0 : i64
// CHECK-NEXT: weft.finish_collective %[[EXP]] started %[[FIRST]] after %[[SECOND]]
// CHECK-NEXT: weft.finish_collective %[[EXP]] started %[[SECOND]] after
func.func @dependent(%x: tensor<16xf32>, %t: tensor<i32>)
    -> (tensor<2x16xf32>, tensor<16xf32>, tensor<i32>) {
  %0, %t0 = weft.all_reduce %x after %t {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<16xf32>, tensor<i32>
  %1 = weft.exp %0 : tensor<16xf32>
  %2, %t1 = weft.all_gather %1 after %t0 {group = 0 : i64, members = 2 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<2x16xf32>, tensor<i32>
  %3, %t2 = weft.all_reduce %1 after %t1 {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<16xf32>, tensor<i32>
  return %2, %3, %t2 : tensor<2x16xf32>, tensor<16xf32>, tensor<i32>
}

// Parameters that are divided: the first two gathers begin at once, each other one when the one two
// before it is there; shapes are made where they are read; sums of gradients end where they are read.

// CHECK-LABEL: func.func @divided(
// CHECK-SAME: %[[X:.*]]: tensor<3x8xf32>, %[[A:.*]]: tensor<16xf32>, %[[B:.*]]: tensor<16xf32>, %[[C:.*]]: tensor<16xf32>, %[[T:.*]]: tensor<i32>
// CHECK-NEXT: %[[TA:.*]] = weft.start_collective %[[A]] after %[[T]] {group = 0 : i64, kind = 1 : i64
// CHECK-NEXT: %[[TB:.*]] = weft.start_collective %[[B]] after %[[TA]]
// CHECK-NEXT: %[[X0:.*]] = weft.exp %[[X]]
// CHECK-NEXT: %[[GA:.*]], %[[T1:.*]] = weft.finish_collective %[[A]] started %[[TA]] after %[[TB]]
// CHECK-NEXT: %[[TC:.*]] = weft.start_collective %[[C]] after %[[T1]]
// CHECK-NEXT: %[[WA:.*]] = weft.reshape %[[GA]]
// CHECK-NEXT: %[[X1:.*]] = weft.matmul %[[X0]], %[[WA]]
// CHECK-NEXT: %[[GB:.*]], %[[T2:.*]] = weft.finish_collective %[[B]] started %[[TB]] after %[[TC]]
// CHECK-NEXT: %[[WB:.*]] = weft.reshape %[[GB]]
// CHECK-NEXT: %[[X2:.*]] = weft.matmul %[[X1]], %[[WB]]
// CHECK-NOT: weft.finish_collective
// CHECK: %[[GC:.*]], %[[T3:.*]] = weft.finish_collective %[[C]] started %[[TC]] after %[[T2]]
// CHECK-NEXT: %[[G:.*]] = weft.add %[[GC]]
// CHECK-NEXT: %[[TS:.*]] = weft.start_collective %[[G]] after %[[T3]] {group = 0 : i64, kind = 2 : i64
// CHECK-NEXT: %[[X3:.*]] = weft.sin %[[X2]]
// CHECK-NEXT: %[[S:.*]], %[[T4:.*]] = weft.finish_collective %[[G]] started %[[TS]] after %[[TS]]
// CHECK-NEXT: return %[[X3]], %[[S]], %[[T4]]
func.func @divided(%x: tensor<3x8xf32>, %a: tensor<16xf32>, %b: tensor<16xf32>,
                   %c: tensor<16xf32>, %t: tensor<i32>)
    -> (tensor<3x8xf32>, tensor<16xf32>, tensor<i32>) {
  %0, %t0 = weft.all_gather %a after %t {group = 0 : i64, members = 2 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<2x16xf32>, tensor<i32>
  %1 = weft.reshape %0 : tensor<2x16xf32> -> tensor<8x4xf32>
  %2, %t1 = weft.all_gather %b after %t0 {group = 0 : i64, members = 2 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<2x16xf32>, tensor<i32>
  %3 = weft.reshape %2 : tensor<2x16xf32> -> tensor<4x8xf32>
  %4, %t2 = weft.all_gather %c after %t1 {group = 0 : i64, members = 2 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<2x16xf32>, tensor<i32>
  %5 = weft.exp %x : tensor<3x8xf32>
  %6 = weft.matmul %5, %1 : tensor<3x8xf32>, tensor<8x4xf32> -> tensor<3x4xf32>
  %7 = weft.matmul %6, %3 : tensor<3x4xf32>, tensor<4x8xf32> -> tensor<3x8xf32>
  %8 = weft.reshape %7 : tensor<3x8xf32> -> tensor<24xf32>
  %9 = weft.sum %8 [0] : tensor<24xf32> -> tensor<f32>
  %10 = weft.broadcast %9 [] : tensor<f32> -> tensor<2x16xf32>
  %11 = weft.add %4, %10 : tensor<2x16xf32>
  %12 = weft.sin %7 : tensor<3x8xf32>
  %13, %t3 = weft.reduce_scatter %11 after %t2 {group = 0 : i64, members = 2 : i64}
      : tensor<2x16xf32>, tensor<i32> -> tensor<16xf32>, tensor<i32>
  return %12, %13, %t3 : tensor<3x8xf32>, tensor<16xf32>, tensor<i32>
}

// The largest elements stay one op, and so do small sums.

// CHECK-LABEL: func.func @others(
// CHECK-NOT: start_collective
// CHECK: return
func.func @others(%x: tensor<16xf32>, %y: tensor<f32>, %t: tensor<i32>)
    -> (tensor<16xf32>, tensor<f32>, tensor<i32>) {
  %0, %t0 = weft.all_reduce %x after %t {group = 0 : i64, members = 2 : i64, reduction = 1 : i64}
      : tensor<16xf32>, tensor<i32> -> tensor<16xf32>, tensor<i32>
  %1, %t1 = weft.all_reduce %y after %t0 {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<f32>, tensor<i32> -> tensor<f32>, tensor<i32>
  return %0, %1, %t1 : tensor<16xf32>, tensor<f32>, tensor<i32>
}

// LARGE-LABEL: func.func @large(
// LARGE: start_collective
// LOOPS-LABEL: @start_collective
// LOOPS: call @weft_collective_start_collective(
// LOOPS: call @weft_collective_finish_collective(
func.func @large(%x: tensor<16384xf32>, %y: tensor<8xf32>, %t: tensor<i32>)
    -> (tensor<16384xf32>, tensor<8xf32>, tensor<i32>) {
  %0, %t0 = weft.all_reduce %x after %t {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<16384xf32>, tensor<i32> -> tensor<16384xf32>, tensor<i32>
  %1 = weft.exp %y : tensor<8xf32>
  return %0, %1, %t0 : tensor<16384xf32>, tensor<8xf32>, tensor<i32>
}
