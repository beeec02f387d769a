// What the verifiers of composites refuse.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

// weight and bias have the shape of x's last dimensions.
func.func @f(%x: tensor<4x8xf32>, %w: tensor<4xf32>) {
  // expected-error@+1 {{layer_norm: weight is [4] of f32, x of shape [4, 8] wants [8] of f32}}
  %0 = weft.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f64} : tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8x2xf32>, %w: tensor<4xf32>) {
  // expected-error@+1 {{batch_norm: mean is [4] of f32, x of shape [4, 8, 2] wants [8] of f32}}
  %0 = weft.batch_norm %x, %w, %w, %w, %w {epsilon = 1.0e-5 : f64} : tensor<4x8x2xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %l: tensor<5xi64>) {
  // expected-error@+1 {{cross_entropy: logits [N, C] have shape [4, 8], labels [N] have shape [5]}}
  %0 = weft.cross_entropy %x, %l : tensor<4x8xf32>, tensor<5xi64> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %k: tensor<3xi32>) {
  // expected-error@+1 {{dropout: the key has shape [3], it must have shape [2]}}
  %0 = weft.dropout %x, %k {probability = 0.5 : f64} : tensor<4x8xf32>, tensor<3xi32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %k: tensor<2xi32>) {
  // expected-error@+1 {{dropout: the probability 1.500000 is not from 0 to 1}}
  %0 = weft.dropout %x, %k {probability = 1.5 : f64} : tensor<4x8xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x6x7xf32>, %v: tensor<2x6x5xf32>) {
  // expected-error@+1 {{scaled_dot_product_attention: query [..., L, E] has shape [2, 4, 8], key [..., S, E] has shape [2, 6, 7], value [..., S, V] has shape [2, 6, 5]}}
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = false, scale = 1.0 : f64} : tensor<2x4x8xf32>, tensor<2x6x7xf32>, tensor<2x6x5xf32> -> tensor<2x4x5xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x3x3x3xf32>) {
  // expected-error@+1 {{conv2d: x [N, C, H, W] has shape [1, 4, 8, 8], weight [O, C / groups, KH, KW] has shape [6, 3, 3, 3], groups are 1}}
  %0 = weft.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x4x8x8xf32>, tensor<6x3x3x3xf32> -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{conv2d: bias [O] has shape [5], weight [O, C / groups, KH, KW] has shape [6, 4, 3, 3]}}
  %0 = weft.conv2d %x, %w, %b {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<5xf32> -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{conv2d: strides and dilations are two positive integers each, padding two that are not negative}}
  %0 = weft.conv2d %x, %w {strides = array<i64: 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32> -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x9x3xf32>) {
  // expected-error@+1 {{conv2d: the kernel [6, 4, 9, 3] is larger than the padded input [1, 4, 8, 8]}}
  %0 = weft.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x4x8x8xf32>, tensor<6x4x9x3xf32> -> tensor<1x6x0x6xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8x8xf32>) {
  // expected-error@+1 {{max_pool2d: x must be [N, C, H, W], but has shape [4, 8, 8]}}
  %0 = weft.max_pool2d %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : tensor<4x8x8xf32> -> tensor<4x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{avg_pool2d: padding is two integers that are not negative}}
  %0 = weft.avg_pool2d %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: -1, 0>} : tensor<1x4x8x8xf32> -> tensor<1x4x3x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{avg_pool2d: the window is larger than the padded input [1, 4, 8, 8]}}
  %0 = weft.avg_pool2d %x {window = array<i64: 9, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : tensor<1x4x8x8xf32> -> tensor<1x4x0x4xf32>
  return
}

// -----

func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x6x8xf32>, %m: tensor<2x1x6xi1>) {
  // expected-error@+1 {{scaled_dot_product_attention: mask [..., L, S] has shape [2, 1, 6], query [..., L, E] has shape [2, 4, 8], key [..., S, E] has shape [2, 6, 8]}}
  %0 = weft.scaled_dot_product_attention %q, %k, %k, %m {causal = false, scale = 1.0 : f64} : tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32>, tensor<2x1x6xi1> -> tensor<2x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x6x8xf32>, %m: tensor<2x4x6xi32>) {
  // expected-error@+1 {{scaled_dot_product_attention: the mask is of i32; it must be of bool, or of the floating type of the scores}}
  %0 = weft.scaled_dot_product_attention %q, %k, %k, %m {causal = false, scale = 1.0 : f64} : tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32>, tensor<2x4x6xi32> -> tensor<2x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x6x8xf32>) {
  // expected-error@+1 {{scaled_dot_product_attention: query [..., L, E] of shape [2, 4, 8] is not 3 runs of equal length}}
  %0 = weft.scaled_dot_product_attention %q, %k, %k {causal = false, scale = 1.0 : f64, groups = 3 : i64} : tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32> -> tensor<2x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x6x8xf32>, %k: tensor<2x6x8xf32>) {
  // expected-error@+1 {{scaled_dot_product_attention: query [..., L, E] of shape [2, 6, 8] is not -1 runs of equal length}}
  %0 = weft.scaled_dot_product_attention %q, %k, %k {causal = true, scale = 1.0 : f64, groups = -1 : i64} : tensor<2x6x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32> -> tensor<2x6x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x6x8xf32>, %k: tensor<2x6x8xf32>) {
  // expected-error@+1 {{scaled_dot_product_attention: query [..., L, E] of shape [2, 6, 8] is not 9223372036854775807 runs of equal length}}
  %0 = weft.scaled_dot_product_attention %q, %k, %k {causal = true, scale = 1.0 : f64, groups = 9223372036854775807 : i64} : tensor<2x6x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32> -> tensor<2x6x8xf32>
  return
}
