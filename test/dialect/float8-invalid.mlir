// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4xf8E5M2>) -> tensor<4xf8E5M2> {
  // expected-error@+1 {{'weft.add' op operand #0 must be ranked tensor of}}
  %0 = weft.add %x, %x : tensor<4xf8E5M2>
  return %0 : tensor<4xf8E5M2>
}

// -----

func.func @f(%x: tensor<4xf8E4M3FN>) -> tensor<4xf8E4M3FN> {
  // expected-error@+1 {{'weft.equal' op operand #0 must be ranked tensor of}}
  %0 = weft.equal %x, %x : tensor<4xf8E4M3FN> -> tensor<4xi1>
  return %x : tensor<4xf8E4M3FN>
}

// -----

func.func @f(%x: tensor<4xf8E4M3FN>) -> tensor<4xf32> {
  // expected-error@+1 {{'weft.bitcast' op an element of 'f8E4M3FN' has other bits than one of 'f32'}}
  %0 = weft.bitcast %x : tensor<4xf8E4M3FN> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
