// RUN: weft-opt %s --weft-differentiate --verify-diagnostics

func.func @f(%x: tensor<f32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  // expected-error @+1 {{cannot be differentiated: how many iterations there are is not known}}
  %0 = weft.while init(%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>):
    %1 = weft.less %y, %y : tensor<f32> -> tensor<i1>
    weft.yield %1 : tensor<i1>
  } do {
  ^bb0(%y: tensor<f32>):
    weft.yield %y : tensor<f32>
  }
  return %0 : tensor<f32>
}
