// RUN: weft-opt %s --weft-fuse --split-input-file | FileCheck %s

// What is cheap is computed again at each place where it is read.
// CHECK-LABEL: func.func @cheap(
// CHECK-NEXT: %[[R:.*]] = weft.launch @{{.*}}(%{{.*}}) {{.*}} : (tensor<8xf32>) -> tensor<5xf32>
// CHECK-NEXT: return %[[R]]
func.func @cheap(%x: tensor<8xf32>) -> tensor<5xf32> {
  %0 = weft.add %x, %x : tensor<8xf32>
  %1 = weft.slice %0 starts [0] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %2 = weft.slice %0 starts [1] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %3 = weft.slice %0 starts [2] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %4 = weft.slice %0 starts [3] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %5 = weft.add %1, %2 : tensor<5xf32>
  %6 = weft.add %3, %4 : tensor<5xf32>
  %7 = weft.add %5, %6 : tensor<5xf32>
  return %7 : tensor<5xf32>
}

// -----

// What costs more than memory does goes through memory.
// CHECK-LABEL: func.func @costly(
// CHECK-NEXT: %[[E:.*]] = weft.launch @{{.*}}(%{{.*}}) {{.*}} : (tensor<8xf32>) -> tensor<8xf32>
// CHECK-NEXT: %[[R:.*]] = weft.launch @{{.*}}(%[[E]]) {{.*}} : (tensor<8xf32>) -> tensor<5xf32>
// CHECK-NEXT: return %[[R]]
func.func @costly(%x: tensor<8xf32>) -> tensor<5xf32> {
  %0 = weft.pow %x, %x : tensor<8xf32>
  %1 = weft.slice %0 starts [0] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %2 = weft.slice %0 starts [1] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %3 = weft.slice %0 starts [2] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %4 = weft.slice %0 starts [3] steps [1] : tensor<8xf32> -> tensor<5xf32>
  %5 = weft.add %1, %2 : tensor<5xf32>
  %6 = weft.add %3, %4 : tensor<5xf32>
  %7 = weft.add %5, %6 : tensor<5xf32>
  return %7 : tensor<5xf32>
}

// -----

// Places multiply from step to step: the third one reads the first at 27 places.
// CHECK-LABEL: func.func @shifted_sums(
// CHECK-COUNT-2: weft.launch
// CHECK-NEXT: return
func.func @shifted_sums(%x: tensor<9xf32>) -> tensor<3xf32> {
  %a = weft.slice %x starts [0] steps [1] : tensor<9xf32> -> tensor<7xf32>
  %b = weft.slice %x starts [1] steps [1] : tensor<9xf32> -> tensor<7xf32>
  %c = weft.slice %x starts [2] steps [1] : tensor<9xf32> -> tensor<7xf32>
  %ab = weft.add %a, %b : tensor<7xf32>
  %abc = weft.add %ab, %c : tensor<7xf32>
  %d = weft.slice %abc starts [0] steps [1] : tensor<7xf32> -> tensor<5xf32>
  %e = weft.slice %abc starts [1] steps [1] : tensor<7xf32> -> tensor<5xf32>
  %f = weft.slice %abc starts [2] steps [1] : tensor<7xf32> -> tensor<5xf32>
  %de = weft.add %d, %e : tensor<5xf32>
  %def = weft.add %de, %f : tensor<5xf32>
  %g = weft.slice %def starts [0] steps [1] : tensor<5xf32> -> tensor<3xf32>
  %h = weft.slice %def starts [1] steps [1] : tensor<5xf32> -> tensor<3xf32>
  %i = weft.slice %def starts [2] steps [1] : tensor<5xf32> -> tensor<3xf32>
  %gh = weft.add %g, %h : tensor<3xf32>
  %ghi = weft.add %gh, %i : tensor<3xf32>
  return %ghi : tensor<3xf32>
}

// -----

// A concatenation of few is computed where it is read, one of many is copied piece by piece.
// CHECK-LABEL: func.func @few_pieces(
// CHECK-NEXT: %[[R:.*]] = weft.launch
// CHECK-NEXT: return %[[R]]
func.func @few_pieces(%x: tensor<1xf32>) -> tensor<2xf32> {
  %0 = weft.concatenate %x, %x axis 0 : tensor<1xf32>, tensor<1xf32> -> tensor<2xf32>
  %1 = weft.exp %0 : tensor<2xf32>
  return %1 : tensor<2xf32>
}
// CHECK-LABEL: func.func @many_pieces(
// CHECK-NEXT: %[[C:.*]] = weft.launch
// CHECK-NEXT: %[[R:.*]] = weft.launch @{{.*}}(%[[C]])
// CHECK-NEXT: return %[[R]]
func.func @many_pieces(%x: tensor<1xf32>) -> tensor<16xf32> {
  %0 = weft.concatenate %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x axis 0 : tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32> -> tensor<16xf32>
  %1 = weft.exp %0 : tensor<16xf32>
  return %1 : tensor<16xf32>
}

// -----

// A pass over a row finds it in a cache: what is computed again in each is no reason to end.
// CHECK-LABEL: func.func @passes(
// CHECK-NEXT: %[[R:.*]] = weft.launch
// CHECK-NEXT: return %[[R]]
func.func @passes(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = weft.exp %x : tensor<4x8xf32>
  %1 = weft.max %0 [1] : tensor<4x8xf32> -> tensor<4xf32>
  %2 = weft.broadcast %1 [0] : tensor<4xf32> -> tensor<4x8xf32>
  %3 = weft.subtract %0, %2 : tensor<4x8xf32>
  %4 = weft.exp %3 : tensor<4x8xf32>
  %5 = weft.sum %4 [1] : tensor<4x8xf32> -> tensor<4xf32>
  %6 = weft.broadcast %5 [0] : tensor<4xf32> -> tensor<4x8xf32>
  %7 = weft.divide %4, %6 : tensor<4x8xf32>
  %8 = weft.sum %7 [1] : tensor<4x8xf32> -> tensor<4xf32>
  %9 = weft.broadcast %8 [0] : tensor<4xf32> -> tensor<4x8xf32>
  %10 = weft.divide %7, %9 : tensor<4x8xf32>
  return %10 : tensor<4x8xf32>
}
