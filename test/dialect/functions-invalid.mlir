// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @other_result(%x: tensor<2xf32>) -> tensor<2xf64> {
  // expected-error @below {{the body yields 'tensor<2xf32>', but 'tensor<2xf64>' is what goes on}}
  %0 = weft.checkpoint with(%x) : (tensor<2xf32>) -> tensor<2xf64> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  }
  return %0 : tensor<2xf64>
}

// -----

func.func @no_tangent(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @below {{the rule along tangents takes 'tensor<2xf32>', but is given 'tensor<2xf32>', 'tensor<2xf32>'}}
  %0 = weft.custom_derivative "f" of(%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  } by {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a, %a : tensor<2xf32>, tensor<2xf32>
  }
  return %0 : tensor<2xf32>
}

// -----

func.func @other_gradient(%x: tensor<2xf32>, %n: tensor<i64>) -> tensor<2xf32> {
  // expected-error @below {{the backward pass yields 'tensor<2xf32>', 'tensor<i64>', but 'tensor<2xf32>' is what goes on}}
  %0 = weft.custom_derivative "f" of(%x, %n) : (tensor<2xf32>, tensor<i64>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>, %m: tensor<i64>):
    weft.yield %a : tensor<2xf32>
  } by {
  ^bb0(%a: tensor<2xf32>, %m: tensor<i64>):
    weft.yield %a, %m : tensor<2xf32>, tensor<i64>
  }, {
  ^bb0(%m: tensor<i64>, %g: tensor<2xf32>):
    weft.yield %g, %m : tensor<2xf32>, tensor<i64>
  }
  return %0 : tensor<2xf32>
}

// -----

func.func @no_result(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @below {{the forward pass yields , but begins with 'tensor<2xf32>'}}
  %0 = weft.custom_derivative "f" of(%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  } by {
  ^bb0(%a: tensor<2xf32>):
    weft.yield
  }, {
  ^bb0(%g: tensor<2xf32>):
    weft.yield %g : tensor<2xf32>
  }
  return %0 : tensor<2xf32>
}

// -----

func.func @policy(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @below {{saves "some", which is no policy}}
  %0 = weft.checkpoint with(%x) {saves = "some"} : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  }
  return %0 : tensor<2xf32>
}

// -----

func.func @budget(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @below {{has a budget of -1 bytes}}
  %0 = weft.checkpoint with(%x) {budget = -1 : i64} : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  }
  return %0 : tensor<2xf32>
}

// -----

func.func @sum(%x: tensor<2xf32>, %i: tensor<i64>) -> tensor<3xf32> {
  // expected-error @below {{the sum of 'tensor<2xf32>' has type 'tensor<3xf32>'}}
  %0 = weft.sum_examples %x at %i : tensor<2xf32>, tensor<i64> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @gather(%x: tensor<2xf32>, %i: tensor<i64>) -> tensor<5x3xf32> {
  // expected-error @below {{the shape [5, 3] of all examples is not that of one, [2], with a first dimension}}
  %0 = weft.gather_examples %x at %i : tensor<2xf32>, tensor<i64> -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// -----

func.func @scatter(%x: tensor<5x2xf32>, %i: tensor<3xi64>) -> tensor<2xf32> {
  // expected-error @below {{the number of the example has shape [3], but is one number}}
  %0 = weft.scatter_examples %x at %i : tensor<5x2xf32>, tensor<3xi64> -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
