// RUN: weft-opt %s --verify-diagnostics --weft-schedule=target=cuda:sm_90a

// expected-error@+1 {{is of attention, which runs on a GPU by its definition; run weft-decompose first}}
weft.kernel @attention(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>> {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}
