// RUN: weft-opt %s --weft-schedule | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: weft-opt %s --weft-schedule="registers=16 register-bytes=32" | FileCheck %s --check-prefixes=CHECK,NARROW

// The documented example: a contraction has a register tile that leaves room for a row of the right
// operand. Lanes are the same on all targets, as the order of a sum depends on them.
// CHECK-LABEL: weft.kernel @contraction(
// WIDE-SAME: #weft.schedule<kind = contraction, lanes = 16, rows = 14, columns = 2, depth = {{[0-9]+}}, pack_lhs = true, pack_rhs = true>
// NARROW-SAME: #weft.schedule<kind = contraction, lanes = 16, rows = 6, columns = 1, depth = {{[0-9]+}}, pack_lhs = true, pack_rhs = true>
weft.kernel @contraction(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// CHECK-LABEL: weft.kernel @elementwise(
// CHECK-SAME: #weft.schedule<kind = elementwise, lanes = 16, grain = 1024>
weft.kernel @elementwise(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// CHECK-LABEL: weft.kernel @rows(
// CHECK-SAME: #weft.schedule<kind = row_reduction, lanes = 16>
weft.kernel @rows(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %1 : tensor<?xf32, #weft.sizes<[0]>>
}

// CHECK-LABEL: weft.kernel @columns(
// CHECK-SAME: #weft.schedule<kind = column_reduction, lanes = 16>
weft.kernel @columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>> {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// CHECK-LABEL: weft.kernel @scatter(
// CHECK-SAME: #weft.schedule<kind = update, lanes = 16>
weft.kernel @scatter(%x: tensor<?xf32, #weft.sizes<[0]>>, %i: tensor<?xi64, #weft.sizes<[1]>>,
                     %u: tensor<?xf32, #weft.sizes<[1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.scatter_add %x, %i, %u axis 0 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xi64, #weft.sizes<[1]>>, tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// A schedule that is there already is kept: so one can be tried by hand.
// CHECK-LABEL: weft.kernel @by_hand(
// CHECK-SAME: #weft.schedule<kind = elementwise, lanes = 4, grain = 7>
weft.kernel @by_hand(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.schedule<kind = elementwise, lanes = 4, grain = 7>} {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// Doubles take twice the registers, so that the tile has fewer rows or columns.
// CHECK-LABEL: weft.kernel @doubles(
// WIDE-SAME: rows = 14, columns = 1
weft.kernel @doubles(%a: tensor<?x?xf64, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf64, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf64, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %a, %b : tensor<?x?xf64, #weft.sizes<[0, 1]>>, tensor<?x?xf64, #weft.sizes<[1, 2]>> -> tensor<?x?xf64, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf64, #weft.sizes<[0, 2]>>
}
