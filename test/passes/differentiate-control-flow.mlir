// RUN: weft-opt %s --weft-differentiate --cse | FileCheck %s
// RUN: weft-opt %s --weft-pipeline=cpu --until=plan | FileCheck %s --check-prefix=PLAN

// The loop keeps what the backward loop reads: the carried value, and the factor is there.
// CHECK-LABEL: func.func @powers(
// CHECK: %[[F:.*]]:2 = weft.scan [4] init(%{{.*}}) over(%{{.*}}) : {{.*}} -> (tensor<f32>, tensor<4xf32>)
// CHECK: weft.multiply
// CHECK: %[[B:.*]]:2 = weft.scan [4] init(%{{.*}}) over(%[[F]]#1, %{{.*}}) reverse
// CHECK: return %[[F]]#0, %[[B]]#0, %[[B]]#1
// PLAN-COUNT-2: weft.loop
// PLAN-NOT: weft.loop
func.func @powers(%x: tensor<f32>, %s: tensor<4xf32>) -> tensor<f32> attributes {weft.differentiate = [0, 1]} {
  %0 = weft.scan [4] init(%x) over(%s) : (tensor<f32>, tensor<4xf32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>, %f: tensor<f32>):
    %1 = weft.multiply %y, %f : tensor<f32>
    weft.yield %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}
