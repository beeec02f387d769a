// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-emit-loops=target=x86-64-v3

// expected-error@+1 {{has a schedule that is not one of a product by a weight of few bits: 1 to 64 rows, columns and tiles of a single row, pack_rhs and narrow, with direct_rows = 0}}
weft.kernel @product(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                     %w: tensor<?x?x?xi8, #weft.sizes<[3, 1, 4]>>,
                     %s: tensor<?x?xf32, #weft.sizes<[3, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 8, columns = 2, pack_rhs = true, narrow = true, single = 4>} {
  %0 = weft.quantized_matmul %x, %w, %s {bits = 8 : i64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xi8, #weft.sizes<[3, 1, 4]>>,
        tensor<?x?xf32, #weft.sizes<[3, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 3]>>
}

// -----

// expected-error@+1 {{has a schedule that is not one of a product by a weight of few bits}}
weft.kernel @product(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                     %w: tensor<?x?x?xi8, #weft.sizes<[3, 1, 4]>>,
                     %s: tensor<?x?xf32, #weft.sizes<[3, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 0, columns = 2, pack_rhs = true, direct_rows = 0, narrow = true, single = 4>} {
  %0 = weft.quantized_matmul %x, %w, %s {bits = 8 : i64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xi8, #weft.sizes<[3, 1, 4]>>,
        tensor<?x?xf32, #weft.sizes<[3, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 3]>>
}

// -----

// expected-error@+1 {{adds 4 steps of the depth at once, for which the target x86-64-v3 has no instruction of such vectors}}
weft.kernel @product(%x: tensor<?x?x?xi8, #weft.sizes<[0, 1, 2]>>,
                     %w: tensor<?x?x?xi8, #weft.sizes<[3, 1, 4]>>,
                     %s: tensor<?x?xf32, #weft.sizes<[3, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
    attributes {schedule = #weft.contraction<lanes = 8, rows = 4, columns = 2, pack_rhs = true, direct_rows = 0, steps = 4, narrow = true, single = 4>} {
  %0 = weft.quantized_dot %x, %w, %s {bits = 8 : i64}
      : tensor<?x?x?xi8, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xi8, #weft.sizes<[3, 1, 4]>>,
        tensor<?x?xf32, #weft.sizes<[3, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 3]>>
}
