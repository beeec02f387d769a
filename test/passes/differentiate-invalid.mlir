// RUN: weft-opt %s --weft-differentiate --split-input-file --verify-diagnostics

// expected-error @below {{weft.differentiate must be a list of argument numbers}}
func.func @no_list(%x: tensor<f32>) -> tensor<f32> attributes {weft.differentiate = "x"} {
  return %x : tensor<f32>
}

// -----

// expected-error @below {{weft.differentiate names argument 1 : i64, but the function has 1}}
func.func @no_such_argument(%x: tensor<f32>) -> tensor<f32> attributes {weft.differentiate = [1]} {
  return %x : tensor<f32>
}

// -----

// expected-error @below {{argument #1 has type 'tensor<i64>'; gradients are for floating tensors of static shape}}
func.func @integer(%x: tensor<f32>, %n: tensor<i64>) -> tensor<f32>
    attributes {weft.differentiate = [1]} {
  return %x : tensor<f32>
}

// -----

// expected-error @below {{the first result has type 'tensor<3xf32>'; only a floating tensor of rank 0 has a gradient, so reduce it first, as by weft.sum}}
func.func @not_a_number(%x: tensor<3xf32>) -> tensor<3xf32> attributes {weft.differentiate = [0]} {
  return %x : tensor<3xf32>
}

// -----

// expected-error @below {{returns nothing that could be differentiated}}
func.func @nothing(%x: tensor<f32>) attributes {weft.differentiate = [0]} {
  return
}

// -----

func.func private @elsewhere(tensor<f32>) -> tensor<f32>

func.func @opaque(%x: tensor<f32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  // expected-error @below {{cannot be differentiated: it has neither a gradient rule nor a definition by other ops}}
  %y = func.call @elsewhere(%x) : (tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}

// -----

func.func @dynamic(%x: tensor<f32>, %n: tensor<?xf32>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  %y = weft.broadcast %x [] : tensor<f32> -> tensor<?xf32>
  // expected-error @below {{cannot be differentiated with the dynamic shape [?]; trace the function for fixed sizes}}
  %loss = weft.sum %y [0] : tensor<?xf32> -> tensor<f32>
  return %loss : tensor<f32>
}
