// RUN: weft-opt %s --weft-fuse --split-input-file --verify-diagnostics

func.func @unknown(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'weft.exp' op has a result of shape [?, 4]; kernels are launched with known sizes, so resolve them first (weft-resolve-sizes)}}
  %0 = weft.exp %x : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

func.func @bytes(%x: tensor<1073741824x536870911xf64>) -> tensor<1073741824x536870911xf64> {
  // expected-error @+1 {{'weft.exp' op has a result of shape [1073741824, 536870911] and dtype 'f64'; its bytes overflow 64 bits}}
  %0 = weft.exp %x : tensor<1073741824x536870911xf64>
  return %0 : tensor<1073741824x536870911xf64>
}

// -----

// expected-error @+1 {{'func.func' op has an argument of shape [2000000000000000000] and dtype 'f32'; its bytes overflow 64 bits}}
func.func @argument(%x: tensor<2000000000000000000xf32>, %y: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %y : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// One line of zeros more than there is.
func.func @f(%x: tensor<1x4x4x3xf32>, %w: tensor<3x3x3x2xf32>) -> tensor<1x4x4x2xf32> {
  %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %1 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x6x6x3xf32>
  // expected-error@+1 {{'weft.convolution' op has a weft.border of 1 and 2 lines of zeros along dimension 1, but of 1 and 1 the image shows that they are; weft-mark-borders finds them}}
  %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] {weft.border = array<i64: 1, 1, 2>} : tensor<1x6x6x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x4x4x2xf32>
  return %2 : tensor<1x4x4x2xf32>
}

// -----

func.func @f(%x: tensor<1x4x4x3xf32>, %w: tensor<3x3x3x2xf32>) -> tensor<1x2x2x2xf32> {
  // expected-error@+1 {{'weft.convolution' op has a weft.border of 1 and 0 lines along dimension 4, which an image of rank 4 cannot have}}
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] {weft.border = array<i64: 4, 1, 0>} : tensor<1x4x4x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x2x2x2xf32>
  return %0 : tensor<1x2x2x2xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'weft.exp' op has a weft.border that is not [dimension, first lines, last lines] of the image of a contraction}}
  %0 = weft.exp %x {weft.border = array<i64: 0, 1, 1>} : tensor<4xf32>
  return %0 : tensor<4xf32>
}
