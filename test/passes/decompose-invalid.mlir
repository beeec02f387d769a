// RUN: weft-opt %s --weft-decompose --split-input-file --verify-diagnostics

func.func @mean(%x: tensor<2x?xf32>) -> tensor<2xf32> {
  // expected-error @below {{needs a static size along axis 1, but its operand has shape [2, ?]}}
  %y = weft.mean %x [1] : tensor<2x?xf32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @conv2d(%x: tensor<1x?x5x6xf32>, %w: tensor<6x2x3x3xf32>) -> tensor<1x6x3x4xf32> {
  // expected-error @below {{needs a static size along axis 1, but its operand has shape [1, ?, 5, 6]}}
  %y = weft.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64}
      : tensor<1x?x5x6xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x3x4xf32>
  return %y : tensor<1x6x3x4xf32>
}

// -----

// Sizes whose product overflows, as dynamic ones do.
func.func @quantized_matmul(%x: tensor<3x?x8xf32>, %w: tensor<4x?x8xi8>, %s: tensor<4x?xf32>) -> tensor<3x4xf32> {
  // expected-error @below {{'weft.quantized_matmul' op a size overflows 64 bits}}
  %y = weft.quantized_matmul %x, %w, %s {bits = 8 : i64}
      : tensor<3x?x8xf32>, tensor<4x?x8xi8>, tensor<4x?xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
