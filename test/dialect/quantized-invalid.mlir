// What the verifiers of ops on weights of few bits refuse.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%w: tensor<2x3x4xi8>, %s: tensor<2x3xf32>) {
  // expected-error@+1 {{quantized_values: numbers have 4 or 8 bits, not 2}}
  %0 = weft.quantized_values %w, %s {bits = 2 : i64} : tensor<2x3x4xi8>, tensor<2x3xf32> -> tensor<2x3x4xf32>
  return
}

// -----

func.func @f(%w: tensor<2x3x4xi8>, %s: tensor<2x3xf32>) {
  // expected-error@+1 {{quantized_values: numbers of 4 bits are in uint8, two in each; of 8 bits in int8 or float8}}
  %0 = weft.quantized_values %w, %s {bits = 4 : i64} : tensor<2x3x4xi8>, tensor<2x3xf32> -> tensor<2x3x8xf32>
  return
}

// -----

func.func @f(%w: tensor<2x3x4xi8>, %s: tensor<2x4xf32>) {
  // expected-error@+1 {{quantized_values: numbers [N, G, S] have shape [2, 3, 4], scale [N, G] has [2, 4]}}
  %0 = weft.quantized_values %w, %s {bits = 8 : i64} : tensor<2x3x4xi8>, tensor<2x4xf32> -> tensor<2x3x4xf32>
  return
}

// -----

func.func @f(%w: tensor<2x3x4xi8>, %s: tensor<2x3xf32>, %z: tensor<2x3xui8>) {
  // expected-error@+1 {{quantized_values: zero [N, G] has the dtype of numbers and the shape of scale, [2, 3], not [2, 3]}}
  %0 = weft.quantized_values %w, %s, %z {bits = 8 : i64} : tensor<2x3x4xi8>, tensor<2x3xf32>, tensor<2x3xui8> -> tensor<2x3x4xf32>
  return
}

// -----

func.func @f(%x: tensor<5x3x4xf32>, %w: tensor<2x3x4xui8>, %s: tensor<2x3xf32>) {
  // expected-error@+1 {{quantized_matmul: x [M, G, S] has shape [5, 3, 4], numbers of 4 bits have [2, 3, 4]}}
  %0 = weft.quantized_matmul %x, %w, %s {bits = 4 : i64} : tensor<5x3x4xf32>, tensor<2x3x4xui8>, tensor<2x3xf32> -> tensor<5x2xf32>
  return
}

// -----

func.func @f(%x: tensor<5x3x4xi8>, %w: tensor<2x3x4xui8>, %s: tensor<2x3xf32>) {
  // expected-error@+1 {{quantized_dot: x [M, G, S] has shape [5, 3, 4], numbers of 4 bits have [2, 3, 4]}}
  %0 = weft.quantized_dot %x, %w, %s {bits = 4 : i64} : tensor<5x3x4xi8>, tensor<2x3x4xui8>, tensor<2x3xf32> -> tensor<5x2xf32>
  return
}

// -----

func.func @f(%x: tensor<5x4xf32>, %s: tensor<4xf32>) {
  // expected-error@+1 {{quantized_steps: x [M, K] has shape [5, 4], scale, [] or [M], has [4]}}
  %0 = weft.quantized_steps %x, %s : tensor<5x4xf32>, tensor<4xf32> -> tensor<5x4xi8>
  return
}

// -----

func.func @f(%x: tensor<5x3x4xi8>, %w: tensor<2x3x4xf8E5M2>, %s: tensor<2x3xf32>) {
  // expected-error@+1 {{quantized_dot: numbers are whole}}
  %0 = weft.quantized_dot %x, %w, %s {bits = 8 : i64} : tensor<5x3x4xi8>, tensor<2x3x4xf8E5M2>, tensor<2x3xf32> -> tensor<5x2xf32>
  return
}

// -----

func.func @f(%w: tensor<2x3x4xf8E4M3FN>, %s: tensor<2x3xf32>, %z: tensor<2x3xi8>) {
  // expected-error@+1 {{quantized_values: numbers that are floats have no zero}}
  %0 = weft.quantized_values %w, %s, %z {bits = 8 : i64} : tensor<2x3x4xf8E4M3FN>, tensor<2x3xf32>, tensor<2x3xi8> -> tensor<2x3x4xf32>
  return
}
