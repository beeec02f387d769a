// Every op takes unknown sizes: they agree with any size, and results keep what is known.
// RUN: weft-opt %s | weft-opt | FileCheck %s
// RUN: weft-opt %s --canonicalize --cse

// CHECK-LABEL: func.func @elementwise(
func.func @elementwise(%x: tensor<?x3xf32>, %y: tensor<2x?xf32>) -> tensor<?x3xf32> {
  // CHECK: weft.add %{{.*}}, %{{.*}} : tensor<?x3xf32>
  %0 = weft.add %x, %x : tensor<?x3xf32>
  // Types that agree without being equal are all written.
  // CHECK: weft.multiply %{{.*}}, %{{.*}} : (tensor<?x3xf32>, tensor<2x?xf32>, tensor<?x3xf32>)
  %1 = "weft.multiply"(%0, %y) : (tensor<?x3xf32>, tensor<2x?xf32>) -> tensor<?x3xf32>
  return %1 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @movement(
func.func @movement(%x: tensor<?x3xf32>, %i: tensor<?xi64>, %u: tensor<?x3xf32>) {
  // CHECK: tensor<?x3xf32> -> tensor<3x?xf32>
  %0 = weft.transpose %x [1, 0] : tensor<?x3xf32> -> tensor<3x?xf32>
  %1 = weft.reshape %x : tensor<?x3xf32> -> tensor<?xf32>
  %2 = weft.broadcast %1 [1] : tensor<?xf32> -> tensor<4x?xf32>
  %3 = weft.slice %x starts [7, 0] steps [1, 1] : tensor<?x3xf32> -> tensor<?x2xf32>
  // CHECK: weft.concatenate {{.*}} -> tensor<?x3xf32>
  %4 = weft.concatenate %x, %x axis 0 : tensor<?x3xf32>, tensor<?x3xf32> -> tensor<?x3xf32>
  // CHECK: weft.gather {{.*}} -> tensor<?x3xf32>
  %5 = weft.gather %x, %i axis 0 : tensor<?x3xf32>, tensor<?xi64> -> tensor<?x3xf32>
  %6 = weft.scatter_add %x, %i, %u axis 0 : tensor<?x3xf32>, tensor<?xi64>, tensor<?x3xf32>
  return
}

// CHECK-LABEL: func.func @contraction(
func.func @contraction(%a: tensor<?x2x?xf32>, %b: tensor<5x3x?xf32>, %x: tensor<?x?x8x1x3xf32>,
                       %w: tensor<3x3x3x1x4xf32>) {
  // CHECK: weft.matmul {{.*}} -> tensor<?x2x?xf32>
  %0 = weft.matmul %a, %b : tensor<?x2x?xf32>, tensor<5x3x?xf32> -> tensor<?x2x?xf32>
  // CHECK: weft.convolution {{.*}} -> tensor<?x?x6x1x4xf32>
  %1 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<?x?x8x1x3xf32>, tensor<3x3x3x1x4xf32> -> tensor<?x?x6x1x4xf32>
  return
}

// CHECK-LABEL: func.func @reduction(
func.func @reduction(%x: tensor<?x3xf32>, %l: tensor<?xi64>) {
  // CHECK: weft.sum {{.*}} -> tensor<?xf32>
  %0 = weft.sum %x [1] : tensor<?x3xf32> -> tensor<?xf32>
  // CHECK: weft.argmax {{.*}} -> tensor<3xi64>
  %1 = weft.argmax %x [0] : tensor<?x3xf32> -> tensor<3xi64>
  %2 = weft.softmax %x axis 0 : tensor<?x3xf32>
  // CHECK: weft.cross_entropy {{.*}} -> tensor<?xf32>
  %3 = weft.cross_entropy %x, %l : tensor<?x3xf32>, tensor<?xi64> -> tensor<?xf32>
  return
}
