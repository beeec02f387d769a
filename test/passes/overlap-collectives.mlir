// RUN: weft-opt %s --weft-overlap-collectives=least-bytes=64 | FileCheck %s
// RUN: weft-opt %s --weft-overlap-collectives | FileCheck %s --check-prefix=LARGE
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s --check-prefix=LOOPS

// What the sums need comes first, in their order; each is waited for where it is read first.

// CHECK-LABEL: func.func @buckets(
// CHECK-SAME: %[[X:.*]]: tensor<16xf32>, %[[Y:.*]]: tensor<16xf32>, %[[T:.*]]: tensor<i32>
// CHECK-NEXT: %[[A:.*]] = weft.negative %[[X]]
// CHECK-NEXT: %[[FIRST:.*]] = weft.start_all_reduce %[[A]] after %[[T]] {group = 0 : i64, members = 2 : i64}
// CHECK-NEXT: %[[B:.*]] = weft.exp %[[Y]]
// CHECK-NEXT: %[[SECOND:.*]] = weft.start_all_reduce %[[B]] after %[[FIRST]] {group = 0 : i64, members = 2 : i64}
// CHECK-NEXT: %[[OTHER:.*]] = weft.sin %[[Y]]
// CHECK-NEXT: %[[SUM:.*]], %[[T1:.*]] = weft.finish_all_reduce %[[A]] started %[[FIRST]] after %[[SECOND]]
// CHECK-NEXT: %[[USED:.*]] = weft.cos %[[SUM]]
// CHECK-NEXT: %[[LATER:.*]], %[[T2:.*]] = weft.finish_all_reduce %[[B]] started %[[SECOND]] after %[[T1]]
// CHECK-NEXT: return %[[OTHER]], %[[USED]], %[[LATER]], %[[T2]]
// LARGE-LABEL: func.func @buckets(
// LARGE-NOT: start_all_reduce
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

// A sum of a sum begins when that is there. Others keep their places in the chain.

// CHECK-LABEL: func.func @dependent(
// CHECK: %[[FIRST:.*]] = weft.start_all_reduce
// CHECK: weft.finish_all_reduce %{{.*}} started %[[FIRST]] after %[[FIRST]]
// CHECK: %[[GATHERED:.*]], %[[TOKEN:.*]] = weft.all_gather
// CHECK: %[[SECOND:.*]] = weft.start_all_reduce %{{.*}} after %[[TOKEN]]
// CHECK: weft.finish_all_reduce %{{.*}} started %[[SECOND]] after %[[SECOND]]
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

// The largest elements stay one op, and so do small sums.

// CHECK-LABEL: func.func @others(
// CHECK-NOT: start_all_reduce
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
// LARGE: start_all_reduce
// LOOPS-LABEL: @start_all_reduce
// LOOPS: call @weft_collective_start_all_reduce(
// LOOPS: call @weft_collective_finish_all_reduce(
func.func @large(%x: tensor<16384xf32>, %t: tensor<i32>) -> (tensor<16384xf32>, tensor<i32>) {
  %0, %t0 = weft.all_reduce %x after %t {group = 0 : i64, members = 2 : i64, reduction = 0 : i64}
      : tensor<16384xf32>, tensor<i32> -> tensor<16384xf32>, tensor<i32>
  return %0, %t0 : tensor<16384xf32>, tensor<i32>
}
