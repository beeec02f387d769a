// A kernel is emitted by its schedule, which may be written by hand: one that does not fit is refused.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-emit-loops

// expected-error@+1 {{'weft.kernel' op has no schedule; run weft-schedule first}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{'weft.kernel' op does not fit the template contraction of its schedule; without a schedule, weft-schedule chooses one}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.schedule<kind = contraction, lanes = 16>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{does not fit the template row_reduction of its schedule}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>>
    attributes {schedule = #weft.schedule<kind = row_reduction, lanes = 16>} {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// -----

// A reduction of no axes is for weft-split-reductions.
// expected-error@+1 {{does not fit the template row_reduction of its schedule}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.schedule<kind = row_reduction, lanes = 16>} {
  %0 = weft.sum %x [] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of 12 lanes; they must be a power of 2}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.schedule<kind = elementwise, lanes = 12>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of grain 0; it must be at least 1}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.schedule<kind = elementwise, lanes = 16, grain = 0>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule with a tile of 0 rows, 2 columns and depth 0; rows and columns must be at least 1, the depth at least 0}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.schedule<kind = contraction, lanes = 16, columns = 2>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// A tile that is turned is kept on the stack.
// expected-error@+1 {{has a schedule of 4096 rows; there must be at least 0, at most 1024}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.schedule<kind = elementwise, lanes = 16, rows = 4096>} {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// -----

// A block that is copied holds the depth that is done at a time.
// expected-error@+1 {{has a schedule with pack_block = 8 and depth 16; a block has at least the depth, which must be at least 1, and at most 4096 steps}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.schedule<kind = contraction, lanes = 16, rows = 2, columns = 1, depth = 16, pack_block = 8>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// A block of rows has some.
// expected-error@+1 {{has a schedule of 0 outer rows; there must be at least 1}}
weft.kernel @k(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.schedule<kind = contraction, lanes = 16, rows = 2, columns = 1, depth = 16, outer_rows = 0>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
