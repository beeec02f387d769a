// What weft-schedule chooses for a GPU. The order of a sum is the template's, whatever it chooses.
// RUN: weft-opt %s --split-input-file --weft-schedule=target=cuda:sm_80 | FileCheck %s

// 16 bytes of the widest tensor.
// CHECK-LABEL: @halves
// CHECK-SAME: #weft.elementwise<lanes = 8, grain = 2048>
weft.kernel @halves(%x: tensor<?xf16, #weft.sizes<[0]>>) -> tensor<?xf16, #weft.sizes<[0]>> {
  %0 = weft.negative %x : tensor<?xf16, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf16, #weft.sizes<[0]>>
}

// CHECK-LABEL: @mixed
// CHECK-SAME: #weft.elementwise<lanes = 2, grain = 512>
weft.kernel @mixed(%x: tensor<?xf16, #weft.sizes<[0]>>) -> tensor<?xf64, #weft.sizes<[0]>> {
  %0 = weft.cast %x : tensor<?xf16, #weft.sizes<[0]>> -> tensor<?xf64, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf64, #weft.sizes<[0]>>
}

// Rows that are broadcast are read along the results.
// CHECK-LABEL: @row_broadcast
// CHECK-SAME: lanes = 4
weft.kernel @row_broadcast(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?xf32, #weft.sizes<[1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.broadcast %y [1] : tensor<?xf32, #weft.sizes<[1]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.add %x, %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// A transposed operand goes through tiles in shared memory.
// CHECK-LABEL: @transposed
// CHECK-SAME: #weft.transposition<tile = 32>
weft.kernel @transposed(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[1, 0]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[1, 0]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[1, 0]>>
}

// Neighbours of a slice with steps are not neighbours in memory.
// CHECK-LABEL: @sliced
// CHECK-SAME: #weft.elementwise<lanes = 1, grain = 256>
weft.kernel @sliced(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[1]>> {
  %0 = weft.slice %x starts [1] steps [2] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// -----

// A row of 4096 elements takes four vectors of each of 256 threads, one of 40000 is read again.
func.func @short(%x: tensor<8x4096xf32>) -> tensor<8xf32> {
  %0 = weft.launch @fits(%x) sizes [8, 4096] : (tensor<8x4096xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
func.func @long(%x: tensor<8x40000xf32>) -> tensor<8xf32> {
  %0 = weft.launch @too_long(%x) sizes [8, 40000] : (tensor<8x40000xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
// CHECK-LABEL: weft.kernel @fits
// CHECK-SAME: #weft.rows<lanes = 4, kept = 4>
weft.kernel @fits(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
// CHECK-LABEL: weft.kernel @too_long
// CHECK-SAME: #weft.rows<lanes = 4>
weft.kernel @too_long(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Large tiles where there are enough of them.
func.func @large(%x: tensor<2048x512xf32>, %y: tensor<512x2048xf32>) -> tensor<2048x2048xf32> {
  %0 = weft.launch @many_tiles(%x, %y) sizes [2048, 512, 2048] : (tensor<2048x512xf32>, tensor<512x2048xf32>) -> tensor<2048x2048xf32>
  return %0 : tensor<2048x2048xf32>
}
// CHECK-LABEL: weft.kernel @many_tiles
// CHECK-SAME: #weft.block_contraction<rows = 128, columns = 128, depth = 16>
weft.kernel @many_tiles(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
// CHECK-LABEL: weft.kernel @few_tiles
// CHECK-SAME: #weft.block_contraction<rows = 64, columns = 64, depth = 32>
weft.kernel @few_tiles(%x: tensor<?x?xbf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xbf16, #weft.sizes<[1, 2]>>) -> tensor<?x?xbf16, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xbf16, #weft.sizes<[0, 1]>>, tensor<?x?xbf16, #weft.sizes<[1, 2]>> -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
}
