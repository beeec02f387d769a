// RUN: weft-opt %s --weft-schedule=target=wasm32 | FileCheck %s

// Engines of WebAssembly keep some of the processor's registers: with tiles of 6 x 2 they spill.

// CHECK-LABEL: weft.kernel @contraction(
// CHECK-SAME: #weft.contraction<lanes = 4, rows = 4, columns = 2,
weft.kernel @contraction(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
