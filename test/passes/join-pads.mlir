// RUN: weft-opt %s --weft-join-pads --canonicalize | FileCheck %s

// The documented example: zeros change no integer.
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<4x2xi32>, %[[Y:.*]]: tensor<4x3xi32>)
// CHECK-NEXT: %[[ALL:.*]] = weft.concatenate %[[X]], %[[Y]] axis 1
// CHECK-NEXT: return %[[ALL]]
func.func @f(%x: tensor<4x2xi32>, %y: tensor<4x3xi32>) -> tensor<4x5xi32> {
  %0 = weft.constant dense<0> : tensor<i32> : tensor<i32>
  %1 = weft.pad %x, %0 low [0, 0] interior [0, 0] : tensor<4x2xi32>, tensor<i32> -> tensor<4x5xi32>
  %2 = weft.pad %y, %0 low [0, 2] interior [0, 0] : tensor<4x3xi32>, tensor<i32> -> tensor<4x5xi32>
  %3 = weft.add %1, %2 : tensor<4x5xi32>
  return %3 : tensor<4x5xi32>
}

// A float of -0 becomes +0; parts in any order, which leave zeros at both ends.
// CHECK-LABEL: func.func @gates(
// CHECK-SAME: %[[X:.*]]: tensor<2xf32>, %[[Y:.*]]: tensor<3xf32>)
// CHECK: weft.concatenate %{{.*}}, %{{.*}}, %{{.*}} axis 0 : tensor<2xf32>, tensor<3xf32>, tensor<2xf32> -> tensor<7xf32>
// CHECK-NEXT: weft.pad %{{.*}}, %{{.*}} low [1] interior [0] : tensor<7xf32>, tensor<f32> -> tensor<9xf32>
// CHECK-NEXT: return
func.func @gates(%x: tensor<2xf32>, %y: tensor<3xf32>) -> tensor<9xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [6] interior [0] : tensor<2xf32>, tensor<f32> -> tensor<9xf32>
  %2 = weft.pad %y, %0 low [3] interior [0] : tensor<3xf32>, tensor<f32> -> tensor<9xf32>
  %3 = weft.pad %x, %0 low [1] interior [0] : tensor<2xf32>, tensor<f32> -> tensor<9xf32>
  %4 = weft.add %1, %2 : tensor<9xf32>
  %5 = weft.add %4, %3 : tensor<9xf32>
  return %5 : tensor<9xf32>
}

// Parts that lie over each other or apart, along several axes, filled with other than +0.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: weft.concatenate
// CHECK: return
func.func @others(%x: tensor<2xf32>, %y: tensor<2x2xf32>, %t: tensor<i1>)
    -> (tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<3x4xf32>) {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.constant dense<-0.0> : tensor<f32> : tensor<f32>
  %2 = weft.pad %x, %0 low [0] interior [0] : tensor<2xf32>, tensor<f32> -> tensor<5xf32>
  %3 = weft.pad %x, %0 low [1] interior [0] : tensor<2xf32>, tensor<f32> -> tensor<5xf32>
  %4 = weft.pad %x, %0 low [3] interior [0] : tensor<2xf32>, tensor<f32> -> tensor<5xf32>
  %5 = weft.pad %x, %1 low [2] interior [0] : tensor<2xf32>, tensor<f32> -> tensor<5xf32>
  %6 = weft.pad %x, %0 low [2] interior [1] : tensor<2xf32>, tensor<f32> -> tensor<5xf32>
  %7 = weft.add %2, %3 : tensor<5xf32>
  %8 = weft.add %2, %4 : tensor<5xf32>
  %9 = weft.add %2, %5 : tensor<5xf32>
  %10 = weft.add %9, %6 : tensor<5xf32>
  %11 = weft.pad %y, %0 low [0, 0] interior [0, 0] : tensor<2x2xf32>, tensor<f32> -> tensor<3x4xf32>
  %12 = weft.pad %y, %0 low [1, 2] interior [0, 0] : tensor<2x2xf32>, tensor<f32> -> tensor<3x4xf32>
  %13 = weft.add %11, %12 : tensor<3x4xf32>
  return %7, %8, %10, %13 : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<3x4xf32>
}
