// RUN: weft-opt %s --weft-plan-memory | FileCheck %s
// RUN: weft-opt %s --weft-plan-memory=in-place | FileCheck %s --check-prefix=PLACE

weft.kernel @exp(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

weft.kernel @add(%x: tensor<?xf32, #weft.sizes<[0]>>, %y: tensor<?xf32, #weft.sizes<[0]>>)
    -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.add %x, %y : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

weft.kernel @both(%x: tensor<?xf32, #weft.sizes<[0]>>)
    -> (tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[0]>>) {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.log %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0, %1 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[0]>>
}

// The documented example: a result that is still read keeps its place, one that leaves has none.
// CHECK-LABEL: func.func @example(
// CHECK-SAME: attributes {weft.arena = 128 : i64}
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 0>}
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 64>}
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: -1>}
func.func @example(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.launch @exp(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %1 = weft.launch @exp(%0) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %2 = weft.launch @exp(%1) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// However long the chain, two places are enough.
// CHECK-LABEL: func.func @reuse(
// CHECK-SAME: attributes {weft.arena = 8192 : i64}
// CHECK: offsets = array<i64: 0>
// CHECK: offsets = array<i64: 4096>
// CHECK: offsets = array<i64: 0>
// CHECK: offsets = array<i64: 4096>
// CHECK: offsets = array<i64: -1>
func.func @reuse(%x: tensor<1024xf32>) -> tensor<1024xf32> {
  %0 = weft.launch @exp(%x) sizes [1024] : (tensor<1024xf32>) -> tensor<1024xf32>
  %1 = weft.launch @exp(%0) sizes [1024] : (tensor<1024xf32>) -> tensor<1024xf32>
  %2 = weft.launch @exp(%1) sizes [1024] : (tensor<1024xf32>) -> tensor<1024xf32>
  %3 = weft.launch @exp(%2) sizes [1024] : (tensor<1024xf32>) -> tensor<1024xf32>
  %4 = weft.launch @exp(%3) sizes [1024] : (tensor<1024xf32>) -> tensor<1024xf32>
  return %4 : tensor<1024xf32>
}

// A value that is read late keeps its place until then; neighbouring free places become one.
// CHECK-LABEL: func.func @late(
// CHECK-SAME: attributes {weft.arena = 192 : i64}
// CHECK: %[[A:.*]] = weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 0>}
// CHECK: %[[B:.*]] = weft.launch @exp(%[[A]]) {{.*}} {offsets = array<i64: 64>}
// CHECK: %[[C:.*]] = weft.launch @add(%[[A]], %[[B]]) {{.*}} {offsets = array<i64: 128>}
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 0>} : (tensor<32xf32>)
// CHECK: weft.launch @add(%[[C]], %[[C]]) {{.*}} {offsets = array<i64: -1>}
func.func @late(%x: tensor<16xf32>, %y: tensor<32xf32>) -> (tensor<16xf32>, tensor<32xf32>) {
  %0 = weft.launch @exp(%x) sizes [16] : (tensor<16xf32>) -> tensor<16xf32>
  %1 = weft.launch @exp(%0) sizes [16] : (tensor<16xf32>) -> tensor<16xf32>
  %2 = weft.launch @add(%0, %1) sizes [16] : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %3 = weft.launch @exp(%y) sizes [32] : (tensor<32xf32>) -> tensor<32xf32>
  %4 = weft.launch @add(%2, %2) sizes [16] : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %5 = weft.launch @exp(%3) sizes [32] : (tensor<32xf32>) -> tensor<32xf32>
  return %4, %5 : tensor<16xf32>, tensor<32xf32>
}

// The arena grows from the free place at its end, not from behind it.
// CHECK-LABEL: func.func @grow(
// CHECK-SAME: attributes {weft.arena = 192 : i64}
// CHECK: offsets = array<i64: 0>
// CHECK: offsets = array<i64: 64>
// CHECK: offsets = array<i64: 0>
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 64>} : (tensor<32xf32>)
func.func @grow(%x: tensor<16xf32>, %y: tensor<32xf32>) -> (tensor<16xf32>, tensor<32xf32>) {
  %0 = weft.launch @exp(%x) sizes [16] : (tensor<16xf32>) -> tensor<16xf32>
  %1 = weft.launch @exp(%0) sizes [16] : (tensor<16xf32>) -> tensor<16xf32>
  %2 = weft.launch @exp(%1) sizes [16] : (tensor<16xf32>) -> tensor<16xf32>
  %3 = weft.launch @exp(%y) sizes [32] : (tensor<32xf32>) -> tensor<32xf32>
  %4 = weft.launch @exp(%3) sizes [32] : (tensor<32xf32>) -> tensor<32xf32>
  %5 = weft.launch @exp(%2) sizes [16] : (tensor<16xf32>) -> tensor<16xf32>
  return %5, %4 : tensor<16xf32>, tensor<32xf32>
}

// A reshape reads the memory of its operand: the place is held for its readers, and a result that is
// returned in another shape leaves the function all the same.
// CHECK-LABEL: func.func @reshapes(
// CHECK-SAME: attributes {weft.arena = 128 : i64}
// CHECK: offsets = array<i64: 0>
// CHECK: offsets = array<i64: 64>
// CHECK: offsets = array<i64: -1>
func.func @reshapes(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
  %0 = weft.launch @exp(%x) sizes [6] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = weft.reshape %0 : tensor<2x3xf32> -> tensor<6xf32>
  %2 = weft.launch @exp(%x) sizes [6] : (tensor<2x3xf32>) -> tensor<6xf32>
  %3 = weft.launch @add(%1, %2) sizes [6] : (tensor<6xf32>, tensor<6xf32>) -> tensor<6xf32>
  %4 = weft.reshape %3 : tensor<6xf32> -> tensor<3x2xf32>
  return %4 : tensor<3x2xf32>
}

// A result that is read and returned leaves; one that nobody reads is free at once.
// CHECK-LABEL: func.func @several_outputs(
// CHECK-SAME: attributes {weft.arena = 64 : i64}
// CHECK: weft.launch @both(%{{.*}}) {{.*}} {offsets = array<i64: -1, 0>}
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 0>}
// CHECK: weft.launch @add(%{{.*}}) {{.*}} {offsets = array<i64: -1>}
func.func @several_outputs(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0:2 = weft.launch @both(%x) sizes [4] : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %1 = weft.launch @exp(%0#0) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %2 = weft.launch @add(%1, %0#0) sizes [4] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2, %0#0 : tensor<4xf32>, tensor<4xf32>
}

// Nothing takes no place; a function without launches has an empty arena.
// CHECK-LABEL: func.func @nothing(
// CHECK-SAME: attributes {weft.arena = 0 : i64}
// CHECK: offsets = array<i64: 0>
func.func @nothing(%x: tensor<0xf32>) -> tensor<0xf32> {
  %0 = weft.launch @exp(%x) sizes [0] : (tensor<0xf32>) -> tensor<0xf32>
  %1 = weft.launch @exp(%0) sizes [0] : (tensor<0xf32>) -> tensor<0xf32>
  return %1 : tensor<0xf32>
}

// CHECK-LABEL: func.func @no_launch(
// CHECK-SAME: attributes {weft.arena = 0 : i64}
func.func @no_launch(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// Updates -------------------------------------------------------------------

weft.kernel @update(%x: tensor<?xf32, #weft.sizes<[0]>>, %v: tensor<?xf32, #weft.sizes<[1]>>)
    -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.update %x, %v starts [?0] steps [1]
      : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// A chain of updates is in one place, which leaves with the last; an argument is copied by the first.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: attributes {weft.arena = 0 : i64}
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: -1>, parameters
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: -1>, overwrites = 0 : i64, parameters
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: -1>, overwrites = 0 : i64, parameters
func.func @chain(%x: tensor<8xf32>, %v: tensor<2xf32>) -> tensor<4x2xf32> {
  %0 = weft.launch @update(%x, %v) sizes [8, 2] {parameters = [0]} : (tensor<8xf32>, tensor<2xf32>) -> tensor<8xf32>
  %1 = weft.launch @update(%0, %v) sizes [8, 2] {parameters = [2]} : (tensor<8xf32>, tensor<2xf32>) -> tensor<8xf32>
  %2 = weft.reshape %1 : tensor<8xf32> -> tensor<4x2xf32>
  %3 = weft.launch @update(%2, %v) sizes [8, 2] {parameters = [4]} : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  return %3 : tensor<4x2xf32>
}

// A value that is read later, by anyone, or returned, is copied.
// CHECK-LABEL: func.func @still_read(
// CHECK: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 0>}
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: 64>, parameters
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: 0>, overwrites = 0 : i64, parameters
// CHECK: weft.launch @add(%{{.*}}) {{.*}} {offsets = array<i64: -1>}
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: -1>, parameters
func.func @still_read(%x: tensor<8xf32>, %v: tensor<2xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = weft.launch @exp(%x) sizes [8] : (tensor<8xf32>) -> tensor<8xf32>
  %1 = weft.launch @update(%0, %v) sizes [8, 2] {parameters = [0]} : (tensor<8xf32>, tensor<2xf32>) -> tensor<8xf32>
  %2 = weft.launch @update(%0, %v) sizes [8, 2] {parameters = [2]} : (tensor<8xf32>, tensor<2xf32>) -> tensor<8xf32>
  %3 = weft.launch @add(%1, %2) sizes [8] : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %4 = weft.launch @update(%3, %v) sizes [8, 2] {parameters = [4]} : (tensor<8xf32>, tensor<2xf32>) -> tensor<8xf32>
  return %3, %4 : tensor<8xf32>, tensor<8xf32>
}

// So is one that the same launch reads otherwise.
// CHECK-LABEL: func.func @read_twice(
// CHECK: weft.launch @update(%{{.*}}) {{.*}} {offsets = array<i64: -1>, parameters
func.func @read_twice(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = weft.launch @exp(%x) sizes [8] : (tensor<8xf32>) -> tensor<8xf32>
  %1 = weft.launch @update(%0, %0) sizes [8, 8] {parameters = [0]} : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// Results over operands -----------------------------------------------------

// Where it is allowed, a result is where an operand was that is read only at the same element: a
// chain has one place, which leaves with the last.
// PLACE-LABEL: func.func @in_place(
// PLACE-SAME: attributes {weft.arena = 0 : i64}
// PLACE: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: -1>}
// PLACE: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: -1>, overwrites = 0 : i64}
// PLACE: weft.launch @add(%{{.*}}) {{.*}} {offsets = array<i64: -1>, overwrites = 1 : i64}
func.func @in_place(%x: tensor<4x4xf32>) -> tensor<16xf32> {
  %0 = weft.launch @exp(%x) sizes [16] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = weft.launch @exp(%0) sizes [16] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = weft.reshape %1 : tensor<4x4xf32> -> tensor<16xf32>
  %3 = weft.reshape %x : tensor<4x4xf32> -> tensor<16xf32>
  %4 = weft.launch @add(%3, %2) sizes [16] : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %4 : tensor<16xf32>
}

// What is read later, or twice by the same launch, stays; a launch of several results has places of
// its own.
// PLACE-LABEL: func.func @not_in_place(
// PLACE-SAME: attributes {weft.arena = 128 : i64}
// PLACE: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 0>}
// PLACE: weft.launch @exp(%{{.*}}) {{.*}} {offsets = array<i64: 64>}
// PLACE: weft.launch @add(%{{.*}}) {{.*}} {offsets = array<i64: 0>, overwrites = 0 : i64}
// PLACE: weft.launch @add(%{{.*}}) {{.*}} {offsets = array<i64: 64>}
// PLACE: weft.launch @both(%{{.*}}) {{.*}} {offsets = array<i64: -1, 0>}
// PLACE: weft.launch @add(%{{.*}}) {{.*}} {offsets = array<i64: -1>, overwrites = 0 : i64}
func.func @not_in_place(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.launch @exp(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %1 = weft.launch @exp(%0) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %2 = weft.launch @add(%0, %1) sizes [4] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = weft.launch @add(%2, %2) sizes [4] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4:2 = weft.launch @both(%3) sizes [4] : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %5 = weft.launch @add(%4#0, %4#1) sizes [4] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %5 : tensor<4xf32>
}

weft.kernel @turn(%x: tensor<?x?xf32, #weft.sizes<[0, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 0]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[0, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 0]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 0]>>
}

// Nor what is read at another element than is written.
// PLACE-LABEL: func.func @turned(
// PLACE: weft.launch @turn(%{{.*}}) {{.*}} {offsets = array<i64: -1>}
func.func @turned(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = weft.launch @exp(%x) sizes [16] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = weft.launch @turn(%0) sizes [4] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}
