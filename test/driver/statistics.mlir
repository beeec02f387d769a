// What each pass did, in numbers.
// RUN: weft-opt %s --weft-pipeline=cpu --until=plan --pass-statistics -o /dev/null 2>&1 | FileCheck %s

//      CHECK: pass {{ *}}operations {{ *}}kernels {{ *}}launches {{ *}}arena bytes
//      CHECK: weft-fuse {{ *}}6 -> {{[0-9]+}} {{ *}}0 -> 3 {{ *}}0 -> 3 {{ *}}0
//      CHECK: weft-deduplicate-kernels {{.*}} 3 -> 2 {{ *}}3 {{ *}}0
// CHECK-NEXT: weft-plan-memory {{.*}} 2 {{ *}}3 {{ *}}0 -> 64
func.func @f(%x: tensor<4x8xf32>, %y: tensor<6x8xf32>) -> (tensor<f32>, tensor<6xf32>) {
  %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
  %1 = weft.sum %0 [0] : tensor<4xf32> -> tensor<f32>
  %2 = weft.sum %y [1] : tensor<6x8xf32> -> tensor<6xf32>
  return %1, %2 : tensor<f32>, tensor<6xf32>
}
