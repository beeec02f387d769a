// RUN: weft-opt %s --weft-collapse-dimensions | FileCheck %s

// The documented example: an elementwise kernel has rank 1, and the launch the product of the sizes.
// CHECK-LABEL: func.func @example(
// CHECK-NEXT: weft.launch @elementwise(%{{.*}}) sizes [32] : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @example(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = weft.launch @elementwise(%x) sizes [4, 8] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
// CHECK-LABEL: weft.kernel @elementwise(
// CHECK-SAME: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
// CHECK: weft.exp %{{.*}} : tensor<?xf32, #weft.sizes<[0]>>
weft.kernel @elementwise(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// The axes that are kept and the reduced ones become one each; an empty tensor stays empty.
// CHECK-LABEL: func.func @launch_rows(
// CHECK: weft.launch @rows(%{{.*}}) sizes [6, 20]
// CHECK: weft.launch @rows(%{{.*}}) sizes [0, 20]
func.func @launch_rows(%x: tensor<2x3x4x5xf32>, %y: tensor<0x3x4x5xf32>)
    -> (tensor<2x3xf32>, tensor<0x3xf32>) {
  %0 = weft.launch @rows(%x) sizes [2, 3, 4, 5] : (tensor<2x3x4x5xf32>) -> tensor<2x3xf32>
  %1 = weft.launch @rows(%y) sizes [0, 3, 4, 5] : (tensor<0x3x4x5xf32>) -> tensor<0x3xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<0x3xf32>
}
// CHECK-LABEL: weft.kernel @rows(
// CHECK: weft.sum %{{.*}} [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
weft.kernel @rows(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.sum %x [2, 3] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Only the outer axes are neighbours here: the reduced one moves to where they are gone.
// CHECK-LABEL: weft.kernel @outer(
// CHECK: weft.sum %{{.*}} [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
weft.kernel @outer(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.sum %x [2] : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// A bias along the last axis keeps it; the two before it are walked together.
// CHECK-LABEL: weft.kernel @bias(
// CHECK-SAME: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %{{.*}}: tensor<?xf32, #weft.sizes<[1]>>
// CHECK: weft.broadcast %{{.*}} [1] : tensor<?xf32, #weft.sizes<[1]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
weft.kernel @bias(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, %b: tensor<?xf32, #weft.sizes<[2]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>> {
  %0 = weft.broadcast %b [2] : tensor<?xf32, #weft.sizes<[2]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  %1 = weft.add %x, %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  weft.yield %1 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
}

// A transpose that swaps two groups of axes is one of a matrix.
// CHECK-LABEL: weft.kernel @transpose(
// CHECK: weft.transpose %{{.*}} [1, 0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[1, 0]>>
weft.kernel @transpose(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[2, 3, 0, 1]>> {
  %0 = weft.transpose %x [2, 3, 0, 1] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[2, 3, 0, 1]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[2, 3, 0, 1]>>
}

// Filling needs no axis but one; counters keep the axis that they count along.
// CHECK-LABEL: weft.kernel @fill(
// CHECK: weft.constant dense<1.000000e+00> : tensor<f32> : tensor<?xf32, #weft.sizes<[0]>>
weft.kernel @fill() -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.constant dense<1.0> : tensor<f32> : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}
// CHECK-LABEL: weft.kernel @count(
// CHECK: weft.iota 1 : tensor<?x?x?xi32, #weft.sizes<[0, 1, 2]>>
weft.kernel @count() -> tensor<?x?x?x?xi32, #weft.sizes<[0, 1, 2, 3]>> {
  %0 = weft.iota 2 : tensor<?x?x?x?xi32, #weft.sizes<[0, 1, 2, 3]>>
  weft.yield %0 : tensor<?x?x?x?xi32, #weft.sizes<[0, 1, 2, 3]>>
}

// Ops that read at other places keep all axes: gathers, windows, contractions, slices.
// CHECK-LABEL: weft.kernel @slice(
// CHECK: weft.slice %{{.*}} starts [0, 1] steps [1, 1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
weft.kernel @slice(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.slice %x starts [0, 1] steps [1, 1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
// CHECK-LABEL: weft.kernel @matmul(
// CHECK-SAME: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
weft.kernel @matmul(%a: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                    %b: tensor<?x?x?xf32, #weft.sizes<[0, 2, 3]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 3]>> {
  %0 = weft.matmul %a, %b : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 2, 3]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 3]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 3]>>
}

// A size that occurs twice in a tensor is no axis of its own: it is never merged.
// CHECK-LABEL: weft.kernel @square(
// CHECK-SAME: tensor<?x?xf32, #weft.sizes<[0, 0]>>
weft.kernel @square(%x: tensor<?x?xf32, #weft.sizes<[0, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 0]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 0]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 0]>>
}

// CHECK-LABEL: weft.kernel @scalar(
// CHECK-SAME: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>>
weft.kernel @scalar(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>> {
  %0 = weft.exp %x : tensor<f32, #weft.sizes<>>
  weft.yield %0 : tensor<f32, #weft.sizes<>>
}
