// RUN: weft-opt %s --weft-outline-regions | FileCheck %s
// RUN: weft-opt %s --weft-pipeline=cpu --until=plan | FileCheck %s --check-prefix=PLAN

// A constant from around is one of the body's, and what nobody reads is not computed.
// CHECK-LABEL: func.func @nested(
// CHECK-SAME: weft.matmul_precision = "bf16"
// CHECK: %[[L:.*]] = weft.loop @nested_body_1 count [2] init(%{{.*}}) : (tensor<f32>) -> tensor<f32>
// CHECK-NEXT: return %[[L]]

// The body writes over what it carries; both loops are steps whose results have places.
// PLAN-LABEL: func.func @nested(
// PLAN: weft.loop @nested_body_1 count [2] {{.*}}{offsets = array<i64: -1>}
func.func @nested(%x: tensor<f32>) -> tensor<f32> attributes {weft.matmul_precision = "bf16"} {
  %two = weft.constant dense<2.0> : tensor<f32> : tensor<f32>
  %0:2 = weft.scan [2] init(%x) with(%two) : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<2xf32>) {
  ^bb0(%y: tensor<f32>, %b: tensor<f32>):
    %1 = weft.scan [3] init(%y) with(%b) : (tensor<f32>, tensor<f32>) -> tensor<f32> {
    ^bb0(%z: tensor<f32>, %c: tensor<f32>):
      %2 = weft.multiply %z, %c : tensor<f32>
      weft.yield %2 : tensor<f32>
    }
    %3 = weft.negative %1 : tensor<f32>
    weft.yield %1, %3 : tensor<f32>, tensor<f32>
  }
  return %0#0 : tensor<f32>
}

// CHECK-LABEL: func.func @choose(
// CHECK: weft.branch [@choose_branch_0, @choose_branch_1] %{{.*}}(%{{.*}}) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32>
// PLAN-LABEL: func.func @choose(
// PLAN: weft.branch [@choose_branch_0, @choose_branch_1] {{.*}}{offsets = array<i64: -1>}
func.func @choose(%index: tensor<i64>, %x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.case %index with(%x) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%y: tensor<3xf32>):
    weft.yield %y : tensor<3xf32>
  }, {
  ^bb0(%y: tensor<3xf32>):
    %1 = weft.negative %y : tensor<3xf32>
    weft.yield %1 : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// CHECK-LABEL: func.func @count(
// CHECK: weft.loop @count_body_0 while @count_condition_0 init(%{{.*}}) with(%{{.*}})
func.func @count(%first: tensor<i64>, %last: tensor<i64>) -> tensor<i64> {
  %0 = weft.while init(%first) with(%last) : (tensor<i64>, tensor<i64>) -> tensor<i64> {
  ^bb0(%i: tensor<i64>, %n: tensor<i64>):
    %1 = weft.less %i, %n : tensor<i64> -> tensor<i1>
    weft.yield %1 : tensor<i1>
  } do {
  ^bb0(%i: tensor<i64>, %n: tensor<i64>):
    %1 = weft.add %i, %n : tensor<i64>
    weft.yield %1 : tensor<i64>
  }
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func private @nested_body_0(
// CHECK-SAME: %{{.*}}: tensor<f32> {weft.donated}) -> tensor<f32>
// CHECK-SAME: weft.matmul_precision = "bf16"
// CHECK: weft.constant dense<2.0
// CHECK: weft.multiply
// CHECK-LABEL: func.func private @nested_body_1(
// CHECK: weft.loop @nested_body_0 count [3] init(%{{.*}}) : (tensor<f32>) -> tensor<f32>
// CHECK-NOT: weft.negative
// CHECK: return

// PLAN-LABEL: func.func private @nested_body_0(
// PLAN: weft.launch
