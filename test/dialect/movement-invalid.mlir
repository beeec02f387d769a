// What the verifiers of ops that make and move elements refuse.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

// The value has the type of the result.
func.func @f() {
  // expected-error@+1 {{'weft.constant' op value has type 'tensor<3xf32>', the result 'tensor<4xf32>'}}
  %0 = weft.constant dense<1.0> : tensor<3xf32> : tensor<4xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{'weft.constant' op value has type 'tensor<3xi32>', the result 'tensor<3xf32>'}}
  %0 = weft.constant dense<1> : tensor<3xi32> : tensor<3xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{'weft.iota' op axis 2 is out of range for a result of rank 2}}
  %0 = weft.iota 2 : tensor<4x5xi32>
  return
}

// -----

// A scalar has no axis.
func.func @f() {
  // expected-error@+1 {{'weft.iota' op axis 0 is out of range for a result of rank 0}}
  %0 = weft.iota 0 : tensor<i32>
  return
}

// -----

func.func @f(%k: tensor<3xi32>) {
  // expected-error@+1 {{'weft.random_bits' op the key has shape [3], it must have shape [2], or [B..., 2] for a result [B..., N...] of keys of their own, not [4]}}
  %0 = weft.random_bits %k : tensor<3xi32> -> tensor<4xi32>
  return
}

// -----

func.func @f(%k: tensor<3x2xi32>) {
  // expected-error@+1 {{'weft.random_bits' op the key has shape [3, 2], it must have shape [2], or [B..., 2] for a result [B..., N...] of keys of their own, not [4, 3]}}
  %0 = weft.random_bits %k : tensor<3x2xi32> -> tensor<4x3xi32>
  return
}

// -----

// A reshape keeps the number of elements.
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.reshape' op x of shape [2, 3] has 6 elements, the result of shape [4] has 4}}
  %0 = weft.reshape %x : tensor<2x3xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.reshape' op operand #0 has dtype 'f32', the result has dtype 'i32'}}
  %0 = weft.reshape %x : tensor<2x3xf32> -> tensor<6xi32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{transpose: the permutation must name each of the 2 dimensions once}}
  %0 = weft.transpose %x [0, 0] : tensor<2x3xf32> -> tensor<2x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.transpose' op inferred type(s) 'tensor<3x2xf32>' are incompatible with return type(s) of operation 'tensor<2x3xf32>'}}
  %0 = weft.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{'weft.broadcast' op x of shape [2, 3] cannot be broadcast to [4, 3]: dimension 0 is neither 1 nor 4}}
  %0 = weft.broadcast %x [0, 1] : tensor<2x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.broadcast' op the dimensions must be ascending and below the result's rank 2}}
  %0 = weft.broadcast %x [2] : tensor<3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<3x2xf32>) {
  // expected-error@+1 {{'weft.broadcast' op the dimensions must be ascending and below the result's rank 2}}
  %0 = weft.broadcast %x [1, 0] : tensor<3x2xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.broadcast' op the dimensions must be ascending and below the result's rank 2}}
  %0 = weft.broadcast %x [-1] : tensor<3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.broadcast' op needs one dimension of the result for each of the 1 dimensions of x}}
  %0 = weft.broadcast %x [] : tensor<3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<5xf32>) {
  // expected-error@+1 {{'weft.slice' op reads elements 1 to 5 of dimension 0, whose size is 5}}
  %0 = weft.slice %x starts [1] steps [2] : tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

// A negative step may not leave the tensor either.
func.func @f(%x: tensor<5xf32>) {
  // expected-error@+1 {{'weft.slice' op reads elements 1 to -1 of dimension 0, whose size is 5}}
  %0 = weft.slice %x starts [1] steps [-1] : tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<5xf32>) {
  // expected-error@+1 {{'weft.slice' op has a step of 0}}
  %0 = weft.slice %x starts [1] steps [0] : tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<5xf32>) {
  // expected-error@+1 {{'weft.slice' op needs a start, a step and a result size for each of the 1 dimensions of x}}
  %0 = weft.slice %x starts [1, 0] steps [1] : tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>, %v: tensor<f32>) {
  // expected-error@+1 {{'weft.pad' op dimension 0 needs 6 elements, the result has 5}}
  %0 = weft.pad %x, %v low [1] interior [1] : tensor<3xf32>, tensor<f32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>, %v: tensor<f32>) {
  // expected-error@+1 {{'weft.pad' op interior 9223372036854775807 is more than a tensor can have}}
  %0 = weft.pad %x, %v low [0] interior [9223372036854775807] : tensor<3xf32>, tensor<f32> -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>, %v: tensor<f32>) {
  // expected-error@+1 {{dimension 0 needs too many elements, the result has 8}}
  %0 = weft.pad %x, %v low [2305843009213693952] interior [0] : tensor<3xf32>, tensor<f32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<3xf32>, %v: tensor<f32>) {
  // expected-error@+1 {{'weft.pad' op low and interior may not be negative}}
  %0 = weft.pad %x, %v low [-1] interior [0] : tensor<3xf32>, tensor<f32> -> tensor<5xf32>
  return
}

// -----

// The filling is one element.
func.func @f(%x: tensor<3xf32>, %v: tensor<1xf32>) {
  // expected-error@+1 {{'weft.pad' op the value must be of rank 0 and of x's dtype, but is 'tensor<1xf32>'}}
  %0 = weft.pad %x, %v low [1] interior [0] : tensor<3xf32>, tensor<1xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{concatenate: operand #1 has shape [2, 4], operand #0 has shape [2, 3]; they may differ along axis 0 only}}
  %0 = weft.concatenate %x, %y axis 0 : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{concatenate: operand #1 has shape [3], operand #0 has shape [2, 3]; they may differ along axis 0 only}}
  %0 = weft.concatenate %x, %y axis 0 : tensor<2x3xf32>, tensor<3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{concatenate: axis 2 is out of range for a tensor of rank 2}}
  %0 = weft.concatenate %x, %x axis 2 : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{concatenate needs at least one operand}}
  %0 = "weft.concatenate"() {axis = 0 : i64} : () -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<0x3xf32>, %i: tensor<2xi64>) {
  // expected-error@+1 {{gather: cannot take from an axis of size 0}}
  %0 = weft.gather %x, %i axis 0 : tensor<0x3xf32>, tensor<2xi64> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<4x3xf32>, %i: tensor<2xi64>) {
  // expected-error@+1 {{gather: axis -1 is out of range for a tensor of rank 2}}
  %0 = weft.gather %x, %i axis -1 : tensor<4x3xf32>, tensor<2xi64> -> tensor<4x2xf32>
  return
}

// -----

// Indices are integers.
func.func @f(%x: tensor<4x3xf32>, %i: tensor<2xf32>) {
  // expected-error@+1 {{'weft.gather' op operand #1 must be ranked tensor of 8-bit signless integer or 16-bit signless integer or 32-bit signless integer or 64-bit signless integer or 8-bit unsigned integer or 16-bit unsigned integer or 32-bit unsigned integer or 64-bit unsigned integer values, but got 'tensor<2xf32>'}}
  %0 = weft.gather %x, %i axis 0 : tensor<4x3xf32>, tensor<2xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<4x3xf32>, %i: tensor<2xi64>, %u: tensor<3x3xf32>) {
  // expected-error@+1 {{scatter: updates have shape [3, 3] and dtype f32, but x and the indices want [2, 3] and f32}}
  %0 = weft.scatter_add %x, %i, %u axis 0 : tensor<4x3xf32>, tensor<2xi64>, tensor<3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<4x3xf32>, %i: tensor<2xi64>, %u: tensor<2x3xf64>) {
  // expected-error@+1 {{scatter: updates have shape [2, 3] and dtype f64, but x and the indices want [2, 3] and f32}}
  %0 = weft.scatter %x, %i, %u axis 0 : tensor<4x3xf32>, tensor<2xi64>, tensor<2x3xf64>
  return
}

// -----

func.func @f(%x: tensor<5xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{update: dimension 0 needs 6 elements, the result has 5}}
  %0 = weft.update %x, %v starts [1] steps [2] : tensor<5xf32>, tensor<3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<5xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{update: starts may not be negative, and steps must be positive}}
  %0 = weft.update %x, %v starts [4] steps [-1] : tensor<5xf32>, tensor<3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<5x5xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{update: needs a start, a step and a size of the value for each of the 2 dimensions of x}}
  %0 = weft.update %x, %v starts [0, 0] steps [1, 1] : tensor<5x5xf32>, tensor<3xf32> -> tensor<5x5xf32>
  return
}

// -----

func.func @f(%x: tensor<5xf32>, %v: tensor<3xi32>) {
  // expected-error@+1 {{update: x has dtype f32, the value i32}}
  %0 = weft.update %x, %v starts [0] steps [1] : tensor<5xf32>, tensor<3xi32> -> tensor<5xf32>
  return
}

// -----

// Only a launch gives numbers, and it gives them to kernels.
func.func @f(%x: tensor<5xf32>) {
  // expected-error@+1 {{'weft.slice' op is not in a kernel, whose launch could give it numbers}}
  %0 = weft.slice %x starts [?0] steps [1] : tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<5xf32>) {
  // expected-error@+1 {{no launch has a parameter 70000}}
  %0 = weft.slice %x starts [?70000] steps [1] : tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<6x3xf32>) {
  // expected-error@+1 {{'weft.regroup' op needs the number of a group, in ascending order, for each of the 2 dimensions of x and the 3 of the result}}
  %0 = weft.regroup %x [0, 1] to [0, 1] : tensor<6x3xf32> -> tensor<2x3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<6x3xf32>) {
  // expected-error@+1 {{'weft.regroup' op needs the number of a group, in ascending order}}
  %0 = weft.regroup %x [1, 0] to [0, 0, 1] : tensor<6x3xf32> -> tensor<2x3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<6x4xf32>) {
  // expected-error@+1 {{'weft.regroup' op joins or splits rows; the last dimension must be alone in its group}}
  %0 = weft.regroup %x [0, 1] to [0, 1, 1] : tensor<6x4xf32> -> tensor<6x2x2xf32>
  return
}

// -----

func.func @f(%x: tensor<6x4xf32>) {
  // expected-error@+1 {{'weft.regroup' op group 0 has other sizes in x of shape [6, 4] than in the result of shape [2, 4, 4], or none that can be compared}}
  %0 = weft.regroup %x [0, 1] to [0, 0, 1] : tensor<6x4xf32> -> tensor<2x4x4xf32>
  return
}

// -----

// Nothing is split where there is nothing: kernels divide by sizes.
func.func @f(%x: tensor<0x4xf32>) {
  // expected-error@+1 {{'weft.regroup' op group 0 has other sizes in x of shape [0, 4] than in the result of shape [0, 2, 4], or none that can be compared}}
  %0 = weft.regroup %x [0, 1] to [0, 0, 1] : tensor<0x4xf32> -> tensor<0x2x4xf32>
  return
}
