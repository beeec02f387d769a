// What the verifiers of elementwise ops refuse, and how they say it.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

// Operands of an elementwise op have one shape.
func.func @f(%x: tensor<2x3xf32>, %y: tensor<3x2xf32>) {
  // expected-error@+1 {{'weft.add' op operand #1 has shape [3, 2], the result has shape [2, 3]; broadcast them to one shape first}}
  %0 = "weft.add"(%x, %y) : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x3xf32>
  return
}

// -----

// So does the result, which is inferred.
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.exp' op operand #0 has shape [2, 3], the result has shape [2, 4]; broadcast them to one shape first}}
  %0 = "weft.exp"(%x) : (tensor<2x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

// A known size does not agree with another one, an unknown one does.
func.func @f(%x: tensor<2x?xf32>, %y: tensor<?x3xf32>, %z: tensor<4x?xf32>) {
  %0 = "weft.add"(%x, %y) : (tensor<2x?xf32>, tensor<?x3xf32>) -> tensor<2x?xf32>
  // expected-error@+1 {{'weft.add' op operand #1 has shape [4, ?], the result has shape [2, ?]; broadcast them to one shape first}}
  %1 = "weft.add"(%x, %z) : (tensor<2x?xf32>, tensor<4x?xf32>) -> tensor<2x?xf32>
  return
}

// -----

// Ranks differ.
func.func @f(%x: tensor<3xf32>, %y: tensor<1x3xf32>) {
  // expected-error@+1 {{'weft.less' op operand #1 has shape [1, 3], the result has shape [3]; broadcast them to one shape first}}
  %0 = "weft.less"(%x, %y) : (tensor<3xf32>, tensor<1x3xf32>) -> tensor<3xi1>
  return
}

// -----

// Dtypes of the operands differ.
func.func @f(%x: tensor<3xf32>, %y: tensor<3xi32>) {
  // expected-error@+1 {{'weft.add' op operand #1 has dtype 'i32', operand #0 has dtype 'f32'; cast them to one dtype first}}
  %0 = "weft.add"(%x, %y) : (tensor<3xf32>, tensor<3xi32>) -> tensor<3xf32>
  return
}

// -----

// Dtypes of the operands of a comparison differ.
func.func @f(%x: tensor<3xf32>, %y: tensor<3xi32>) {
  // expected-error@+1 {{'weft.less' op operand #1 has dtype 'i32', operand #0 has dtype 'f32'; cast them to one dtype first}}
  %0 = "weft.less"(%x, %y) : (tensor<3xf32>, tensor<3xi32>) -> tensor<3xi1>
  return
}

// -----

// Dtypes of the values of a select differ.
func.func @f(%c: tensor<3xi1>, %x: tensor<3xf32>, %y: tensor<3xf64>) {
  // expected-error@+1 {{'weft.select' op operand #2 has dtype 'f64', operand #1 has dtype 'f32'; cast them to one dtype first}}
  %0 = "weft.select"(%c, %x, %y) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf64>) -> tensor<3xf32>
  return
}

// -----

// The result has another dtype.
func.func @f(%x: tensor<3xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'weft.add' op inferred type(s) 'tensor<3xf32>' are incompatible with return type(s) of operation 'tensor<3xf64>'}}
  %0 = "weft.add"(%x, %y) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf64>
  return
}

// -----

// A dtype that the op does not take.
func.func @f(%x: tensor<3xi32>) {
  // expected-error@+1 {{'weft.exp' op operand #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float or complex<f32> or complex<f64> values, but got 'tensor<3xi32>'}}
  %0 = weft.exp %x : tensor<3xi32>
  return
}

// -----

// A bool is no number.
func.func @f(%x: tensor<3xi1>) {
  // expected-error@+1 {{'weft.add' op operand #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float or 8-bit signless integer or 16-bit signless integer or 32-bit signless integer or 64-bit signless integer or 8-bit unsigned integer or 16-bit unsigned integer or 32-bit unsigned integer or 64-bit unsigned integer or complex<f32> or complex<f64> values, but got 'tensor<3xi1>'}}
  %0 = weft.add %x, %x : tensor<3xi1>
  return
}

// -----

// An element type that Weft does not know.
func.func @f(%x: tensor<3xi4>) {
  // expected-error@+1 {{'weft.add' op operand #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float or 8-bit signless integer or 16-bit signless integer or 32-bit signless integer or 64-bit signless integer or 8-bit unsigned integer or 16-bit unsigned integer or 32-bit unsigned integer or 64-bit unsigned integer or complex<f32> or complex<f64> values, but got 'tensor<3xi4>'}}
  %0 = weft.add %x, %x : tensor<3xi4>
  return
}

// -----

// A tensor without a rank.
func.func @f(%x: tensor<*xf32>) {
  // expected-error@+1 {{'weft.exp' op operand #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float or complex<f32> or complex<f64> values, but got 'tensor<*xf32>'}}
  %0 = weft.exp %x : tensor<*xf32>
  return
}

// -----

// The condition is a bool.
func.func @f(%c: tensor<3xi32>, %x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.select' op operand #0 must be ranked tensor of 1-bit signless integer values, but got 'tensor<3xi32>'}}
  %0 = weft.select %c, %x, %x : tensor<3xi32>, tensor<3xf32>
  return
}

// -----

// The condition has the shape of the values.
func.func @f(%c: tensor<1xi1>, %x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.select' op operand #0 has shape [1], the result has shape [3]; broadcast them to one shape first}}
  %0 = weft.select %c, %x, %x : tensor<1xi1>, tensor<3xf32>
  return
}

// -----

// What a reshape of the result would allow is not allowed of an operand.
func.func @f(%x: tensor<6xf32>, %y: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.maximum' op operand #1 has shape [6], the result has shape [2, 3]; broadcast them to one shape first}}
  %0 = "weft.maximum"(%y, %x) : (tensor<2x3xf32>, tensor<6xf32>) -> tensor<2x3xf32>
  return
}

// -----

// A cast changes the dtype only.
func.func @f(%x: tensor<3xi32>) {
  // expected-error@+1 {{'weft.cast' op operand #0 has shape [3], the result has shape [1, 3]; broadcast them to one shape first}}
  %0 = weft.cast %x : tensor<3xi32> -> tensor<1x3xf32>
  return
}

// -----

// Floats have no bits to shift.
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.bitwise_left_shift' op operand #0 must be ranked tensor of 8-bit signless integer or 16-bit signless integer or 32-bit signless integer or 64-bit signless integer or 8-bit unsigned integer or 16-bit unsigned integer or 32-bit unsigned integer or 64-bit unsigned integer values, but got 'tensor<3xf32>'}}
  %0 = weft.bitwise_left_shift %x, %x : tensor<3xf32>
  return
}

// -----

// An operand is missing.
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.add' op expected 2 operands, but found 1}}
  %0 = "weft.add"(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<3xi32>) {
  // expected-error@+1 {{fixed_pow: has no products for the exponent -1.000000 of i32}}
  %0 = weft.fixed_pow %x exponent -1.0 : tensor<3xi32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{an element of 'f32' has other bits than one of 'i16'}}
  %0 = weft.bitcast %x : tensor<3xf32> -> tensor<3xi16>
  return
}
