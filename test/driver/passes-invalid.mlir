// Modules that parse, but that no phase makes: each pass refuses them, or leaves them alone.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-pipeline=x86-64-v3 -o /dev/null

// Numbers of sizes far beyond those that a kernel has.
// expected-error@+1 {{argument #0 is of type 'tensor<?xf32, #weft.sizes<[4611686018427387904]>>'; inside a kernel each dimension needs a symbolic size}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[4611686018427387904]>>) -> tensor<?xf32, #weft.sizes<[4611686018427387904]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[4611686018427387904]>>
}

// -----

// A tile that would be unrolled without end.
// expected-error@+1 {{has a schedule with a tile of 2147483647 rows and 1 columns, which are unrolled; there must be at most 64 of each}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2147483647, columns = 1>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// A vector of more lanes than any processor has.
// expected-error@+1 {{has a schedule of 1073741824 lanes; they must be a power of 2, at most 64}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 1073741824>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// A reduction of no axes, which weft-split-reductions takes away.
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  // expected-error@+1 {{reduces along no dimension; canonicalize removes it}}
  %0 = weft.sum %x [] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Operations of other dialects are no part of kernels.
func.func @f(%x: vector<4xf32>) -> vector<4xf32> {
  %0 = math.exp %x : vector<4xf32>
  return %0 : vector<4xf32>
}

// -----

// Numbers with which arithmetic on sizes overflows.
func.func @f(%x: tensor<9223372036854775807x?x5x6xf32>, %w: tensor<6x2x3x3xf32>) {
  // expected-error@+1 {{conv2d}}
  %0 = weft.conv2d %x, %w {dilations = array<i64: 1, 1>, groups = 9223372036854775807 : i64, padding = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<9223372036854775807x?x5x6xf32>, tensor<6x2x3x3xf32> -> tensor<9223372036854775807x6x3x4xf32>
  return
}

// -----

// A reduction that another one reads at other elements than its own.
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.max %x [0] : tensor<?x?xf32, #weft.sizes<[0, 0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.broadcast %0 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 0]>>
  %2 = weft.subtract %x, %1 : tensor<?x?xf32, #weft.sizes<[0, 0]>>
  // expected-error@+1 {{'weft.sum' op is the second of its kind in the kernel: the template columns computes one}}
  %3 = weft.sum %2 [0] : tensor<?x?xf32, #weft.sizes<[0, 0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %3 : tensor<?xf32, #weft.sizes<[0]>>
}
