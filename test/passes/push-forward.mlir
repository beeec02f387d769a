// RUN: weft-opt %s --weft-push-forward | FileCheck %s

// The documented example: an elementwise op by its gradient rule.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[T:.*]]: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
// CHECK-NEXT: %[[Y:.*]] = weft.exp %[[X]]
// CHECK-NEXT: %[[TY:.*]] = weft.multiply %[[T]], %[[Y]]
// CHECK-NEXT: return %[[Y]], %[[TY]]
func.func @example(%x: tensor<3xf32>) -> tensor<3xf32> attributes {weft.push_forward = [0]} {
  %y = weft.exp %x : tensor<3xf32>
  return %y : tensor<3xf32>
}

// A linear one by itself.
// CHECK-LABEL: func.func @sum(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[T:.*]]: tensor<3xf32>)
// CHECK-NEXT: %[[SUM:.*]] = weft.sum %[[X]] [0]
// CHECK-NEXT: %[[TSUM:.*]] = weft.sum %[[T]] [0]
// CHECK-NEXT: return %[[SUM]], %[[TSUM]]
func.func @sum(%x: tensor<3xf32>) -> tensor<f32> attributes {weft.push_forward = [0]} {
  %sum = weft.sum %x [0] : tensor<3xf32> -> tensor<f32>
  return %sum : tensor<f32>
}

// A contraction is linear in each operand.
// CHECK-LABEL: func.func @product(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>, %[[Y:.*]]: tensor<3x4xf32>, %[[TX:.*]]: tensor<2x3xf32>, %[[TY:.*]]: tensor<3x4xf32>)
// CHECK-NEXT: %[[Z:.*]] = weft.matmul %[[X]], %[[Y]]
// CHECK-NEXT: %[[LEFT:.*]] = weft.matmul %[[TX]], %[[Y]]
// CHECK-NEXT: %[[RIGHT:.*]] = weft.matmul %[[X]], %[[TY]]
// CHECK-NEXT: %[[T:.*]] = weft.add %[[LEFT]], %[[RIGHT]]
// CHECK-NEXT: return %[[Z]], %[[T]]
func.func @product(%x: tensor<2x3xf32>, %y: tensor<3x4xf32>) -> tensor<2x4xf32>
    attributes {weft.push_forward = [0, 1]} {
  %z = weft.matmul %x, %y : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return %z : tensor<2x4xf32>
}

// Of an op that is linear in all operands together, those without a tangent count as zero; what has
// no derivative stays.
// CHECK-LABEL: func.func @joined(
// CHECK-SAME: %[[X:.*]]: tensor<2xf32>, %[[Y:.*]]: tensor<2xf32>, %[[I:.*]]: tensor<3xi64>, %[[T:.*]]: tensor<2xf32>)
// CHECK: %[[ZEROS:.*]] = weft.constant dense<0.0
// CHECK: %[[JOINED:.*]] = weft.concatenate %[[T]], %[[ZEROS]] axis 0
// CHECK: %[[TANGENT:.*]] = weft.gather %[[JOINED]], %[[I]] axis 0
// CHECK: return %{{.*}}, %[[TANGENT]]
func.func @joined(%x: tensor<2xf32>, %y: tensor<2xf32>, %i: tensor<3xi64>) -> tensor<3xf32>
    attributes {weft.push_forward = [0]} {
  %0 = weft.concatenate %x, %y axis 0 : tensor<2xf32>, tensor<2xf32> -> tensor<4xf32>
  %1 = weft.gather %0, %i axis 0 : tensor<4xf32>, tensor<3xi64> -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// Any other op by the transpose of its gradients, of which nothing else is left.
// CHECK-LABEL: func.func @softmax(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[T:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = weft.softmax %[[X]]
// CHECK-NOT: weft.constant
// CHECK: weft.multiply %{{.*}}, %[[Y]]
// CHECK: return %[[Y]]
func.func @softmax(%x: tensor<4xf32>) -> tensor<4xf32> attributes {weft.push_forward = [0]} {
  %y = weft.softmax %x axis 0 : tensor<4xf32>
  return %y : tensor<4xf32>
}

// A loop carries tangents along, in place of the former one; nobody needs to know how often it runs.
// CHECK-LABEL: func.func @loop(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[N:.*]]: tensor<i64>, %[[T:.*]]: tensor<f32>)
// CHECK: weft.while init(%[[X]], %[[N]])
// CHECK: %[[R:.*]]:3 = weft.while init(%[[X]], %[[N]], %[[T]])
// CHECK: ^bb0(%{{.*}}: tensor<f32>, %[[I:.*]]: tensor<i64>, %{{.*}}: tensor<f32>):
// CHECK: weft.greater %[[I]]
// CHECK: ^bb0(%[[Y:.*]]: tensor<f32>, %{{.*}}: tensor<i64>, %[[TY:.*]]: tensor<f32>):
// CHECK: weft.sin %[[Y]]
// CHECK: %[[NEXT:.*]] = weft.multiply %[[TY]], %{{.*}}
// CHECK: weft.yield %{{.*}}, %{{.*}}, %[[NEXT]]
// CHECK: return %[[R]]#0, %[[R]]#2
func.func @loop(%x: tensor<f32>, %n: tensor<i64>) -> tensor<f32>
    attributes {weft.push_forward = [0]} {
  %0:2 = weft.while init(%x, %n) : (tensor<f32>, tensor<i64>) -> (tensor<f32>, tensor<i64>) {
  ^bb0(%y: tensor<f32>, %i: tensor<i64>):
    %zero = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %1 = weft.greater %i, %zero : tensor<i64> -> tensor<i1>
    weft.yield %1 : tensor<i1>
  } do {
  ^bb0(%y: tensor<f32>, %i: tensor<i64>):
    %one = weft.constant dense<1> : tensor<i64> : tensor<i64>
    %1 = weft.sin %y : tensor<f32>
    %2 = weft.subtract %i, %one : tensor<i64>
    weft.yield %1, %2 : tensor<f32>, tensor<i64>
  }
  return %0#0 : tensor<f32>
}

// The carried value has a tangent because it depends on a slice.
// CHECK-LABEL: func.func @scan(
// CHECK-SAME: %[[A:.*]]: tensor<f32>, %[[X:.*]]: tensor<5xf32>, %[[T:.*]]: tensor<5xf32>)
// CHECK: %[[R:.*]]:4 = weft.scan [5] init(%[[A]], %{{.*}}) over(%[[X]], %[[T]])
// CHECK: return %[[R]]#0, %[[R]]#2, %[[R]]#1, %[[R]]#3
func.func @scan(%a: tensor<f32>, %x: tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>)
    attributes {weft.push_forward = [1]} {
  %0:2 = weft.scan [5] init(%a) over(%x) : (tensor<f32>, tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>) {
  ^bb0(%carry: tensor<f32>, %slice: tensor<f32>):
    %1 = weft.add %carry, %slice : tensor<f32>
    weft.yield %1, %1 : tensor<f32>, tensor<f32>
  }
  return %0#0, %0#1 : tensor<f32>, tensor<5xf32>
}

// A rule along tangents is used as it is.
// CHECK-LABEL: func.func @custom(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[T:.*]]: tensor<f32>)
// CHECK: %[[Y:.*]] = weft.custom_derivative "f" of(%[[X]])
// CHECK: %[[TANGENT:.*]] = weft.cos %[[T]]
// CHECK: return %[[Y]], %[[TANGENT]]
func.func @custom(%x: tensor<f32>) -> tensor<f32> attributes {weft.push_forward = [0]} {
  %0 = weft.custom_derivative "f" of(%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    weft.yield %1 : tensor<f32>
  } by {
  ^bb0(%y: tensor<f32>, %t: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    %2 = weft.cos %t : tensor<f32>
    weft.yield %1, %2 : tensor<f32>, tensor<f32>
  }
  return %0 : tensor<f32>
}

// What is integer has no tangent.
// CHECK-LABEL: func.func @no_tangent(
// CHECK-SAME: -> (tensor<i64>, tensor<f32>, tensor<f32>)
func.func @no_tangent(%n: tensor<i64>, %x: tensor<f32>) -> (tensor<i64>, tensor<f32>)
    attributes {weft.push_forward = [1]} {
  return %n, %x : tensor<i64>, tensor<f32>
}

// One that a gradient went through, by the ops of its forward pass.
// CHECK-LABEL: func.func @pulled_back(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[T:.*]]: tensor<f32>)
// CHECK: %[[Y:.*]] = weft.custom_derivative "f" of(%[[X]])
// CHECK: %[[SLOPE:.*]] = weft.cos %[[X]]
// CHECK: %[[TANGENT:.*]] = weft.multiply %[[T]], %[[SLOPE]]
// CHECK: return %[[Y]], %[[TANGENT]]
func.func @pulled_back(%x: tensor<f32>) -> tensor<f32> attributes {weft.push_forward = [0]} {
  %0 = weft.custom_derivative "f" of(%x) {weft.pulled_back} : (tensor<f32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    weft.yield %1 : tensor<f32>
  } by {
  ^bb0(%y: tensor<f32>):
    %1 = weft.sin %y : tensor<f32>
    weft.yield %1, %y : tensor<f32>, tensor<f32>
  }, {
  ^bb0(%kept: tensor<f32>, %g: tensor<f32>):
    weft.yield %g : tensor<f32>
  }
  return %0 : tensor<f32>
}
