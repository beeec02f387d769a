// RUN: weft-opt %s --weft-push-forward --split-input-file --verify-diagnostics

// expected-error @below {{weft.push_forward must be a list of argument numbers}}
func.func @no_list(%x: tensor<f32>) -> tensor<f32> attributes {weft.push_forward = 1} {
  return %x : tensor<f32>
}

// -----

func.func @no_rule(%x: tensor<1x4x4x2xf32>, %w: tensor<18xf32>) -> tensor<1x4x4x2xf32>
    attributes {weft.push_forward = [0]} {
  // expected-error @below {{of "f" has a rule for gradients only (custom_vjp)}}
  %0 = weft.custom_derivative "\22f\22" of(%x) : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32> {
  ^bb0(%y: tensor<1x4x4x2xf32>):
    weft.yield %y : tensor<1x4x4x2xf32>
  } by {
  ^bb0(%y: tensor<1x4x4x2xf32>):
    weft.yield %y : tensor<1x4x4x2xf32>
  }, {
  ^bb0(%g: tensor<1x4x4x2xf32>):
    weft.yield %g : tensor<1x4x4x2xf32>
  }
  return %0 : tensor<1x4x4x2xf32>
}

// -----

func.func @captured(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32>
    attributes {weft.push_forward = [1]} {
  // expected-error @below {{cannot be differentiated for a tensor that the function reads from outside}}
  %0 = weft.custom_derivative "f" of(%x) with(%y) : (tensor<f32>, tensor<f32>) -> tensor<f32> {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = weft.multiply %a, %b : tensor<f32>
    weft.yield %1 : tensor<f32>
  } by {
  ^bb0(%a: tensor<f32>, %t: tensor<f32>, %b: tensor<f32>):
    %1 = weft.multiply %a, %b : tensor<f32>
    %2 = weft.multiply %t, %b : tensor<f32>
    weft.yield %1, %2 : tensor<f32>, tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

func.func @too_often(%x: tensor<f32>) -> tensor<f32> attributes {weft.push_forward = [0]} {
  // expected-error @below {{has no derivative here}}
  %0 = weft.custom_derivative "f" of(%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%a: tensor<f32>):
    weft.yield %a : tensor<f32>
  } by
  return %0 : tensor<f32>
}
