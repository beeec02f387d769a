// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-emit-loops

// expected-error@+1 {{has a schedule whose block is 95; it must be a multiple of its rows up to 4096}}
weft.kernel @attention(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 6, columns = 1, single = 4, block = 95>} {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}

// -----

// expected-error@+1 {{has a schedule whose rows is 0; it must be 1 to 32}}
weft.kernel @attention(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 0, columns = 1, single = 4, block = 96>} {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}

// -----

// expected-error@+1 {{has a schedule whose columns is 3; it must be a divisor of the vectors of a block of 64 keys}}
weft.kernel @attention(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 6, columns = 3, single = 4, block = 96>} {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}

// -----

// expected-error@+1 {{has a schedule whose width is 65; it must be a multiple of 64 up to 65536}}
weft.kernel @attention(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 6, columns = 1, single = 4, block = 96, width = 65>} {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}
