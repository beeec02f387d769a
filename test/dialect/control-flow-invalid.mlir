// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{the body yields 'tensor<i64>', but 'tensor<f32>' is what goes on}}
  %0 = weft.scan [5] init(%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>):
    %1 = weft.constant dense<1> : tensor<i64> : tensor<i64>
    weft.yield %1 : tensor<i64>
  }
  return %0 : tensor<f32>
}

// -----

func.func @f(%x: tensor<f32>, %s: tensor<4xf32>) -> tensor<f32> {
  // expected-error @+1 {{has 5 iterations, but 'tensor<4xf32>' has no such number of slices}}
  %0 = weft.scan [5] init(%x) over(%s) : (tensor<f32>, tensor<4xf32>) -> tensor<f32> {
  ^bb0(%y: tensor<f32>, %z: tensor<f32>):
    weft.yield %y : tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{the condition yields 'tensor<3xi1>', but has to yield tensor<i1>}}
  %0 = weft.while init(%x) : (tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%y: tensor<3xf32>):
    %1 = weft.less %y, %y : tensor<3xf32> -> tensor<3xi1>
    weft.yield %1 : tensor<3xi1>
  } do {
  ^bb0(%y: tensor<3xf32>):
    weft.yield %y : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// -----

func.func @f(%i: tensor<i64>, %x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{branch #1 takes , but is given 'tensor<3xf32>'}}
  %0 = weft.case %i with(%x) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%y: tensor<3xf32>):
    weft.yield %y : tensor<3xf32>
  }, {
    %1 = weft.constant dense<1.0> : tensor<3xf32> : tensor<3xf32>
    weft.yield %1 : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// -----

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{there is no function @body}}
  %0 = weft.loop @body count [5] init(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{goes on by a condition, or has a count}}
  %0 = weft.loop @body init(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func private @body(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
