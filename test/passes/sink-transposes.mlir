// RUN: weft-opt %s --weft-sink-transposes | FileCheck %s

// The documented example: a bias on channels first becomes one on channels last.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: %[[X:.*]]: tensor<2x5x5x3xf32>, %[[B:.*]]: tensor<3xf32>
// CHECK-NEXT: %[[SPREAD:.*]] = weft.broadcast %[[B]] [3] : tensor<3xf32> -> tensor<2x5x5x3xf32>
// CHECK-NEXT: %[[SUM:.*]] = weft.add %[[X]], %[[SPREAD]] : tensor<2x5x5x3xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.transpose %[[SUM]] [0, 3, 1, 2]
// CHECK-NEXT: return %[[Y]]
func.func @example(%x: tensor<2x5x5x3xf32>, %b: tensor<3xf32>) -> tensor<2x3x5x5xf32> {
  %0 = weft.transpose %x [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
  %1 = weft.broadcast %b [1] : tensor<3xf32> -> tensor<2x3x5x5xf32>
  %2 = weft.add %0, %1 : tensor<2x3x5x5xf32>
  return %2 : tensor<2x3x5x5xf32>
}

// Between two layers the transposes meet and cancel.
// CHECK-LABEL: func.func @cancel(
// CHECK-SAME: %[[X:.*]]: tensor<2x5x5x3xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.tanh %[[X]] : tensor<2x5x5x3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @cancel(%x: tensor<2x5x5x3xf32>) -> tensor<2x5x5x3xf32> {
  %0 = weft.transpose %x [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
  %1 = weft.tanh %0 : tensor<2x3x5x5xf32>
  %2 = weft.transpose %1 [0, 2, 3, 1] : tensor<2x3x5x5xf32> -> tensor<2x5x5x3xf32>
  return %2 : tensor<2x5x5x3xf32>
}

// Two other orders of dimensions do not meet.
// CHECK-LABEL: func.func @different(
// CHECK: %[[A:.*]] = weft.transpose %{{.*}} [1, 2, 0]
// CHECK: %[[B:.*]] = weft.transpose %{{.*}} [2, 0, 1]
// CHECK: weft.add %[[A]], %[[B]]
func.func @different(%x: tensor<4x2x3xf32>, %y: tensor<3x4x2xf32>) -> tensor<2x3x4xf32> {
  %0 = weft.transpose %x [1, 2, 0] : tensor<4x2x3xf32> -> tensor<2x3x4xf32>
  %1 = weft.transpose %y [2, 0, 1] : tensor<3x4x2xf32> -> tensor<2x3x4xf32>
  %2 = weft.add %0, %1 : tensor<2x3x4xf32>
  return %2 : tensor<2x3x4xf32>
}

// A tensor that is there in the result's order holds the transpose.
// CHECK-LABEL: func.func @held(
// CHECK: %[[T:.*]] = weft.transpose
// CHECK: weft.add %[[T]], %{{.*}} : tensor<3x2xf32>
func.func @held(%x: tensor<2x3xf32>, %y: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %0 = weft.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %1 = weft.add %0, %y : tensor<3x2xf32>
  return %1 : tensor<3x2xf32>
}

// Sums keep their shape, so that they keep their order.
// CHECK-LABEL: func.func @sum(
// CHECK-NEXT: weft.transpose
// CHECK-NEXT: weft.sum %{{.*}} [0, 2] : tensor<4x2x3xf32>
func.func @sum(%x: tensor<2x3x4xf32>) -> tensor<2xf32> {
  %0 = weft.transpose %x [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  %1 = weft.sum %0 [0, 2] : tensor<4x2x3xf32> -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// A pad is made before, in the order that the operand has.
// CHECK-LABEL: func.func @pad(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x5x7xf32>, %[[V:.*]]: tensor<f32>
// CHECK-NEXT: %[[P:.*]] = weft.pad %[[X]], %[[V]] low [0, 0, 1, 2] interior [0, 0, 0, 1] : {{.*}} -> tensor<2x3x7x16xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.transpose %[[P]] [0, 2, 3, 1] : tensor<2x3x7x16xf32> -> tensor<2x7x16x3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @pad(%x: tensor<2x3x5x7xf32>, %v: tensor<f32>) -> tensor<2x7x16x3xf32> {
  %0 = weft.transpose %x [0, 2, 3, 1] : tensor<2x3x5x7xf32> -> tensor<2x5x7x3xf32>
  %1 = weft.pad %0, %v low [0, 1, 2, 0] interior [0, 0, 1, 0] : tensor<2x5x7x3xf32>, tensor<f32> -> tensor<2x7x16x3xf32>
  return %1 : tensor<2x7x16x3xf32>
}

// Not if the transpose is read otherwise, too: there would be two.
// CHECK-LABEL: func.func @pad_of_shared(
// CHECK: weft.transpose
// CHECK: weft.pad
// CHECK-NOT: weft.transpose
func.func @pad_of_shared(%x: tensor<2x3xf32>, %v: tensor<f32>) -> (tensor<3x2xf32>, tensor<4x2xf32>) {
  %0 = weft.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %1 = weft.pad %0, %v low [1, 0] interior [0, 0] : tensor<3x2xf32>, tensor<f32> -> tensor<4x2xf32>
  return %0, %1 : tensor<3x2xf32>, tensor<4x2xf32>
}

// What is joined in another order is joined in its own.
// CHECK-LABEL: func.func @joined(
// CHECK-SAME: %[[X:.*]]: tensor<2x5x5x3xf32>, %[[Y:.*]]: tensor<2x5x5x4xf32>
// CHECK-NEXT: %[[BOTH:.*]] = weft.concatenate %[[X]], %[[Y]] axis 3
// CHECK-NEXT: weft.transpose %[[BOTH]] [0, 3, 1, 2] : tensor<2x5x5x7xf32> -> tensor<2x7x5x5xf32>
func.func @joined(%x: tensor<2x5x5x3xf32>, %y: tensor<2x5x5x4xf32>) -> tensor<2x7x5x5xf32> {
  %0 = weft.transpose %x [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
  %1 = weft.transpose %y [0, 3, 1, 2] : tensor<2x5x5x4xf32> -> tensor<2x4x5x5xf32>
  %2 = weft.concatenate %0, %1 axis 1 : tensor<2x3x5x5xf32>, tensor<2x4x5x5xf32> -> tensor<2x7x5x5xf32>
  return %2 : tensor<2x7x5x5xf32>
}

// One of them is there in the result's order.
// CHECK-LABEL: func.func @joined_to_another(
// CHECK: weft.transpose
// CHECK-NEXT: weft.concatenate
// CHECK-NEXT: return
func.func @joined_to_another(%x: tensor<2x5x5x3xf32>, %y: tensor<2x4x5x5xf32>) -> tensor<2x7x5x5xf32> {
  %0 = weft.transpose %x [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
  %1 = weft.concatenate %0, %y axis 1 : tensor<2x3x5x5xf32>, tensor<2x4x5x5xf32> -> tensor<2x7x5x5xf32>
  return %1 : tensor<2x7x5x5xf32>
}

// Upsampling: each pixel of an image twice in both directions.
// CHECK-LABEL: func.func @doubled(
// CHECK-SAME: %[[X:.*]]: tensor<1x5x6x3xf32>
// CHECK-NEXT: %[[WIDE:.*]] = weft.broadcast %[[X]] [0, 1, 3, 5] : tensor<1x5x6x3xf32> -> tensor<1x5x2x6x2x3xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.reshape %[[WIDE]] : tensor<1x5x2x6x2x3xf32> -> tensor<1x10x12x3xf32>
// CHECK-NEXT: weft.transpose %[[Y]] [0, 3, 1, 2] : tensor<1x10x12x3xf32> -> tensor<1x3x10x12xf32>
func.func @doubled(%x: tensor<1x5x6x3xf32>) -> tensor<1x3x10x12xf32> {
  %0 = weft.transpose %x [0, 3, 1, 2] : tensor<1x5x6x3xf32> -> tensor<1x3x5x6xf32>
  %1 = weft.broadcast %0 [0, 1, 2, 4] : tensor<1x3x5x6xf32> -> tensor<1x3x5x2x6x2xf32>
  %2 = weft.reshape %1 : tensor<1x3x5x2x6x2xf32> -> tensor<1x3x10x12xf32>
  return %2 : tensor<1x3x10x12xf32>
}

// A reshape that puts dimensions together that the transpose has moved apart stays.
// CHECK-LABEL: func.func @flattened(
// CHECK: weft.transpose
// CHECK-NEXT: weft.broadcast
// CHECK-NEXT: weft.reshape
// CHECK-NEXT: return
func.func @flattened(%x: tensor<5x3xf32>) -> tensor<3x10xf32> {
  %0 = weft.transpose %x [1, 0] : tensor<5x3xf32> -> tensor<3x5xf32>
  %1 = weft.broadcast %0 [0, 2] : tensor<3x5xf32> -> tensor<3x2x5xf32>
  %2 = weft.reshape %1 : tensor<3x2x5xf32> -> tensor<3x10xf32>
  return %2 : tensor<3x10xf32>
}
