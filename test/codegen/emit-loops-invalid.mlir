// A kernel is emitted by its schedule, which may be written by hand: one that does not fit is refused.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-emit-loops

// expected-error@+1 {{'weft.kernel' op has no schedule; run weft-schedule first}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{'weft.kernel' op has the schedule #weft.contraction<lanes = 16, rows = 6, columns = 1>, which is none of the template elementwise on a processor; without a schedule, weft-schedule chooses one}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 6, columns = 1>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has the schedule #weft.rows<lanes = 16>, which is none of the template columns on a processor}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// -----

// expected-error@+1 {{has a schedule that keeps 100 vectors of 16 elements; on a processor they must be a power of 2 of elements, 2048 to 65536, or none}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, kept = 100>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of 0 chains; there must be 1 to 16}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, chains = 0>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule with tasks of -1 blocks; there must be 0 to 65536}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, blocks = -1>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule that keeps values of a row, and cuts rows into blocks, which are computed in stages of their own}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, kept = 128, blocks = 4>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of vectors across rows, which has neither kept values nor chains nor blocks}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, chains = 4, across = true>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of vectors across rows, which needs a dimension beside them, and results of one element a row}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<f32, #weft.sizes<>>
    attributes {schedule = #weft.rows<lanes = 16, across = true>} {
  %0 = weft.sum %x [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<f32, #weft.sizes<>>
  weft.yield %0 : tensor<f32, #weft.sizes<>>
}

// -----

// A reduction of no axes is for weft-split-reductions.
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  // expected-error@+1 {{reduces along no dimension; canonicalize removes it}}
  %0 = weft.sum %x [] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of 12 lanes; they must be a power of 2}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 12>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of grain 0; it must be at least 1}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 0>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule with a tile of 0 rows, 2 columns and depth 0; rows and columns must be at least 1, the depth at least 0}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 0, columns = 2>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> (tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[0]>>)
    attributes {schedule = #weft.scan<lanes = 1>} {
  %0 = weft.cumulative_sum %x axis 0 : tensor<?xf32, #weft.sizes<[0]>>
  // expected-error@+1 {{is the second of its kind in the kernel: the template scan computes one}}
  %1 = weft.cumulative_prod %x axis 0 : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0, %1 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has ops of two kinds of kernels, or of none}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> (tensor<?xf32, #weft.sizes<[0]>>, tensor<f32, #weft.sizes<>>)
    attributes {schedule = #weft.scan<lanes = 1>} {
  %0 = weft.cumulative_sum %x axis 0 : tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.sum %x [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<f32, #weft.sizes<>>
  weft.yield %0, %1 : tensor<?xf32, #weft.sizes<[0]>>, tensor<f32, #weft.sizes<>>
}

// -----

// expected-error@+1 {{has a schedule of blocks of 0 elements and 6 merges}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.sort<block = 0, merges = 6>} {
  %0, %1 = weft.sort %x axis 0 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xi64, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of 16 lanes and blocks of 2048 elements; there must be 1 lane, or 4 to 8 and blocks of 8 vectors}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.sort<block = 2048, merges = 6, lanes = 16>} {
  %0, %1 = weft.sort %x axis 0 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xi64, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// A tile that is turned is kept on the stack.
// expected-error@+1 {{has a schedule with tiles of 4096 rows; there must be at least 1, at most 1024}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.transposition<tile = 4096, lanes = 16>} {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// -----

// A block that is copied holds the depth that is done at a time.
// expected-error@+1 {{has a schedule with pack_block = 8 and depth 16; a block has at least the depth, which must be at least 1, and at most 4096 steps}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, pack_block = 8>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// Dot products are of integers.
// expected-error@+1 {{has a schedule of 2 steps; there must be 1, or 2 for a product of matrices of integers of at most 16 bits that packs both, with even blocks}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, pack_lhs = true, pack_rhs = true, steps = 2>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// They are of pairs, which blocks of the depth must not cut.
// expected-error@+1 {{has a schedule of 2 steps; there must be 1, or 2}}
weft.kernel @k(%a: tensor<?x?xi8, #weft.sizes<[0, 1]>>, %b: tensor<?x?xi8, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xi8, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 15, pack_lhs = true, pack_rhs = true, steps = 2>} {
  %0 = weft.matmul %a, %b : tensor<?x?xi8, #weft.sizes<[0, 1]>>, tensor<?x?xi8, #weft.sizes<[1, 2]>> -> tensor<?x?xi8, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xi8, #weft.sizes<[0, 2]>>
}

// -----

// expected-error@+1 {{has a schedule of vectors across the innermost dimension, which need a second one}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024, across = true>} {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Only a copy can keep elements as narrow as they are.
// expected-error@+1 {{has a schedule with narrow elements in the copy of the right operand, which must be one by pack_rhs of float16, bfloat16, or bytes beside floats}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, pack_rhs = true, narrow = true>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// Rows that follow each other line by line are not a fixed distance apart.
// expected-error@+1 {{has a flat schedule that also has pack_lhs, vector_lhs or a row_stride}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, row_stride = 8, flat = true>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// Of a batch of two loops each goes on at its own time, in a vector along both.
// expected-error@+1 {{has a schedule with vector_lhs, but its batch is not one loop, along which vectors could lie}}
weft.kernel @k(%a: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %b: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 3, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 1, columns = 1, vector_lhs = true>} {
  %0 = weft.matmul %a, %b : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 3, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>
}

// -----

// Rows of images are read where they are.
// expected-error@+1 {{has a schedule that packs the left operand, which is not that of a product of matrices}}
weft.kernel @k(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?x?xf32, #weft.sizes<[4, 5, 3, 6]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 1, pack_lhs = true, pack_rhs = true>} {
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?x?xf32, #weft.sizes<[4, 5, 3, 6]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
}

// -----

// Vectors of columns are read from neighbours.
// expected-error@+1 {{has a schedule that reads the right operand where it is, whose columns are no neighbours in memory; pack it}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[2, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 1, columns = 1, depth = 8, pack_lhs = true>} {
  %0 = weft.matmul %a, %b {transpose_rhs = true} : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[2, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// What the kernel computes is nowhere to be read.
// expected-error@+1 {{has a schedule that reads an operand where it is, although the kernel computes it; pack it}}
weft.kernel @k(%b: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, pack_rhs = true>} {
  %a = weft.constant dense<2.0> : tensor<f32> : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// A block of rows has some.
// expected-error@+1 {{has a schedule of 0 outer rows; there must be at least 1}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, outer_rows = 0>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// weft-prepare puts them together.
weft.kernel @k(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 0, 3]>>) -> tensor<?x?xf32, #weft.sizes<[1, 0]>>
    attributes {schedule = #weft.columns<lanes = 16>} {
  // expected-error@+1 {{reduces no neighbouring dimensions; run weft-prepare first}}
  %0 = weft.sum %x [0, 3] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 0, 3]>> -> tensor<?x?xf32, #weft.sizes<[1, 0]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[1, 0]>>
}

// -----

// A single row reads copies, which have to be there.
// expected-error@+1 {{has a schedule with single = 4; it must be at most 16, for a product of matrices whose left operand is in memory and whose right one is always copied (pack_rhs, direct_rows = 0)}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 16, pack_rhs = true, single = 4>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// expected-error@+1 {{has a schedule of 0 neighbours side by side; there must be at least 1, at most 16}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024, jam = 0>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of neighbours side by side, which need a dimension between those of tasks and that of vectors}}
weft.kernel @k(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>) -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024, jam = 4>} {
  weft.yield %x : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
}
