// RUN: weft-opt %s --weft-split-concatenations | FileCheck %s

// More than 16 operands are concatenated in several steps, in their order.
// CHECK-LABEL: func.func @several(
// CHECK-SAME: %[[X:.*]]: tensor<2xf32>, %[[Y:.*]]: tensor<3xf32>
// CHECK-NEXT: %[[FIRST:.*]] = weft.concatenate %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[Y]] axis 0 : {{.*}} -> tensor<33xf32>
// CHECK-NEXT: %[[SECOND:.*]] = weft.concatenate %[[Y]], %[[X]] axis 0 : {{.*}} -> tensor<5xf32>
// CHECK-NEXT: %[[ALL:.*]] = weft.concatenate %[[FIRST]], %[[SECOND]] axis 0 : {{.*}} -> tensor<38xf32>
// CHECK-NEXT: return %[[ALL]]
func.func @several(%x: tensor<2xf32>, %y: tensor<3xf32>) -> tensor<38xf32> {
  %0 = weft.concatenate %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %y, %y, %x axis 0 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32> -> tensor<38xf32>
  return %0 : tensor<38xf32>
}

// A last one alone stays as it is.
// CHECK-LABEL: func.func @one_left(
// CHECK-SAME: %[[X:.*]]: tensor<1x2xf32>
// CHECK-NEXT: %[[FIRST:.*]] = weft.concatenate
// CHECK-NEXT: %[[ALL:.*]] = weft.concatenate %[[FIRST]], %[[X]] axis 1 :
// CHECK-NEXT: return %[[ALL]]
func.func @one_left(%x: tensor<1x2xf32>) -> tensor<1x34xf32> {
  %0 = weft.concatenate %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x axis 1 : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x34xf32>
  return %0 : tensor<1x34xf32>
}

// CHECK-LABEL: func.func @few(
// CHECK-NEXT: weft.concatenate %{{.*}}, %{{.*}} axis 0
// CHECK-NEXT: return
func.func @few(%x: tensor<2xf32>, %y: tensor<0xf32>) -> tensor<2xf32> {
  %0 = weft.concatenate %x, %y axis 0 : tensor<2xf32>, tensor<0xf32> -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
