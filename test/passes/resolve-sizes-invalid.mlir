// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-resolve-sizes

func.func @different(%x: tensor<?xf32, #weft.shape<["n"]>>, %y: tensor<?xf32, #weft.shape<["m"]>>) {
  // expected-error @+1 {{'weft.add' op operand #1 has shape [m], the result has shape [n]; broadcast them to one shape first}}
  %0 = "weft.add"(%x, %y)
      : (tensor<?xf32, #weft.shape<["n"]>>, tensor<?xf32, #weft.shape<["m"]>>) -> tensor<?xf32>
  return
}

// -----

func.func @symbol_and_number(%x: tensor<3x?xf32, #weft.shape<[3, "n"]>>, %y: tensor<5x4xf32>) {
  // expected-error @+1 {{matmul: the contracted dimensions differ: the operands have shapes [3, n] and [5, 4]}}
  %0 = weft.matmul %x, %y : tensor<3x?xf32, #weft.shape<[3, "n"]>>, tensor<5x4xf32> -> tensor<3x4xf32>
  return
}

// -----

func.func @bare(%x: tensor<?xf32>, %y: tensor<?xf32>) {
  // expected-error @+1 {{operand #1 has shape [arg1_0], the result has shape [arg0_0]}}
  %0 = weft.add %x, %y : tensor<?xf32>
  return
}

// -----

func.func @not_what_operands_give(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>) {
  // expected-error @+1 {{'weft.sum' op is written with a result of shape [m], but its operands give [n]}}
  %0 = weft.sum %x [1] : tensor<?x4xf32, #weft.shape<["n", 4]>> -> tensor<?xf32, #weft.shape<["m"]>>
  return
}

// -----

func.func @broadcast(%x: tensor<?xf32, #weft.shape<["n"]>>) {
  // expected-error @+1 {{'weft.broadcast' op x of shape [n] cannot be broadcast to [m]: dimension 0 is neither 1 nor m}}
  %0 = weft.broadcast %x [0] : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?xf32, #weft.shape<["m"]>>
  return
}

// -----

func.func @repeated(%x: tensor<1xf32>) {
  // expected-error @+1 {{'weft.broadcast' op has a result of shape [?], which does not follow from its operands; write the sizes, as in tensor<?x4xf32, #weft.shape<["n", 4]>>}}
  %0 = weft.broadcast %x [0] : tensor<1xf32> -> tensor<?xf32>
  return
}

// -----

func.func @reshape_in_two(%x: tensor<?xf32, #weft.shape<["n"]>>) {
  // expected-error @+1 {{'weft.reshape' op has a result of shape [?, ?], which does not follow}}
  %0 = weft.reshape %x : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?x?xf32>
  return
}

// -----

func.func @reshape_by_no_divisor(%x: tensor<?xf32, #weft.shape<["n"]>>) {
  // expected-error @+1 {{'weft.reshape' op has a result of shape [2, ?], which does not follow}}
  %0 = weft.reshape %x : tensor<?xf32, #weft.shape<["n"]>> -> tensor<2x?xf32>
  return
}

// -----

func.func @reshape_count(%x: tensor<?xf32, #weft.shape<["n"]>>) {
  // expected-error @+1 {{'weft.reshape' op x of shape [n] has n elements, the result of shape [n, 2] has 2*n}}
  %0 = weft.reshape %x : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?x2xf32, #weft.shape<["n", 2]>>
  return
}

// -----

func.func @slice_beyond(%x: tensor<?xf32, #weft.shape<["n"]>>) {
  // expected-error @+1 {{'weft.slice' op reads elements 1 to n of dimension 0, whose size is n}}
  %0 = weft.slice %x starts [1] steps [1]
      : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?xf32, #weft.shape<["n"]>>
  return
}

// -----

func.func @groups(%x: tensor<1x?x8x8xf32, #weft.shape<[1, "c", 8, 8]>>, %w: tensor<4x1x3x3xf32>) {
  // expected-error @+1 {{conv2d: x [N, C, H, W] has shape [1, c, 8, 8], weight [O, C / groups, KH, KW] has shape [4, 1, 3, 3], groups are 2}}
  %0 = "weft.conv2d"(%x, %w) {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>,
                              dilations = array<i64: 1, 1>, groups = 2 : i64}
      : (tensor<1x?x8x8xf32, #weft.shape<[1, "c", 8, 8]>>, tensor<4x1x3x3xf32>) -> tensor<1x4x6x6xf32>
  return
}

// -----

// expected-error @+1 {{'func.func' op an argument of shape [?, 2305843009213693952] has more elements than any tensor}}
func.func @too_large(%x: tensor<?x2305843009213693952xf32>) {
  return
}

// -----

func.func @too_many(%x: tensor<?x1125899906842624x1125899906842624xf32>) {
  // expected-error @+1 {{'weft.reshape' op has a result of shape [?], which does not follow from its operands}}
  %0 = weft.reshape %x : tensor<?x1125899906842624x1125899906842624xf32> -> tensor<?xf32>
  return
}
