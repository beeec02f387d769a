// RUN: weft-opt %s --weft-schedule=target=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: weft-opt %s --weft-schedule="target=x86-64-v3" | FileCheck %s --check-prefixes=CHECK,NARROW

// The documented example: a contraction has a register tile that leaves room for a row of the right
// operand. Lanes are the same on all targets, as the order of a sum depends on them.
// CHECK-LABEL: weft.kernel @contraction(
// WIDE-SAME: #weft.contraction<lanes = 16, rows = 14, columns = 2, depth = {{[0-9]+}}, pack_lhs = true, pack_rhs = true>
// NARROW-SAME: #weft.contraction<lanes = 16, rows = 6, columns = 1, depth = {{[0-9]+}}, pack_lhs = true, pack_rhs = true>
weft.kernel @contraction(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// CHECK-LABEL: weft.kernel @elementwise(
// CHECK-SAME: #weft.elementwise<lanes = 16, grain = 1024>
weft.kernel @elementwise(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// CHECK-LABEL: weft.kernel @rows(
// CHECK-SAME: #weft.rows<lanes = 16>
weft.kernel @rows(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %1 : tensor<?xf32, #weft.sizes<[0]>>
}

// Sums that would wait for each other: several rows at a time.
// CHECK-LABEL: weft.kernel @sums_of_rows(
// CHECK-SAME: #weft.rows<lanes = 16, chains = 4>
weft.kernel @sums_of_rows(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// What is dear is computed once: there is room for it in the nearest cache.
// CHECK-LABEL: weft.kernel @softmax(
// CHECK-SAME: #weft.rows<lanes = 16, kept = 512, chains = {{[24]}}>
weft.kernel @softmax(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.max %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.broadcast %0 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %2 = weft.subtract %x, %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.exp %2 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %4 = weft.sum %3 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %5 = weft.broadcast %4 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %6 = weft.divide %3, %5 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %6 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Fewer rows than cores, and each long: its blocks are tasks. A short one is not worth it (nor are several
// of less than a page side by side), and rows of a number that is not known count as many.
// CHECK-LABEL: weft.kernel @sum_of_all(
// CHECK-SAME: #weft.rows<lanes = 16, chains = 4, blocks = 4>
weft.kernel @sum_of_all(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<f32, #weft.sizes<>> {
  %0 = weft.sum %x [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<f32, #weft.sizes<>>
  weft.yield %0 : tensor<f32, #weft.sizes<>>
}
// CHECK-LABEL: weft.kernel @sum_of_few(
// CHECK-SAME: #weft.rows<lanes = 16>
weft.kernel @sum_of_few(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<f32, #weft.sizes<>> {
  %0 = weft.sum %x [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<f32, #weft.sizes<>>
  weft.yield %0 : tensor<f32, #weft.sizes<>>
}
// CHECK-LABEL: weft.kernel @two_long_rows(
// CHECK-SAME: #weft.rows<lanes = 16, chains = 4, blocks = 4>
weft.kernel @two_long_rows(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
// There is no room for a long row.
// CHECK-LABEL: weft.kernel @long_softmax(
// CHECK-SAME: #weft.rows<lanes = 16>
weft.kernel @long_softmax(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.broadcast %1 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.divide %0, %2 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %3 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}
// Rows whose neighbours lie side by side in memory, as the means of a picture's colours: vectors of rows. Not
// where there are fewer than lanes, nor where another operand lies along the rows.
// CHECK-LABEL: weft.kernel @sums_of_pixels(
// CHECK-SAME: #weft.rows<lanes = 16, across = true>
weft.kernel @sums_of_pixels(%x: tensor<?x?x?xf32, #weft.sizes<[0, 2, 1]>>, %y: tensor<?xf32, #weft.sizes<[2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.transpose %x [0, 2, 1] : tensor<?x?x?xf32, #weft.sizes<[0, 2, 1]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  %1 = weft.broadcast %y [2] : tensor<?xf32, #weft.sizes<[2]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  %2 = weft.multiply %0, %1 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  %3 = weft.sum %2 [2] : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %3 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}
// CHECK-LABEL: weft.kernel @sums_of_colours(
// CHECK-SAME: #weft.rows<lanes = 16>
weft.kernel @sums_of_colours(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %1 : tensor<?xf32, #weft.sizes<[0]>>
}
// CHECK-LABEL: weft.kernel @sums_both_ways(
// CHECK-SAME: #weft.rows<lanes = 16>
weft.kernel @sums_both_ways(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>, %y: tensor<?x?xf32, #weft.sizes<[0, 1]>>)
    -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.multiply %0, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %2 = weft.sum %1 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %2 : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @pictures(%x: tensor<2x49x64xf32>, %y: tensor<49xf32>, %z: tensor<99x3xf32>, %v: tensor<99x64xf32>, %w: tensor<64x99xf32>)
    -> (tensor<2x64xf32>, tensor<3xf32>, tensor<64xf32>) {
  %0 = weft.launch @sums_of_pixels(%x, %y) sizes [2, 64, 49] : (tensor<2x49x64xf32>, tensor<49xf32>) -> tensor<2x64xf32>
  %1 = weft.launch @sums_of_colours(%z) sizes [3, 99] : (tensor<99x3xf32>) -> tensor<3xf32>
  %2 = weft.launch @sums_both_ways(%v, %w) sizes [64, 99] : (tensor<99x64xf32>, tensor<64x99xf32>) -> tensor<64xf32>
  return %0, %1, %2 : tensor<2x64xf32>, tensor<3xf32>, tensor<64xf32>
}
func.func @reductions(%x: tensor<1000000xf32>, %y: tensor<1000xf32>, %z: tensor<2x500000xf32>, %w: tensor<64x50000xf32>)
    -> (tensor<f32>, tensor<f32>, tensor<2xf32>, tensor<64x50000xf32>) {
  %0 = weft.launch @sum_of_all(%x) sizes [1000000] : (tensor<1000000xf32>) -> tensor<f32>
  %1 = weft.launch @sum_of_few(%y) sizes [1000] : (tensor<1000xf32>) -> tensor<f32>
  %2 = weft.launch @two_long_rows(%z) sizes [2, 500000] : (tensor<2x500000xf32>) -> tensor<2xf32>
  %3 = weft.launch @long_softmax(%w) sizes [64, 50000] : (tensor<64x50000xf32>) -> tensor<64x50000xf32>
  return %0, %1, %2, %3 : tensor<f32>, tensor<f32>, tensor<2xf32>, tensor<64x50000xf32>
}

// CHECK-LABEL: weft.kernel @columns(
// CHECK-SAME: #weft.columns<lanes = 16>
weft.kernel @columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>> {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// CHECK-LABEL: weft.kernel @scatter(
// CHECK-SAME: #weft.update<lanes = 16>
weft.kernel @scatter(%x: tensor<?xf32, #weft.sizes<[0]>>, %i: tensor<?xi64, #weft.sizes<[1]>>,
                     %u: tensor<?xf32, #weft.sizes<[1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.scatter_add %x, %i, %u axis 0 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xi64, #weft.sizes<[1]>>, tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// What is in a frame is computed and stored there, and the frame filled beside.
// CHECK-LABEL: weft.kernel @framed(
// CHECK-SAME: #weft.elementwise<lanes = 16, grain = 1024, framed = true>
weft.kernel @framed(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %v: tensor<f32, #weft.sizes<>>)
    -> tensor<?x?xf32, #weft.sizes<[2, 1]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.pad %0, %v low [?0, 0] interior [0, 0] : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<f32, #weft.sizes<>> -> tensor<?x?xf32, #weft.sizes<[2, 1]>>
  weft.yield %1 : tensor<?x?xf32, #weft.sizes<[2, 1]>>
}

// A schedule that is there already is kept: so one can be tried by hand.
// CHECK-LABEL: weft.kernel @by_hand(
// CHECK-SAME: #weft.elementwise<lanes = 4, grain = 7>
weft.kernel @by_hand(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 4, grain = 7>} {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// Doubles take twice the registers, so that vectors have half the lanes: the order of these sums does
// not depend on them.
// CHECK-LABEL: weft.kernel @doubles(
// WIDE-SAME: lanes = 8, rows = 14, columns = 2
// NARROW-SAME: lanes = 8, rows = 6, columns = 1, depth = 512
weft.kernel @doubles(%a: tensor<?x?xf64, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf64, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf64, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf64, #weft.sizes<[0, 1]>>, tensor<?x?xf64, #weft.sizes<[1, 2]>> -> tensor<?x?xf64, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf64, #weft.sizes<[0, 2]>>
}

// One row: the right operand is read where it is, a few lines at a time, by all columns.
// CHECK-LABEL: weft.kernel @one_row(
// WIDE-SAME: rows = 1, columns = 2, depth = 8, pack_lhs = true>
// NARROW-SAME: rows = 1, columns = 1, depth = 8, pack_lhs = true>
weft.kernel @one_row(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// Many rows share what they read.
// CHECK-LABEL: weft.kernel @many_rows(
// WIDE-SAME: rows = 9, columns = 3
// NARROW-SAME: rows = 6, columns = 1
weft.kernel @many_rows(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

func.func @many_rows_of_a_matrix(%a: tensor<512x512xf32>, %b: tensor<512x512xf32>) -> tensor<512x512xf32> {
  %0 = weft.launch @many_rows(%a, %b) sizes [512, 512, 512] : (tensor<512x512xf32>, tensor<512x512xf32>) -> tensor<512x512xf32>
  return %0 : tensor<512x512xf32>
}

// A weight that is the same in most calls is copied once, also for few rows, and the copy is read.
// CHECK-LABEL: weft.kernel @kept_linear_layer(
// WIDE-SAME: rows = 1, columns = 2, depth = 1024, pack_rhs = true, direct_rows = 0>
// NARROW-SAME: rows = 1, columns = 1, depth = 1024, pack_rhs = true, direct_rows = 0>
weft.kernel @kept_linear_layer(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[2, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b {transpose_rhs = true} : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[2, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
func.func @calls_kept_linear_layer(%x: tensor<1x512xf32>, %w: tensor<640x512xf32> {weft.hidden}) -> tensor<1x640xf32> {
  %0 = weft.launch @kept_linear_layer(%x, %w) sizes [1, 512, 640] : (tensor<1x512xf32>, tensor<640x512xf32>) -> tensor<1x640xf32>
  return %0 : tensor<1x640xf32>
}

// The weight of a recurrent cell is where the iteration before has left it, the second-level cache:
// a copy is read ahead of what is computed.
// CHECK-LABEL: weft.kernel @recurrent(
// WIDE-SAME: rows = 1, columns = 8, depth = 1024, pack_rhs = true, direct_rows = 0>
// NARROW-SAME: rows = 1, columns = 4, depth = 1024, pack_rhs = true, direct_rows = 0>
weft.kernel @recurrent(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
func.func private @cell(%x: tensor<1x256xf32> {weft.donated}, %w: tensor<256x1024xf32> {weft.hidden}) -> tensor<1x1024xf32>
    attributes {weft.repeated} {
  %0 = weft.launch @recurrent(%x, %w) sizes [1, 256, 1024] : (tensor<1x256xf32>, tensor<256x1024xf32>) -> tensor<1x1024xf32>
  return %0 : tensor<1x1024xf32>
}

// Where the depth runs along memory, blocks of columns are turned in the cache.
// CHECK-LABEL: weft.kernel @few_rows_of_a_linear_layer(
// CHECK-SAME: pack_lhs = true, pack_block = {{[0-9]+}}>
weft.kernel @few_rows_of_a_linear_layer(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[2, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b {transpose_rhs = true} : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[2, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
func.func @products(%a: tensor<1x512xf32>, %b: tensor<512x640xf32>, %c: tensor<4x512xf32>, %d: tensor<640x512xf32>)
    -> (tensor<1x640xf32>, tensor<4x640xf32>) {
  %0 = weft.launch @one_row(%a, %b) sizes [1, 512, 640] : (tensor<1x512xf32>, tensor<512x640xf32>) -> tensor<1x640xf32>
  %1 = weft.launch @few_rows_of_a_linear_layer(%c, %d) sizes [4, 512, 640] : (tensor<4x512xf32>, tensor<640x512xf32>) -> tensor<4x640xf32>
  return %0, %1 : tensor<1x640xf32>, tensor<4x640xf32>
}

// Groups of one channel: vectors of channels.
// CHECK-LABEL: weft.kernel @depthwise(
// CHECK-SAME: columns = 1, vector_lhs = true, row_stride = 96>
weft.kernel @depthwise(%x: tensor<?x?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3, 4]>>, %w: tensor<?x?x?x?x?xf32, #weft.sizes<[5, 6, 4, 3, 7]>>)
    -> tensor<?x?x?x?x?xf32, #weft.sizes<[0, 8, 9, 3, 7]>> {
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<?x?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3, 4]>>, tensor<?x?x?x?x?xf32, #weft.sizes<[5, 6, 4, 3, 7]>> -> tensor<?x?x?x?x?xf32, #weft.sizes<[0, 8, 9, 3, 7]>>
  weft.yield %0 : tensor<?x?x?x?x?xf32, #weft.sizes<[0, 8, 9, 3, 7]>>
}

// Weights beyond the cache serve all rows of images that fit beside them. Tiles go on from line to
// line where lines are not whole tiles.
// CHECK-LABEL: weft.kernel @large_weights(
// WIDE-SAME: rows = 7, {{.*}}pack_block = 1536, outer_rows = 14, row_stride = 512>
// NARROW-SAME: pack_block = 1536, outer_rows = 14, flat = true>
weft.kernel @large_weights(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?x?xf32, #weft.sizes<[4, 5, 3, 6]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>> {
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?x?xf32, #weft.sizes<[4, 5, 3, 6]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
}

// Lines of 64 pixels are whole tiles of 8, where 13 would compute one twice; few registers allow no more than 6.
// CHECK-LABEL: weft.kernel @wide_image(
// WIDE-SAME: rows = 8, columns = 2
// NARROW-SAME: rows = 6, columns = 1
weft.kernel @wide_image(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?x?xf32, #weft.sizes<[4, 5, 3, 6]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>> {
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?x?xf32, #weft.sizes<[4, 5, 3, 6]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 7, 8, 6]>>
}
func.func @wide_images(%x: tensor<1x66x66x64xf32>, %w: tensor<3x3x64x64xf32>) -> tensor<1x64x64x64xf32> {
  %0 = weft.launch @wide_image(%x, %w) sizes [1, 66, 66, 64, 3, 3, 64, 64, 64] : (tensor<1x66x66x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x64x64x64xf32>
  return %0 : tensor<1x64x64x64xf32>
}
func.func @images(%x: tensor<1x30x30x96x1xf32>, %w: tensor<3x3x1x96x1xf32>, %y: tensor<1x9x9x512xf32>, %v: tensor<3x3x512x512xf32>)
    -> (tensor<1x28x28x96x1xf32>, tensor<1x7x7x512xf32>) {
  %0 = weft.launch @depthwise(%x, %w) sizes [1, 30, 30, 96, 1, 3, 3, 1, 28, 28] : (tensor<1x30x30x96x1xf32>, tensor<3x3x1x96x1xf32>) -> tensor<1x28x28x96x1xf32>
  %1 = weft.launch @large_weights(%y, %v) sizes [1, 9, 9, 512, 3, 3, 512, 7, 7] : (tensor<1x9x9x512xf32>, tensor<3x3x512x512xf32>) -> tensor<1x7x7x512xf32>
  return %0, %1 : tensor<1x28x28x96x1xf32>, tensor<1x7x7x512xf32>
}

// Narrow integers are added in pairs.
// CHECK-LABEL: weft.kernel @bytes(
// CHECK-SAME: pack_lhs = true, pack_rhs = true, steps = 2>
weft.kernel @bytes(%a: tensor<?x?xi8, #weft.sizes<[0, 1]>>, %b: tensor<?x?xi8, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xi8, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xi8, #weft.sizes<[0, 1]>>, tensor<?x?xi8, #weft.sizes<[1, 2]>> -> tensor<?x?xi8, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xi8, #weft.sizes<[0, 2]>>
}
func.func @narrow(%c: tensor<256x512xi8>, %d: tensor<512x512xi8>) -> tensor<256x512xi8> {
  %0 = weft.launch @bytes(%c, %d) sizes [256, 512, 512] : (tensor<256x512xi8>, tensor<512x512xi8>) -> tensor<256x512xi8>
  return %0 : tensor<256x512xi8>
}

// Colours of pixels are fewer than lanes: vectors lie along the pixels.
// CHECK-LABEL: weft.kernel @colours(
// CHECK-SAME: #weft.elementwise<lanes = 16, grain = 1024, across = true>
weft.kernel @colours(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}
func.func @image(%x: tensor<3x1000xf32>) -> tensor<1000x3xf32> {
  %0 = weft.launch @colours(%x) sizes [1000, 3] : (tensor<3x1000xf32>) -> tensor<1000x3xf32>
  return %0 : tensor<1000x3xf32>
}

// Few rows by a kept weight of half precision: the copy stays as narrow, which halves what is read.
// CHECK-LABEL: weft.kernel @half_weight(
// CHECK-SAME: pack_rhs = true, direct_rows = 0, narrow = true>
weft.kernel @half_weight(%a: tensor<?x?xbf16, #weft.sizes<[0, 1]>>, %b: tensor<?x?xbf16, #weft.sizes<[2, 1]>>)
    -> tensor<?x?xbf16, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b {transpose_rhs = true} : tensor<?x?xbf16, #weft.sizes<[0, 1]>>, tensor<?x?xbf16, #weft.sizes<[2, 1]>> -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
}
func.func @kept(%c: tensor<1x768xbf16>, %d: tensor<2048x768xbf16> {weft.hidden}) -> tensor<1x2048xbf16> {
  %0 = weft.launch @half_weight(%c, %d) sizes [1, 768, 2048] : (tensor<1x768xbf16>, tensor<2048x768xbf16>) -> tensor<1x2048xbf16>
  return %0 : tensor<1x2048xbf16>
}

// An operand that lies the other way round is turned tile by tile.
// CHECK-LABEL: weft.kernel @turned(
// CHECK-SAME: #weft.transposition<tile = 64, lanes = 16>
weft.kernel @turned(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Windows with channels last: neighbours along a row side by side, as many as registers hold, of which
// the row is a multiple. Code of very large windows would be long.
// CHECK-LABEL: weft.kernel @bordered_7(
// WIDE-SAME: #weft.elementwise<lanes = 16, grain = 1024, jam = 7
// NARROW-SAME: #weft.elementwise<lanes = 8, grain = 1024, jam = 7
weft.kernel @bordered_7(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>> {
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true} : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>>
}
// CHECK-LABEL: weft.kernel @bordered_4(
// WIDE-SAME: #weft.elementwise<lanes = 8, grain = 1024, jam = 4
// NARROW-SAME: #weft.elementwise<lanes = 8, grain = 1024, jam = 4
weft.kernel @bordered_4(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>> {
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true} : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>>
}
// CHECK-LABEL: weft.kernel @bordered_doubles(
// WIDE-SAME: #weft.elementwise<lanes = 8, grain = 1024, jam = 5
// NARROW-SAME: #weft.elementwise<lanes = 8, grain = 1024, jam = 5
weft.kernel @bordered_doubles(%x: tensor<?x?x?x?xf64, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?xf64, #weft.sizes<[4, 5, 3]>>)
    -> tensor<?x?x?x?xf64, #weft.sizes<[0, 6, 7, 3]>> {
  %0 = weft.depthwise_convolution %x, %w window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true} : tensor<?x?x?x?xf64, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?xf64, #weft.sizes<[4, 5, 3]>> -> tensor<?x?x?x?xf64, #weft.sizes<[0, 6, 7, 3]>>
  weft.yield %0 : tensor<?x?x?x?xf64, #weft.sizes<[0, 6, 7, 3]>>
}
// CHECK-LABEL: weft.kernel @bordered_large(
// WIDE-SAME: #weft.elementwise<lanes = 16, grain = 1024>
// NARROW-SAME: #weft.elementwise<lanes = 8, grain = 1024>
weft.kernel @bordered_large(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>> {
  %0 = weft.depthwise_convolution %x, %w window [31, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true} : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 6, 7, 3]>>
}
func.func @bordered(%x0: tensor<1x14x14x96xf32>, %w0: tensor<3x3x96xf32>, %x1: tensor<1x14x32x24xf32>, %w1: tensor<3x3x24xf32>, %x2: tensor<1x14x11x32xf64>, %w2: tensor<3x3x32xf64>, %x3: tensor<1x14x14x96xf32>, %w3: tensor<31x3x96xf32>)
    -> (tensor<1x14x14x96xf32>, tensor<1x14x32x24xf32>, tensor<1x14x11x32xf64>, tensor<1x14x14x96xf32>) {
  %0 = weft.launch @bordered_7(%x0, %w0) sizes [1, 14, 14, 96, 3, 3, 14, 14] : (tensor<1x14x14x96xf32>, tensor<3x3x96xf32>) -> tensor<1x14x14x96xf32>
  %1 = weft.launch @bordered_4(%x1, %w1) sizes [1, 14, 32, 24, 3, 3, 14, 32] : (tensor<1x14x32x24xf32>, tensor<3x3x24xf32>) -> tensor<1x14x32x24xf32>
  %2 = weft.launch @bordered_doubles(%x2, %w2) sizes [1, 14, 11, 32, 3, 3, 14, 11] : (tensor<1x14x11x32xf64>, tensor<3x3x32xf64>) -> tensor<1x14x11x32xf64>
  %3 = weft.launch @bordered_large(%x3, %w3) sizes [1, 14, 14, 96, 31, 3, 14, 14] : (tensor<1x14x14x96xf32>, tensor<31x3x96xf32>) -> tensor<1x14x14x96xf32>
  return %0, %1, %2, %3 : tensor<1x14x14x96xf32>, tensor<1x14x32x24xf32>, tensor<1x14x11x32xf64>, tensor<1x14x14x96xf32>
}
