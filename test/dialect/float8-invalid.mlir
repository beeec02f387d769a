// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4xf8E5M2>) -> tensor<4xf8E5M2> {
  // expected-error@+1 {{'weft.add' op operand #0 must be ranked tensor of}}
  %0 = weft.add %x, %x : tensor<4xf8E5M2>
  return %0 : tensor<4xf8E5M2>
}

// -----

func.func @f(%x: tensor<4xf8E4M3FN>, %y: tensor<4xf8E5M2>) -> tensor<8xf8E5M2> {
  // expected-error@+1 {{}}
  %0 = weft.concatenate %x, %y axis 0 : (tensor<4xf8E4M3FN>, tensor<4xf8E5M2>) -> tensor<8xf8E5M2>
  return %0 : tensor<8xf8E5M2>
}
