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
