// RUN: weft-opt %s --split-input-file --weft-hoist-invariants | FileCheck %s

// What depends on captured values alone is computed before the loop; the condition is given it too.
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>, %[[W:.*]]: tensor<3x3xf32>)
// CHECK: %[[E:.*]] = weft.exp %[[W]]
// CHECK: weft.loop @f_body_0 while @f_condition_0 init(%[[X]]) with(%[[E]])
// CHECK: func.func private @f_condition_0(%{{.*}}: tensor<2x3xf32>, %{{.*}}: tensor<3x3xf32>)
// CHECK: func.func private @f_body_0(
// CHECK-SAME: %[[CARRY:.*]]: tensor<2x3xf32> {weft.donated}, %[[HOISTED:.*]]: tensor<3x3xf32> {weft.hidden})
// CHECK-SAME: attributes {weft.repeated}
// CHECK-NEXT: weft.matmul %[[CARRY]], %[[HOISTED]]
func.func @f(%x: tensor<2x3xf32>, %w: tensor<3x3xf32>) -> tensor<2x3xf32> {
  %0 = weft.loop @f_body_0 while @f_condition_0 init(%x) with(%w)
      : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
func.func private @f_condition_0(%x: tensor<2x3xf32>, %w: tensor<3x3xf32>) -> tensor<i1> {
  %0 = weft.constant dense<false> : tensor<i1> : tensor<i1>
  return %0 : tensor<i1>
}
func.func private @f_body_0(%x: tensor<2x3xf32> {weft.donated}, %w: tensor<3x3xf32>)
    -> tensor<2x3xf32> {
  %0 = weft.exp %w : tensor<3x3xf32>
  %1 = weft.matmul %x, %0 : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// -----

// Out of two loops, but not out of a branch, whose arguments that are the same are known to be.
// CHECK-LABEL: func.func @nested(
// CHECK: weft.exp
// CHECK: weft.loop @outer
// CHECK: func.func private @outer(
// CHECK-NOT: weft.exp
// CHECK: func.func private @inner(
// CHECK-NOT: weft.exp
// CHECK: func.func private @first(%{{.*}}: tensor<3xf32>, %{{.*}}: tensor<3xf32> {weft.hidden})
// CHECK-SAME: attributes {weft.repeated}
// CHECK-NEXT: weft.sin
func.func @nested(%x: tensor<3xf32>, %w: tensor<3xf32>, %i: tensor<i64>) -> tensor<3xf32> {
  %0 = weft.loop @outer count [5] init(%x) with(%w, %i)
      : (tensor<3xf32>, tensor<3xf32>, tensor<i64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func private @outer(%x: tensor<3xf32> {weft.donated}, %w: tensor<3xf32>, %i: tensor<i64>)
    -> tensor<3xf32> {
  %0 = weft.loop @inner count [5] init(%x) with(%w, %i)
      : (tensor<3xf32>, tensor<3xf32>, tensor<i64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func private @inner(%x: tensor<3xf32> {weft.donated}, %w: tensor<3xf32>, %i: tensor<i64>)
    -> tensor<3xf32> {
  %0 = weft.exp %w : tensor<3xf32>
  %1 = weft.multiply %x, %0 : tensor<3xf32>
  %2 = weft.branch [@first] %i(%1, %w)
      : (tensor<i64>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %2 : tensor<3xf32>
}
func.func private @first(%x: tensor<3xf32>, %w: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.sin %w : tensor<3xf32>
  %1 = weft.multiply %x, %0 : tensor<3xf32>
  return %1 : tensor<3xf32>
}

// -----

// What is larger than what it is made of is computed where it is read.
// CHECK-LABEL: func.func @large(
// CHECK-NEXT: weft.loop @body
func.func @large(%x: tensor<9000x3xf32>, %w: tensor<3xf32>) -> tensor<9000x3xf32> {
  %0 = weft.loop @body count [5] init(%x) with(%w)
      : (tensor<9000x3xf32>, tensor<3xf32>) -> tensor<9000x3xf32>
  return %0 : tensor<9000x3xf32>
}
func.func private @body(%x: tensor<9000x3xf32> {weft.donated}, %w: tensor<3xf32>)
    -> tensor<9000x3xf32> {
  %0 = weft.broadcast %w [1] : tensor<3xf32> -> tensor<9000x3xf32>
  %1 = weft.add %x, %0 : tensor<9000x3xf32>
  return %1 : tensor<9000x3xf32>
}
