// RUN: weft-opt %s --weft-emit-loops | FileCheck %s

// A task copies a block of keys and values, asks for later keys meanwhile, and has the scores of that
// block alone. The first products are those of the queries and keys, then come the weights, then the
// products by the values, which go on from the sums of the keys before.
// CHECK-LABEL: func.func @attention_0(
// CHECK: llvm.alloca
// CHECK: scf.for
// CHECK: llvm.intr.prefetch
// CHECK: vector.shuffle
// CHECK: math.fma
// CHECK: arith.mulf
// CHECK: math.exp
// CHECK: math.exp
// CHECK: math.fma
// CHECK: arith.divf
// CHECK-LABEL: func.func @attention_setup(
// CHECK-SAME: weft.stages = 1 : i64, weft.temporaries = 0 : i64
weft.kernel @attention(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 6, columns = 1, single = 4, block = 96, width = 64>} {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}

// Heads of any width: the memory of a task is a part of a temporary.
// CHECK-LABEL: func.func @wide_0(
// CHECK-NOT: llvm.alloca
// CHECK-LABEL: func.func @wide_setup(
// CHECK-SAME: weft.stages = 1 : i64, weft.temporaries = 1 : i64
weft.kernel @wide(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                       %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                       %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 6, columns = 1, single = 4, block = 96>} {
  %0 = weft.scaled_dot_product_attention %q, %k, %v {causal = true, scale = 1.250000e-01 : f64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}

// A mask is read where it is: an element for each key, whatever the query.
// CHECK-LABEL: func.func @masked_0(
// CHECK: %[[BYTES:.*]] = llvm.load {{.*}} -> vector<16xi8>
// CHECK: %[[SEEN:.*]] = arith.cmpi ne, %[[BYTES]]
// CHECK: arith.select %[[SEEN]]
// CHECK: math.exp
weft.kernel @masked(%q: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                    %k: tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
                    %v: tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>,
                    %seen: tensor<?xi1, #weft.sizes<[3]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
    attributes {schedule = #weft.attention<lanes = 16, rows = 6, columns = 1, single = 4, block = 96, width = 64>} {
  %mask = weft.broadcast %seen [2] : tensor<?xi1, #weft.sizes<[3]>> -> tensor<?x?x?xi1, #weft.sizes<[0, 1, 3]>>
  %0 = weft.scaled_dot_product_attention %q, %k, %v, %mask {causal = true, scale = 1.250000e-01 : f64, groups = 2 : i64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[0, 3, 2]>>,
        tensor<?x?x?xf32, #weft.sizes<[0, 3, 4]>>, tensor<?x?x?xi1, #weft.sizes<[0, 1, 3]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 4]>>
}
