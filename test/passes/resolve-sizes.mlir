// Sizes get handles, which weft-name-sizes writes by name again.
// RUN: weft-opt %s --weft-resolve-sizes --weft-name-sizes | FileCheck %s
// A second time changes nothing.
// RUN: weft-opt %s --weft-resolve-sizes --weft-resolve-sizes --weft-name-sizes | FileCheck %s

// The handles themselves: numbers from 2^60 on, no dimension is dynamic.
// RUN: weft-opt %s --weft-resolve-sizes | FileCheck %s --check-prefix=HANDLES
// HANDLES-LABEL: func.func @inferred(
// HANDLES-SAME: tensor<11529215046{{[0-9]+}}x4xf32>
// HANDLES-NOT: {{[<x]\?}}

// CHECK-LABEL: func.func @inferred(
// CHECK-SAME: -> tensor<?xf32, #weft.shape<["n"]>>
func.func @inferred(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<?xf32> {
  // CHECK: weft.transpose {{.*}} -> tensor<4x?xf32, #weft.shape<[4, "n"]>>
  %0 = weft.transpose %x [1, 0] : tensor<?x4xf32, #weft.shape<["n", 4]>> -> tensor<4x?xf32>
  %1 = weft.sum %0 [0] : tensor<4x?xf32> -> tensor<?xf32>
  return %1 : tensor<?xf32>
}

// A bare ? of an argument is a symbol of its own, named after the argument.
// CHECK-LABEL: func.func @arguments(
// CHECK-SAME: tensor<?x?xf32, #weft.shape<["arg0_0", "arg0_1"]>>
// CHECK-SAME: tensor<?xf32, #weft.shape<["_0_weight_0"]>> {weft.name = "0.weight"}
func.func @arguments(%x: tensor<?x?xf32>, %w: tensor<?xf32> {weft.name = "0.weight"}) {
  return
}

// Products, sums and quotients.
// CHECK-LABEL: func.func @arithmetic(
func.func @arithmetic(%x: tensor<?x8xf32, #weft.shape<["n", 8]>>,
                      %y: tensor<?x8xf32, #weft.shape<["m", 8]>>,
                      %image: tensor<2x?x?x3xf32, #weft.shape<[2, "h", "w", 3]>>,
                      %weight: tensor<3x3x3x4xf32>) {
  // CHECK: weft.concatenate {{.*}} -> tensor<?x8xf32, #weft.shape<["n + m", 8]>>
  %0 = weft.concatenate %x, %y axis 0
      : tensor<?x8xf32, #weft.shape<["n", 8]>>, tensor<?x8xf32, #weft.shape<["m", 8]>> -> tensor<?x8xf32>
  // CHECK: weft.reshape {{.*}} -> tensor<?xf32, #weft.shape<["8*n + 8*m"]>>
  %1 = weft.reshape %0 : tensor<?x8xf32> -> tensor<?xf32>
  // CHECK: weft.reshape {{.*}} -> tensor<2x?x2xf32, #weft.shape<[2, "2*n + 2*m", 2]>>
  %2 = weft.reshape %1 : tensor<?xf32> -> tensor<2x?x2xf32>
  // CHECK: weft.convolution {{.*}} -> tensor<2x?x?x4xf32, #weft.shape<[2, "floor((h + 1) / 2) - 1", "w - 4", 4]>>
  %3 = weft.convolution %image, %weight strides [2, 1] dilations [1, 2]
      : tensor<2x?x?x3xf32, #weft.shape<[2, "h", "w", 3]>>, tensor<3x3x3x4xf32> -> tensor<2x?x?x4xf32>
  return
}

// Where a result is written, the operands decide what they can.
// CHECK-LABEL: func.func @written(
func.func @written(%x: tensor<?xf32, #weft.shape<["n"]>>, %s: tensor<f32>) {
  // CHECK: weft.cast {{.*}} -> tensor<?xi32, #weft.shape<["n"]>>
  %0 = weft.cast %x : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?xi32>
  // CHECK: weft.broadcast {{.*}} -> tensor<3x?xf32, #weft.shape<[3, "n"]>>
  %1 = weft.broadcast %x [1] : tensor<?xf32, #weft.shape<["n"]>> -> tensor<3x?xf32>
  // CHECK: weft.broadcast {{.*}} -> tensor<?x3xf32, #weft.shape<["m", 3]>>
  %2 = weft.broadcast %s [] : tensor<f32> -> tensor<?x3xf32, #weft.shape<["m", 3]>>
  // CHECK: weft.slice {{.*}} -> tensor<?xf32, #weft.shape<["n - 2"]>>
  %3 = weft.slice %x starts [2] steps [1]
      : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?xf32, #weft.shape<["n - 2"]>>
  // CHECK: weft.iota 0 : tensor<?xi64, #weft.shape<["2*n"]>>
  %4 = weft.iota 0 : tensor<?xi64, #weft.shape<["n + n"]>>
  // CHECK: weft.constant dense<1.000000e+00> : tensor<f32> : tensor<?xf32, #weft.shape<["n"]>>
  %5 = weft.constant dense<1.0> : tensor<f32> : tensor<?xf32, #weft.shape<["n"]>>
  // CHECK: weft.constant dense<[1, 2]> : tensor<2xi32> : tensor<2xi32>
  %6 = weft.constant dense<[1, 2]> : tensor<2xi32> : tensor<?xi32>
  // CHECK: weft.constant dense<0.000000e+00> : tensor<4xf32> : tensor<4xf32>
  %7 = weft.constant dense<0.0> : tensor<f32> : tensor<?xf32, #weft.shape<["4 + n - n"]>>
  return
}

// CHECK-LABEL: func.func @fixed(
// CHECK-SAME: tensor<3xf32>) -> tensor<3xf32>
func.func @fixed(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
