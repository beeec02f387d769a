// RUN: weft-opt %s --weft-emit-loops | FileCheck %s

// The first stage copies the weight as it is, the second makes a float of each number in its place:
// a mask and an exponent, what that and the zero are, and the scale. A tile of rows reads its words
// as they come; a single row, in the second loop over words, asks ahead for them.
// CHECK-LABEL: func.func @product_0(
// CHECK-NOT: math.fma
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr
// CHECK: vector.bitcast %{{.*}} : vector<4xi8> to vector<1xi32>
// CHECK-LABEL: func.func @product_1(
// CHECK-NOT: llvm.intr.prefetch
// CHECK: %[[WORD:.*]] = llvm.load %{{.*}} -> vector<16xi32>
// CHECK: arith.shrui %[[WORD]]
// CHECK: arith.andi %[[WORD]]
// CHECK: arith.ori
// CHECK: %[[RAISED:.*]] = arith.bitcast %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: %[[EXACT:.*]] = arith.subf %[[RAISED]]
// CHECK: %[[WEIGHT:.*]] = arith.mulf %[[EXACT]]
// CHECK: math.fma %{{.*}}, %[[WEIGHT]]
// CHECK: llvm.intr.prefetch
// CHECK: math.fma
// CHECK-LABEL: func.func @product_setup(
// CHECK-SAME: weft.stages = 2 : i64, weft.temporaries = 1 : i64
weft.kernel @product(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>,
                     %w: tensor<?x?x?xui8, #weft.sizes<[3, 1, 4]>>,
                     %s: tensor<?x?xf32, #weft.sizes<[3, 1]>>,
                     %z: tensor<?x?xui8, #weft.sizes<[3, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 8, columns = 2, pack_rhs = true, direct_rows = 0, narrow = true, single = 4>} {
  %0 = weft.quantized_matmul %x, %w, %s, %z {bits = 4 : i64}
      : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xui8, #weft.sizes<[3, 1, 4]>>,
        tensor<?x?xf32, #weft.sizes<[3, 1]>>, tensor<?x?xui8, #weft.sizes<[3, 1]>>
        -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 3]>>
}
