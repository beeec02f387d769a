// RUN: weft-opt %s --weft-batch --split-input-file --verify-diagnostics

// expected-error@+1 {{weft.batch must be a number of examples}}
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> attributes {weft.batch = "8"} {
  return %x : tensor<3xf32>
}

// -----

// expected-error@+1 {{returns a value that no example has part in}}
func.func @f(%x: tensor<3xf32>) -> tensor<f32> attributes {weft.batch = 2} {
  %0 = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
  return %0 : tensor<f32>
}

// -----

// expected-error@+1 {{has an argument of type 'tensor<?xf32>'; tensors of static shape can be batched}}
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> attributes {weft.batch = 2} {
  return %x : tensor<?xf32>
}

// -----

func.func @f(%x: tensor<1x3x3x1xf32>, %w: tensor<2x2x1x1xf32>) -> tensor<1x2x2x1xf32> attributes {weft.batch = 300} {
  // expected-error@+1 {{has no batching rule for these operands, and is built example by example for at most 256 of them, not for 300}}
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<1x3x3x1xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x2x1xf32>
  return %0 : tensor<1x2x2x1xf32>
}
