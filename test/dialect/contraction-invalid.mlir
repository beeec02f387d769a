// What the verifiers of matrix products, convolutions and windows refuse.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{matmul: the contracted dimensions differ: the operands have shapes [2, 3] and [4, 5]}}
  %0 = weft.matmul %a, %b : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%a: tensor<3xf32>, %b: tensor<3x5xf32>) {
  // expected-error@+1 {{matmul: both operands need the same rank, at least 2: the operands have shapes [3] and [3, 5]}}
  %0 = weft.matmul %a, %b : tensor<3xf32>, tensor<3x5xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%a: tensor<2x2x3xf32>, %b: tensor<4x3x5xf32>) {
  // expected-error@+1 {{matmul: the batch dimensions differ: the operands have shapes [2, 2, 3] and [4, 3, 5]}}
  %0 = weft.matmul %a, %b : tensor<2x2x3xf32>, tensor<4x3x5xf32> -> tensor<2x2x5xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x5xf64>) {
  // expected-error@+1 {{matmul: the right operand needs the dtype of the left one, or a narrower one whose numbers that has too, but they are f32 and f64: the operands have shapes [2, 3] and [3, 5]}}
  %0 = weft.matmul %a, %b : tensor<2x3xf32>, tensor<3x5xf64> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x5xf32>) {
  // expected-error@+1 {{matmul: the contracted dimensions differ: the operands have shapes [2, 3] and [3, 5]}}
  %0 = weft.matmul %a, %b {transpose_rhs = true} : tensor<2x3xf32>, tensor<3x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x1x3xf32>, %w: tensor<3x3x2x1x4xf32>) {
  // expected-error@+1 {{convolution: x [N, H, W, (G,) C] has shape [1, 8, 8, 1, 3], weight [KH, KW, C, (G,) O] has shape [3, 3, 2, 1, 4]}}
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<1x8x8x1x3xf32>, tensor<3x3x2x1x4xf32> -> tensor<1x6x6x1x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x1x3xf32>, %w: tensor<3x3x3x1x4xf32>) {
  // expected-error@+1 {{convolution: strides and dilations are two positive integers each}}
  %0 = weft.convolution %x, %w strides [0, 1] dilations [1, 1] : tensor<1x8x8x1x3xf32>, tensor<3x3x3x1x4xf32> -> tensor<1x6x6x1x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x1x3xf32>, %w: tensor<3x3x3x1x4xf32>) {
  // expected-error@+1 {{'weft.convolution' op inferred type(s) 'tensor<1x6x6x1x4xf32>' are incompatible with return type(s) of operation 'tensor<1x8x8x1x4xf32>'}}
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<1x8x8x1x3xf32>, tensor<3x3x3x1x4xf32> -> tensor<1x8x8x1x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x1x3xf32>, %c: tensor<1x7x6x1x4xf32>) {
  // expected-error@+1 {{'weft.convolution_weight_gradient' op x [N, H, W, (G,) C] has shape [1, 8, 8, 1, 3], cotangent [N, Ho, Wo, (G,) O] has shape [1, 7, 6, 1, 4], the result [KH, KW, C, (G,) O] has shape [3, 3, 3, 1, 4]}}
  %0 = weft.convolution_weight_gradient %x, %c strides [1, 1] dilations [1, 1] : tensor<1x8x8x1x3xf32>, tensor<1x7x6x1x4xf32> -> tensor<3x3x3x1x4xf32>
  return
}

// -----

// Strides that are too few are an error, not a read beyond the list.
func.func @f(%x: tensor<1x8x8x1x3xf32>, %c: tensor<1x6x6x1x4xf32>) {
  // expected-error@+1 {{'weft.convolution_weight_gradient' op strides and dilations are two positive integers each}}
  %0 = weft.convolution_weight_gradient %x, %c strides [1] dilations [1, 1] : tensor<1x8x8x1x3xf32>, tensor<1x6x6x1x4xf32> -> tensor<3x3x3x1x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x1x3xf32>, %w: tensor<3x3x3x1x4xf32>) {
  // expected-error@+1 {{convolution: channels_first is for images without groups, x has shape [1, 8, 8, 1, 3]}}
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] {channels_first = true} : tensor<1x8x8x1x3xf32>, tensor<3x3x3x1x4xf32> -> tensor<1x6x6x1x4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x3x8x8xf32>, %w: tensor<2x3x3xf32>) {
  // expected-error@+1 {{depthwise_convolution: x [N, C, H, W] has shape [1, 3, 8, 8], weight [C, KH, KW] has shape [2, 3, 3]}}
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] : tensor<1x3x8x8xf32>, tensor<2x3x3xf32> -> tensor<1x3x6x6xf32>
  return
}

// -----

func.func @f(%x: tensor<1x3x8x8xf32>, %w: tensor<3x3x3xf32>) {
  // expected-error@+1 {{depthwise_convolution: joined takes strides of 1 and a border that keeps the size of images}}
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 0] {joined = true} : tensor<1x3x8x8xf32>, tensor<3x3x3xf32> -> tensor<1x3x56xf32>
  return
}

// -----

// A window that is not the weight's.
func.func @f(%x: tensor<1x3x8x8xf32>, %w: tensor<3x3x3xf32>) {
  // expected-error@+1 {{depthwise_convolution: x [N, C, H, W] has shape [1, 3, 8, 8], weight [C, KH, KW] has shape [3, 3, 3]}}
  %0 = weft.depthwise_convolution %x, %w window [3, 2] strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] : tensor<1x3x8x8xf32>, tensor<3x3x3xf32> -> tensor<1x3x6x7xf32>
  return
}

// -----

func.func @f(%x: tensor<1x3x8x8xf32>, %w: tensor<3x3x3xf32>) {
  // expected-error@+1 {{depthwise_convolution: window, strides and dilations are two positive integers each, low and high two that are not negative}}
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 0] dilations [1, 1] low [0, -1] high [0] : tensor<1x3x8x8xf32>, tensor<3x3x3xf32> -> tensor<1x3x6x6xf32>
  return
}

// -----

func.func @f(%x: tensor<1x5x5x3xf32>) {
  // expected-error@+1 {{'weft.window_sum' op the windows over [1, 5, 5, 3] do not number [1, 3, 3, 3] (both [N, H, W, C])}}
  %0 = weft.window_sum %x window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x3x3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<1x5x5x3xf32>) {
  // expected-error@+1 {{'weft.window_sum' op the windows over [1, 5, 5, 3] do not number [1, 2, 2, 3] (both [N, H, W, C])}}
  %0 = weft.window_sum %x window [3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x2x2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<1x5x5x3xf32>) {
  // expected-error@+1 {{'weft.window_max_index' op the windows over [1, 5, 5, 3] do not number [1, 2, 2, 3] (both [N, H, W, C])}}
  %0 = weft.window_max_index %x window [0, 3] strides [2, 2] : tensor<1x5x5x3xf32> -> tensor<1x2x2x3xi32>
  return
}

// -----

func.func @f(%x: tensor<1x5x5x3xf32>, %i: tensor<1x3x3x3xui8>) {
  // expected-error@+1 {{'weft.window_gather' op index has shape [1, 3, 3, 3], the result has shape [1, 2, 2, 3]}}
  %0 = weft.window_gather %x, %i window [3, 3] strides [2, 2] : tensor<1x5x5x3xf32>, tensor<1x3x3x3xui8> -> tensor<1x2x2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<1x2x2x3xf32>, %i: tensor<1x2x2x1xui8>) {
  // expected-error@+1 {{'weft.window_scatter' op index has shape [1, 2, 2, 1], x has shape [1, 2, 2, 3]}}
  %0 = weft.window_scatter %x, %i window [3, 3] strides [2, 2] : tensor<1x2x2x3xf32>, tensor<1x2x2x1xui8> -> tensor<1x5x5x3xf32>
  return
}

// -----

// A uint8 cannot number the elements of a window of 17x17.
func.func @f(%x: tensor<1x20x20x3xf32>) {
  // expected-error@+1 {{'weft.window_max_index' op a window of 17x17 has more elements than 'ui8' can number; use i32}}
  %0 = weft.window_max_index %x window [17, 17] strides [1, 1] : tensor<1x20x20x3xf32> -> tensor<1x4x4x3xui8>
  return
}

// -----

func.func @f(%x: tensor<1x2x2x3xf32>) {
  // expected-error@+1 {{'weft.window_spread' op the windows over [1, 4, 4, 3] do not number [1, 2, 2, 3] (both [N, H, W, C])}}
  %0 = weft.window_spread %x window [3, 3] strides [2, 2] : tensor<1x2x2x3xf32> -> tensor<1x4x4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x3xf32>, %w: tensor<3x3x2xf32>) {
  // expected-error@+1 {{depthwise_convolution: x [N, H, W, C] has shape [1, 8, 8, 3], weight [KH, KW, C] has shape [3, 3, 2]}}
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] {channels_last = true} : tensor<1x8x8x3xf32>, tensor<3x3x2xf32> -> tensor<1x6x6x3xf32>
  return
}

// -----

func.func @f(%x: tensor<1x8x8x3xf32>, %w: tensor<3x3x3xf32>) {
  // expected-error@+1 {{depthwise_convolution: joined takes images with channels first}}
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true, joined = true} : tensor<1x8x8x3xf32>, tensor<3x3x3xf32> -> tensor<1x8x24xf32>
  return
}
