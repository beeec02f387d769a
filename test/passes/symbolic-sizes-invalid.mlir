// What needs the number of a symbolic size says so, at the user's line.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-pipeline=x86-64-v4 --until=plan

// The gradient of a concatenation begins where the first operand ends.
func.func @start(%x: tensor<?xf32, #weft.shape<["n"]>>, %y: tensor<?xf32, #weft.shape<["m"]>>) -> tensor<f32>
    attributes {weft.differentiate = [1]} {
  // expected-error @+1 {{'weft.slice' op starts needs the number of size "n"; give it a fixed size in the export}}
  %0 = weft.concatenate %x, %y axis 0
      : tensor<?xf32, #weft.shape<["n"]>>, tensor<?xf32, #weft.shape<["m"]>> -> tensor<?xf32, #weft.shape<["n + m"]>>
  %1 = weft.exp %0 : tensor<?xf32, #weft.shape<["n + m"]>>
  %2 = weft.sum %1 [0] : tensor<?xf32, #weft.shape<["n + m"]>> -> tensor<f32>
  return %2 : tensor<f32>
}

// -----

// The gradient of a product halves the elements until one is left.
func.func @product(%x: tensor<?xf32, #weft.shape<["n"]>>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  // expected-error @+1 {{'weft.slice' op starts needs the number of size "n - 1"; give it a fixed size in the export}}
  %0 = weft.prod %x [0] : tensor<?xf32, #weft.shape<["n"]>> -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// So does the gradient of a convolution for its input, of the weight's height.
func.func @weight(%x: tensor<1x8x8x3xf32>, %w: tensor<?x3x3x8xf32, #weft.shape<["k", 3, 3, 8]>>) -> tensor<f32>
    attributes {weft.differentiate = [0]} {
  // expected-error @+1 {{needs the number of size "k - 1"; give it a fixed size in the export}}
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1]
      : tensor<1x8x8x3xf32>, tensor<?x3x3x8xf32, #weft.shape<["k", 3, 3, 8]>> -> tensor<1x?x6x8xf32, #weft.shape<[1, "-k + 9", 6, 8]>>
  %1 = weft.sum %0 [0, 1, 2, 3] : tensor<1x?x6x8xf32, #weft.shape<[1, "-k + 9", 6, 8]>> -> tensor<f32>
  return %1 : tensor<f32>
}

// -----

func.func @overflow(%x: tensor<?xf32, #weft.shape<["576460752303423488*n"]>>) -> tensor<?xf32, #weft.shape<["576460752303423488*n"]>> {
  // expected-error @+1 {{'weft.exp' op has a result of shape [576460752303423488*n] and dtype 'f32'; its bytes overflow 64 bits}}
  %0 = weft.exp %x : tensor<?xf32, #weft.shape<["576460752303423488*n"]>>
  return %0 : tensor<?xf32, #weft.shape<["576460752303423488*n"]>>
}

// -----

func.func @padded(%x: tensor<?xf32, #weft.shape<["n"]>>, %s: tensor<f32>) {
  // expected-error @+1 {{'weft.pad' op dimension 0 needs n + 1 elements, the result has n}}
  %0 = weft.pad %x, %s low [1] interior [0]
      : tensor<?xf32, #weft.shape<["n"]>>, tensor<f32> -> tensor<?xf32, #weft.shape<["n"]>>
  return
}
