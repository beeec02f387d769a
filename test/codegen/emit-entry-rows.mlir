// What a loop's body carries: where a kernel of rows reads the whole row, or the element, before it
// writes it, the next value is written over the last one (1), else the two change places (2).
// RUN: weft-opt %s --split-input-file --weft-resolve-sizes --weft-emit-entry="name=net" | FileCheck %s

// The documented rule: each row is read, by two reductions and element by element, before it is
// written.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 1]>
func.func @main(%x: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
func.func private @body(%x: tensor<5x7xf32> {weft.donated}) -> tensor<5x7xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5, 7] {offsets = array<i64: -1>} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.max %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.broadcast %0 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %2 = weft.subtract %x, %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.exp %2 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %4 = weft.sum %3 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %5 = weft.broadcast %4 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %6 = weft.divide %3, %5 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %6 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// -----

// Blocks of rows are reduced in stages of their own.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 1]>
func.func @main(%x: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
func.func private @body(%x: tensor<5x7xf32> {weft.donated}) -> tensor<5x7xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5, 7] {offsets = array<i64: -1>} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.rows<lanes = 16, blocks = 4>} {
  %0 = weft.max %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.broadcast %0 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %2 = weft.subtract %x, %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.exp %2 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %4 = weft.sum %3 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %5 = weft.broadcast %4 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %6 = weft.divide %3, %5 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %6 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// -----

// A value of each row.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 1]>
func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
func.func private @body(%x: tensor<5xf32> {weft.donated}) -> tensor<5xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5, 7] {offsets = array<i64: -1>} : (tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.constant dense<2.0> : tensor<f32> : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.add %1, %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %2 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// That value is read by all of its row, which another reduction walks.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 2]>
func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
func.func private @body(%x: tensor<5xf32> {weft.donated}) -> tensor<5xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5, 7] {offsets = array<i64: -1>} : (tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.broadcast %x [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.add %1, %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %2 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Each row reads all values of rows.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 2]>
func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
func.func private @body(%x: tensor<5xf32> {weft.donated}) -> tensor<5xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5] {offsets = array<i64: -1>} : (tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.broadcast %x [1] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 0]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.add %1, %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %2 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Rows are read across.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 2]>
func.func @main(%x: tensor<5x5xf32>) -> tensor<5x5xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5x5xf32>) -> tensor<5x5xf32>
  return %0 : tensor<5x5xf32>
}
func.func private @body(%x: tensor<5x5xf32> {weft.donated}) -> tensor<5x5xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5] {offsets = array<i64: -1>} : (tensor<5x5xf32>) -> tensor<5x5xf32>
  return %0 : tensor<5x5xf32>
}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 0]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[0, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 0]>>
  %1 = weft.add %x, %0 : tensor<?x?xf32, #weft.sizes<[0, 0]>>
  %2 = weft.sum %1 [1] : tensor<?x?xf32, #weft.sizes<[0, 0]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %3 = weft.broadcast %2 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 0]>>
  %4 = weft.subtract %x, %3 : tensor<?x?xf32, #weft.sizes<[0, 0]>>
  weft.yield %4 : tensor<?x?xf32, #weft.sizes<[0, 0]>>
}

// -----

// Elements are read behind where they were written.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 2]>
func.func @main(%x: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
func.func private @body(%x: tensor<5x7xf32> {weft.donated}) -> tensor<5x7xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5, 7] {offsets = array<i64: -1>, parameters = [6]} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.broadcast %0 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %2 = weft.slice %x starts [0, ?0] steps [1, -1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.subtract %2, %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %3 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// -----

// A reduction reads other rows.
// CHECK-LABEL: @weft.loop_0(dense<
// CHECK-SAME: [1, 0, 0, 0, 0, 2]>
func.func @main(%x: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %0 = weft.loop @body count [3] init(%x) {offsets = array<i64: -1>} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
func.func private @body(%x: tensor<5x7xf32> {weft.donated}) -> tensor<5x7xf32> attributes {weft.arena = 0 : i64} {
  %0 = weft.launch @k(%x) sizes [5, 7] {offsets = array<i64: -1>, parameters = [4]} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  return %0 : tensor<5x7xf32>
}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.slice %x starts [?0, 0] steps [-1, 1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.broadcast %1 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.subtract %x, %2 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %3 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}
