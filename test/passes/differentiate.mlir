// RUN: weft-opt %s --weft-differentiate | FileCheck %s
// RUN: weft-opt %s --weft-differentiate --weft-decompose --cse --canonicalize | FileCheck %s --check-prefix=MERGED

// The result, then the gradient; the request goes away.
// CHECK-LABEL: func.func @value_and_gradient(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>) -> (tensor<f32>, tensor<3xf32>) {
// CHECK: %[[Y:.*]] = weft.exp %[[X]]
// CHECK: %[[LOSS:.*]] = weft.sum %[[Y]] [0]
// CHECK: %[[ONE:.*]] = weft.constant dense<1.000000e+00>
// CHECK: %[[ONES:.*]] = weft.broadcast %[[ONE]] [] : tensor<f32> -> tensor<3xf32>
// CHECK: %[[GRADIENT:.*]] = weft.multiply %[[ONES]], %[[Y]]
// CHECK: return %[[LOSS]], %[[GRADIENT]]
func.func @value_and_gradient(%x: tensor<3xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %y = weft.exp %x : tensor<3xf32>
  %loss = weft.sum %y [0] : tensor<3xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// Without a request nothing happens.
// CHECK-LABEL: func.func @not_asked(
// CHECK-SAME: -> tensor<f32> {
// CHECK-NEXT: weft.sum
// CHECK-NEXT: return
func.func @not_asked(%x: tensor<3xf32>) -> tensor<f32> {
  %loss = weft.sum %x [0] : tensor<3xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// Gradients of several uses are added; arguments come in the order asked for.
// CHECK-LABEL: func.func @uses_are_added(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[Y:.*]]: tensor<f64>) -> (tensor<f32>, tensor<f64>, tensor<f32>) {
// CHECK: %[[PRODUCT:.*]] = weft.multiply %[[X]], %[[X]]
// CHECK: %[[ONE:.*]] = weft.constant dense<1.000000e+00>
// CHECK: %[[LEFT:.*]] = weft.multiply %[[ONE]], %[[X]]
// CHECK: %[[RIGHT:.*]] = weft.multiply %[[ONE]], %[[X]]
// CHECK: %[[TOTAL:.*]] = weft.add %[[LEFT]], %[[RIGHT]]
// CHECK: %[[ZERO:.*]] = weft.constant dense<0.000000e+00> : tensor<f64>
// CHECK: return %[[PRODUCT]], %[[ZERO]], %[[TOTAL]]
func.func @uses_are_added(%x: tensor<f32>, %y: tensor<f64>) -> tensor<f32>
    attributes {weft.differentiate = [1, 0]} {
  %product = weft.multiply %x, %x : tensor<f32>
  return %product : tensor<f32>
}

// No derivative goes through ops that declare to have none, nor to values that don't need it.
// CHECK-LABEL: func.func @stops(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[Y:.*]]: tensor<f32>)
// CHECK: %[[HELD:.*]] = weft.stop_gradient %[[X]]
// CHECK: %[[ONE:.*]] = weft.constant dense<1.000000e+00>
// CHECK-NEXT: %[[GRADIENT:.*]] = weft.multiply %[[ONE]], %[[HELD]]
// CHECK-NEXT: return %{{.*}}, %[[GRADIENT]] :
func.func @stops(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %held = weft.stop_gradient %x : tensor<f32>
  %other = weft.exp %y : tensor<f32>
  %product = weft.multiply %x, %held : tensor<f32>
  %sum = weft.add %product, %other : tensor<f32>
  return %sum : tensor<f32>
}

// A composite with a rule of its own stays whole.
// CHECK-LABEL: func.func @composite_with_rule(
// CHECK: %[[S:.*]] = weft.sigmoid %{{.*}} : tensor<f32>
// CHECK-NOT: weft.exp
// CHECK: weft.subtract %{{.*}}, %[[S]]
// CHECK-NOT: weft.exp
// CHECK: return %[[S]]
func.func @composite_with_rule(%x: tensor<f32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %s = weft.sigmoid %x : tensor<f32>
  return %s : tensor<f32>
}

// Another is differentiated by its definition, and computed once in the end.
// CHECK-LABEL: func.func @composite_by_definition(
// CHECK: weft.erf
// CHECK: %[[Y:.*]] = weft.gelu
// CHECK: return %[[Y]]
// MERGED-LABEL: func.func @composite_by_definition(
// MERGED-COUNT-1: weft.erf
// MERGED-NOT: weft.erf
// MERGED-NOT: weft.gelu
// MERGED: return
func.func @composite_by_definition(%x: tensor<f32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %y = weft.gelu %x : tensor<f32>
  return %y : tensor<f32>
}

// Transposes of matrix products are flags.
// CHECK-LABEL: func.func @matmul_flags(
// CHECK-SAME: %[[A:.*]]: tensor<4x3xf32>, %[[B:.*]]: tensor<4x5xf32>)
// CHECK-NOT: weft.transpose
// CHECK-DAG: weft.matmul %[[B]], %[[G:.*]] {transpose_rhs = true} : tensor<4x5xf32>, tensor<3x5xf32> -> tensor<4x3xf32>
// CHECK-DAG: weft.matmul %[[A]], %[[G]] : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
// CHECK: return
func.func @matmul_flags(%a: tensor<4x3xf32>, %b: tensor<4x5xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0, 1]} {
  %c = weft.matmul %a, %b {transpose_lhs = true} : tensor<4x3xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
  %loss = weft.sum %c [0, 1] : tensor<3x5xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// x has one row more than the windows reach: the result has it too.
// CHECK-LABEL: func.func @strided_convolution(
// CHECK-SAME: %[[X:.*]]: tensor<1x6x5x1x2xf32>, %[[W:.*]]: tensor<3x3x2x1x4xf32>)
// CHECK: %[[G:.*]] = weft.broadcast %{{.*}} [] : tensor<f32> -> tensor<1x2x2x1x4xf32>
// CHECK-DAG: %[[SPREAD:.*]] = weft.pad %[[G]], %{{.*}} low [0, 2, 2, 0, 0] interior [0, 1, 1, 0, 0] {{.*}} -> tensor<1x8x7x1x4xf32>
// CHECK-DAG: %[[TURNED:.*]] = weft.slice %[[W]] starts [2, 2, 0, 0, 0] steps [-1, -1, 1, 1, 1]
// CHECK-DAG: %[[SWAPPED:.*]] = weft.transpose %[[TURNED]] [0, 1, 4, 3, 2]
// CHECK-DAG: weft.convolution %[[SPREAD]], %[[SWAPPED]] strides [1, 1] dilations [1, 1] {{.*}} -> tensor<1x6x5x1x2xf32>
// CHECK-DAG: weft.convolution_weight_gradient %[[X]], %[[G]] strides [2, 2] dilations [1, 1]
// CHECK: return
func.func @strided_convolution(%x: tensor<1x6x5x1x2xf32>, %w: tensor<3x3x2x1x4xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0, 1]} {
  %y = weft.convolution %x, %w strides [2, 2] dilations [1, 1]
      : tensor<1x6x5x1x2xf32>, tensor<3x3x2x1x4xf32> -> tensor<1x2x2x1x4xf32>
  %loss = weft.sum %y [0, 1, 2, 3, 4] : tensor<1x2x2x1x4xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// Elements 5, 3 and 1 were read: the cotangent is put back in reverse.
// CHECK-LABEL: func.func @reversed_slice(
// CHECK: %[[BACK:.*]] = weft.slice %{{.*}} starts [2] steps [-1] : tensor<3xf32> -> tensor<3xf32>
// CHECK: weft.pad %[[BACK]], %{{.*}} low [1] interior [1] : tensor<3xf32>, tensor<f32> -> tensor<7xf32>
func.func @reversed_slice(%x: tensor<7xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %y = weft.slice %x starts [5] steps [-2] : tensor<7xf32> -> tensor<3xf32>
  %loss = weft.sum %y [0] : tensor<3xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// The product of the others is not a quotient: x may be zero.
// CHECK-LABEL: func.func @product(
// CHECK-NOT: weft.divide
// CHECK: weft.concatenate
// CHECK-NOT: weft.divide
// CHECK: return
func.func @product(%x: tensor<4xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %loss = weft.prod %x [0] : tensor<4xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// What was replaced has no gradient, and the value that of its place.
// CHECK-LABEL: func.func @updated(
// CHECK-DAG: weft.update %[[G:.*]], %{{.*}} starts [1] steps [2] : tensor<7xf32>, tensor<3xf32> -> tensor<7xf32>
// CHECK-DAG: weft.slice %{{.*}} starts [1] steps [2] : tensor<7xf32> -> tensor<3xf32>
func.func @updated(%x: tensor<7xf32>, %v: tensor<3xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0, 1]} {
  %y = weft.update %x, %v starts [1] steps [2] : tensor<7xf32>, tensor<3xf32> -> tensor<7xf32>
  %z = weft.exp %y : tensor<7xf32>
  %loss = weft.sum %z [0] : tensor<7xf32> -> tensor<f32>
  return %loss : tensor<f32>
}

// Of equal indices the last one has the gradient: that whose number is left after scattering.
// CHECK-LABEL: func.func @scattered(
// CHECK-SAME: %{{.*}}: tensor<7x2xf32>, %[[I:.*]]: tensor<3xi64>, %{{.*}}: tensor<3x2xf32>)
// CHECK-DAG: %[[IOTA:.*]] = weft.iota 0 : tensor<3xi64>
// CHECK-DAG: %[[NUMBERS:.*]] = weft.add %[[IOTA]], %{{.*}} : tensor<3xi64>
// CHECK-DAG: %[[WINNERS:.*]] = weft.scatter %{{.*}}, %[[I]], %[[NUMBERS]] axis 0 : tensor<7xi64>, tensor<3xi64>, tensor<3xi64>
// CHECK-DAG: weft.gather %[[WINNERS]], %[[I]] axis 0
// CHECK-DAG: weft.scatter %{{.*}}, %[[I]], %{{.*}} axis 0 : tensor<7x2xf32>, tensor<3xi64>, tensor<3x2xf32>
func.func @scattered(%x: tensor<7x2xf32>, %i: tensor<3xi64>, %u: tensor<3x2xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0, 2]} {
  %y = weft.scatter %x, %i, %u axis 0 : tensor<7x2xf32>, tensor<3xi64>, tensor<3x2xf32>
  %z = weft.exp %y : tensor<7x2xf32>
  %loss = weft.sum %z [0, 1] : tensor<7x2xf32> -> tensor<f32>
  return %loss : tensor<f32>
}
