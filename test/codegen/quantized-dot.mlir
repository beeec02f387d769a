// RUN: weft-opt %s --weft-emit-loops | FileCheck %s

// The first stage copies the weight, its numbers of 4 bits so that each half of a word has four
// neighbours; the second x, with the sums of groups; the third sums products of bytes, by pairs of
// 16 bits where there is no instruction, and multiplies by the scales of groups.
// CHECK-LABEL: func.func @product_0(
// CHECK: vector.bitcast %{{.*}} : vector<4xi8> to vector<1xi32>
// CHECK: arith.constant 16711935 : i32
// CHECK-LABEL: func.func @product_1(
// CHECK: llvm.load %{{.*}} -> vector<32xi8>
// CHECK: vector.reduction <add>
// CHECK-LABEL: func.func @product_2(
// CHECK: llvm.load %{{.*}} -> vector<8xi32>
// CHECK: arith.andi %{{.*}} : vector<8xi32>
// CHECK: arith.extsi %{{.*}} : vector<16xi16> to vector<16xi32>
// CHECK: arith.muli
// CHECK: arith.sitofp %{{.*}} : vector<8xi32> to vector<8xf32>
// CHECK: math.fma
// CHECK-LABEL: func.func @product_setup(
// CHECK-SAME: weft.stages = 3 : i64, weft.temporaries = 2 : i64
weft.kernel @product(%x: tensor<?x?x?xi8, #weft.sizes<[0, 1, 2]>>,
                     %w: tensor<?x?x?xui8, #weft.sizes<[3, 1, 4]>>,
                     %s: tensor<?x?xf32, #weft.sizes<[3, 1]>>,
                     %z: tensor<?x?xui8, #weft.sizes<[3, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
    attributes {schedule = #weft.contraction<lanes = 8, rows = 4, columns = 2, pack_rhs = true, direct_rows = 0, narrow = true, single = 4>} {
  %0 = weft.quantized_dot %x, %w, %s, %z {bits = 4 : i64}
      : tensor<?x?x?xi8, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xui8, #weft.sizes<[3, 1, 4]>>,
        tensor<?x?xf32, #weft.sizes<[3, 1]>>, tensor<?x?xui8, #weft.sizes<[3, 1]>>
        -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 3]>>
}
