// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @square(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // expected-error@+1 {{cholesky: the matrices of shape [2, 3] are not square}}
  %0 = weft.cholesky %x : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @sides(%x: tensor<3x3xf32>, %y: tensor<2x2xf32>) -> tensor<2x2xf32> {
  // expected-error@+1 {{solve: the sides have shapes [3, 3] and [2, 2]}}
  %0 = weft.solve %x, %y : tensor<3x3xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// -----

func.func @vector(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  // expected-error@+1 {{qr: the operand has shape [3], but has to be a matrix}}
  %0, %1 = weft.qr %x : tensor<3xf32> -> tensor<3xf32>, tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}

// -----

func.func @real(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{fourier: the operand has to be complex}}
  %0 = weft.fourier %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @real_of_complex(%x: tensor<3xcomplex<f32>>) -> tensor<2xcomplex<f32>> {
  // expected-error@+1 {{real_fourier: the operand has to be real, with a dimension}}
  %0 = weft.real_fourier %x : tensor<3xcomplex<f32>> -> tensor<2xcomplex<f32>>
  return %0 : tensor<2xcomplex<f32>>
}

// -----

func.func @nothing(%x: tensor<0xf32>) -> tensor<1xcomplex<f32>> {
  // expected-error@+1 {{real_fourier: there have to be elements, in a number that is known}}
  %0 = weft.real_fourier %x : tensor<0xf32> -> tensor<1xcomplex<f32>>
  return %0 : tensor<1xcomplex<f32>>
}

// -----

func.func @even_of_one(%x: tensor<1xcomplex<f32>>) -> tensor<0xf32> {
  // expected-error@+1 {{inverse_real_fourier: there have to be elements, in a number that is known}}
  %0 = weft.inverse_real_fourier %x {odd = false} : tensor<1xcomplex<f32>> -> tensor<0xf32>
  return %0 : tensor<0xf32>
}

// -----

func.func @inverse_of_real(%x: tensor<3xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{inverse_real_fourier: the operand has to be complex}}
  %0 = weft.inverse_real_fourier %x {odd = false} : tensor<3xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @part(%x: tensor<3xcomplex<f32>>) -> tensor<3xf32> {
  // expected-error@+1 {{takes no complex numbers to 'f32'; say which part is meant by weft.real or weft.imag}}
  %0 = weft.cast %x : tensor<3xcomplex<f32>> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
