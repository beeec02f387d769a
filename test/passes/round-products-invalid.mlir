// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-round-products

// expected-error@+1 {{has a matmul_precision "int4"; there is "bf16"}}
func.func @product(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32>
    attributes {weft.matmul_precision = "int4"} {
  %0 = weft.matmul %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

// -----

// expected-error@+1 {{has a matmul_precision 3 : i64; there is "bf16"}}
func.func @number(%x: tensor<4x3xf32>) -> tensor<4x3xf32> attributes {weft.matmul_precision = 3 : i64} {
  return %x : tensor<4x3xf32>
}
