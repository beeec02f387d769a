// RUN: weft-opt %s --weft-schedule=target=cortex-m4 | FileCheck %s

// A processor without vectors computes what has no order of its own one by one: its code for 16
// elements would be 16 times as long. Sums along rows keep their order, of 16 lanes.

// CHECK-LABEL: weft.kernel @elementwise(
// CHECK-SAME: #weft.elementwise<lanes = 1, grain = 1024>
weft.kernel @elementwise(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// CHECK-LABEL: weft.kernel @rows(
// CHECK-SAME: #weft.rows<lanes = 16>
weft.kernel @rows(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// CHECK-LABEL: weft.kernel @columns(
// CHECK-SAME: #weft.columns<lanes = 1>
weft.kernel @columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>> {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}
