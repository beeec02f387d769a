// RUN: weft-opt %s | weft-opt | FileCheck %s
// RUN: weft-opt %s --weft-pipeline=cpu --until=plan | FileCheck %s --check-prefix=PLAN
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s --check-prefix=LOOPS
// RUN: weft-opt %s --weft-differentiate | FileCheck %s --check-prefix=GRADIENT

// Each op is a launch of its own, in the order of the tokens, also where nobody reads its result:
// the last token does.

// CHECK-LABEL: @chain
// CHECK: weft.all_reduce %arg0 after %arg1 {group = 0 : i64, members = 4 : i64, reduction = 0 : i64}
// CHECK: weft.all_gather %arg0 after %{{.*}} {group = 0 : i64, members = 4 : i64} : tensor<2x3xf32>, tensor<i32> -> tensor<4x2x3xf32>, tensor<i32>
// PLAN-LABEL: @chain
// PLAN: %[[FIRST:.*]]:2 = weft.launch @{{all_reduce.*}}(%arg0, %arg1)
// PLAN: %[[SECOND:.*]] = weft.launch @{{all_reduce.*}}(%arg0, %[[FIRST]]#1)
// PLAN: weft.launch @{{all_gather.*}}(%arg0, %[[SECOND]])
// LOOPS: call @weft_collective_all_reduce(
func.func @chain(%x: tensor<2x3xf32>, %t: tensor<i32>)
    -> (tensor<2x3xf32>, tensor<4x2x3xf32>, tensor<i32>) {
  %0, %t0 = weft.all_reduce %x after %t {group = 0 : i64, members = 4 : i64, reduction = 0 : i64}
      : tensor<2x3xf32>, tensor<i32> -> tensor<2x3xf32>, tensor<i32>
  %1, %t1 = weft.all_reduce %x after %t0 {group = 0 : i64, members = 4 : i64, reduction = 0 : i64}
      : tensor<2x3xf32>, tensor<i32> -> tensor<2x3xf32>, tensor<i32>
  %2, %t2 = weft.all_gather %x after %t1 {group = 0 : i64, members = 4 : i64}
      : tensor<2x3xf32>, tensor<i32> -> tensor<4x2x3xf32>, tensor<i32>
  return %0, %2, %t2 : tensor<2x3xf32>, tensor<4x2x3xf32>, tensor<i32>
}

// The gradient of what all members have is the sum of what they make of it.

// GRADIENT-LABEL: @shared
// GRADIENT: weft.all_reduce %{{.*}} after %{{.*}} {group = 0 : i64, members = 2 : i64, reduction = 0 : i64} : tensor<6xf32>
// PLAN-LABEL: @shared
// PLAN-NOT: weft.replicate
func.func @shared(%x: tensor<2xf32>, %y: tensor<4xf32>, %t: tensor<i32>) -> tensor<f32>
    attributes {weft.differentiate = [0, 1]} {
  %0:2, %t0 = weft.replicate %x, %y after %t {group = 0 : i64, members = 2 : i64}
      : (tensor<2xf32>, tensor<4xf32>), tensor<i32> -> (tensor<2xf32>, tensor<4xf32>), tensor<i32>
  %1 = weft.sum %0#0 [0] : tensor<2xf32> -> tensor<f32>
  %2 = weft.sum %0#1 [0] : tensor<4xf32> -> tensor<f32>
  %3 = weft.add %1, %2 : tensor<f32>
  return %3 : tensor<f32>
}
