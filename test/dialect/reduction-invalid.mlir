// What the verifiers of reductions refuse.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{reduction: axis 2 is out of range for a tensor of rank 2}}
  %0 = weft.sum %x [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{reduction: axis -1 is out of range for a tensor of rank 2}}
  %0 = weft.sum %x [-1] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{reduction: the axes must be ascending and different}}
  %0 = weft.max %x [1, 0] : tensor<2x3xf32> -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{reduction: the axes must be ascending and different}}
  %0 = weft.prod %x [1, 1] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

// The result lacks the reduced axes.
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.sum' op inferred type(s) 'tensor<2xf32>' are incompatible with return type(s) of operation 'tensor<2x1xf32>'}}
  %0 = weft.sum %x [1] : tensor<2x3xf32> -> tensor<2x1xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{argmax and argmin take one axis}}
  %0 = weft.argmax %x [0, 1] : tensor<2x3xf32> -> tensor<i64>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.argmax' op result #0 must be ranked tensor of 64-bit signless integer values, but got 'tensor<3xi32>'}}
  %0 = weft.argmax %x [0] : tensor<2x3xf32> -> tensor<3xi32>
  return
}

// -----

func.func @f(%x: tensor<2x3xi1>) {
  // expected-error@+1 {{'weft.sum' op operand #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float or 8-bit signless integer or 16-bit signless integer or 32-bit signless integer or 64-bit signless integer or 8-bit unsigned integer or 16-bit unsigned integer or 32-bit unsigned integer or 64-bit unsigned integer or complex<f32> or complex<f64> values, but got 'tensor<2x3xi1>'}}
  %0 = weft.sum %x [0] : tensor<2x3xi1> -> tensor<3xi1>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{softmax: axis 2 is out of range for a tensor of rank 2}}
  %0 = weft.softmax %x axis 2 : tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error@+1 {{softmax: axis 0 is out of range for a tensor of rank 0}}
  %0 = weft.log_softmax %x axis 0 : tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{cumulative: axis 2 is out of range for a tensor of rank 2}}
  %0 = weft.cumulative_sum %x axis 2 : tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{sort: axis -1 is out of range for a tensor of rank 2}}
  %0, %1 = weft.sort %x axis -1 : tensor<2x3xf32>, tensor<2x3xi64>
  return
}
