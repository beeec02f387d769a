// Sizes and constants that are malformed.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{"2*n +" is no size; it is a sum of products of names, numbers and quotients, as in "2*n + 1" or "floor(n / 2)"}}
func.func private @unfinished(tensor<?xf32, #weft.shape<["2*n +"]>>)

// -----

// expected-error @+1 {{"n / 2" is no size}}
func.func private @quotient_without_floor(tensor<?xf32, #weft.shape<["n / 2"]>>)

// -----

// expected-error @+1 {{"2n" is no size}}
func.func private @no_product(tensor<?xf32, #weft.shape<["2n"]>>)

// -----

// expected-error @+1 {{"9223372036854775807*n" is no size}}
func.func private @overflow(tensor<?xf32, #weft.shape<["9223372036854775807*n"]>>)

// -----

// expected-error @+1 {{no tensor has the size -1}}
func.func private @negative(tensor<?xf32, #weft.shape<[-1]>>)

// -----

// expected-error @+1 {{expected a size: a number, or an expression in quotes}}
func.func private @bare_name(tensor<?xf32, #weft.shape<[n]>>)

// -----

// expected-error @+1 {{#weft.shape<["n", 4]> has 2 sizes for a tensor of rank 1}}
func.func private @rank(tensor<?xf32, #weft.shape<["n", 4]>>)

// -----

// expected-error @+1 {{dimension 1 is 5, but #weft.shape<["n", 4]> says 4}}
func.func private @other_size(tensor<?x5xf32, #weft.shape<["n", 4]>>)

// -----

func.func @dtype() {
  // expected-error @+1 {{'weft.size' op fills with a number of type 'f32', the result has dtype 'f64'}}
  %0 = "weft.size"() {size = #weft.symbolic_size<"n", f32>} : () -> tensor<f64>
  return
}

// -----

func.func @missing() {
  // expected-error @+1 {{'weft.constant' op the resource "nowhere" is not in the file}}
  %0 = weft.constant dense_resource<nowhere> : tensor<2xf32> : tensor<2xf32>
  return
}

// -----

func.func @too_short() {
  // expected-error @+1 {{'weft.constant' op the resource "short" has 8 bytes; shape [3] of 'f32' needs 3 times 4}}
  %0 = weft.constant dense_resource<short> : tensor<3xf32> : tensor<3xf32>
  return
}

{-#
  dialect_resources: {
    builtin: {
      short: "0x040000000000803F00000040"
    }
  }
#-}

// -----

func.func @sparse() {
  // expected-error @+1 {{'weft.constant' op the value must be dense<...> or dense_resource<...>}}
  %0 = weft.constant sparse<[[0]], [1.0]> : tensor<3xf32> : tensor<3xf32>
  return
}
