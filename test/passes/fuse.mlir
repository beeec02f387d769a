// RUN: weft-opt %s --weft-fuse | FileCheck %s
// RUN: weft-opt %s --weft-fuse=stores-in-frames=false | FileCheck %s --check-prefix=APART

// The documented example.
// CHECK-LABEL: func.func @example(
// CHECK-NEXT: %[[R:.*]] = weft.launch @[[EXAMPLE:[a-z0-9_]+]](%{{.*}}, %{{.*}}) sizes [4, 8] :
// CHECK-NEXT: return %[[R]]
func.func @example(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = weft.add %x, %y : tensor<4x8xf32>
  %1 = weft.exp %0 : tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// A value that leaves as well is one more result of the kernel that computes it.
// CHECK-LABEL: func.func @several_outputs(
// CHECK-NEXT: %[[R:.*]]:2 = weft.launch @[[SEVERAL:[a-z0-9_]+]](
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1
func.func @several_outputs(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = weft.exp %x : tensor<4x8xf32>
  %1 = weft.negative %0 : tensor<4x8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}

// A producer shared by kernels that can't be one is computed once, in the first of them.
// CHECK-LABEL: func.func @shared_producer(
// CHECK-NEXT: %[[ROWS:.*]]:2 = weft.launch @{{.*}}(%{{.*}}) {{.*}} -> (tensor<4x8xf32>, tensor<4xf32>)
// CHECK-NEXT: %[[COLUMNS:.*]] = weft.launch @{{.*}}(%[[ROWS]]#0) {{.*}} -> tensor<8xf32>
// CHECK-NEXT: return %[[ROWS]]#1, %[[COLUMNS]]
func.func @shared_producer(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<8xf32>) {
  %0 = weft.exp %x : tensor<4x8xf32>
  %1 = weft.sum %0 [1] : tensor<4x8xf32> -> tensor<4xf32>
  %2 = weft.sum %0 [0] : tensor<4x8xf32> -> tensor<8xf32>
  return %1, %2 : tensor<4xf32>, tensor<8xf32>
}

// An update takes what its updates are computed from; what reads x before it runs before it, though
// its own reader comes behind, so that the update can write over x.
// CHECK-LABEL: func.func @update(
// CHECK-SAME: %[[X:.*]]: tensor<64xf32>, %[[V:.*]]: tensor<8xf32>
// CHECK-NEXT: %[[PART:.*]] = weft.slice %[[X]] starts [0] steps [1] : tensor<64xf32> -> tensor<8xf32>
// CHECK-NEXT: %[[OLD:.*]] = weft.launch @{{.*}}(%[[PART]]) {{.*}} -> tensor<8xf32>
// CHECK-NEXT: %[[NEW:.*]] = weft.launch @{{.*}}(%[[V]], %[[X]]) {{.*}} -> tensor<64xf32>
// CHECK-NEXT: %[[R:.*]] = weft.launch @{{.*}}(%[[NEW]], %[[OLD]]) {{.*}} -> tensor<8xf32>
// CHECK-NEXT: return %[[NEW]], %[[R]]
func.func @update(%x: tensor<64xf32>, %v: tensor<8xf32>) -> (tensor<64xf32>, tensor<8xf32>) {
  %0 = weft.slice %x starts [0] steps [1] : tensor<64xf32> -> tensor<8xf32>
  %1 = weft.exp %0 : tensor<8xf32>
  %2 = weft.exp %v : tensor<8xf32>
  %3 = weft.update %x, %2 starts [4] steps [1] : tensor<64xf32>, tensor<8xf32> -> tensor<64xf32>
  %4 = weft.slice %3 starts [8] steps [1] : tensor<64xf32> -> tensor<8xf32>
  %5 = weft.add %4, %1 : tensor<8xf32>
  return %3, %5 : tensor<64xf32>, tensor<8xf32>
}

// A frame along the columns that are turned would hide rows of x that lie side by side; one around
// the rows (below) does not.
// CHECK-LABEL: func.func @turned_pad(
// CHECK-NEXT: %[[P:.*]] = weft.launch @{{.*}}(%{{.*}}, %{{.*}}) {{.*}} -> tensor<9x34xf32>
// CHECK-NEXT: %[[Y:.*]] = weft.launch @{{.*}}(%[[P]]) {{.*}} -> tensor<34x9xf32>
// CHECK-NEXT: return %[[Y]]
func.func @turned_pad(%x: tensor<8x32xf32>, %v: tensor<f32>) -> tensor<34x9xf32> {
  %0 = weft.pad %x, %v low [1, 1] interior [0, 0] : tensor<8x32xf32>, tensor<f32> -> tensor<9x34xf32>
  %1 = weft.transpose %0 [1, 0] : tensor<9x34xf32> -> tensor<34x9xf32>
  %2 = weft.exp %1 : tensor<34x9xf32>
  return %2 : tensor<34x9xf32>
}

// CHECK-LABEL: func.func @turned_frame(
// CHECK-NEXT: %[[Y:.*]] = weft.launch @{{.*}}(%{{.*}}, %{{.*}}) {{.*}} -> tensor<4x34x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @turned_frame(%x: tensor<8x2x32xf32>, %v: tensor<f32>) -> tensor<4x34x8xf32> {
  %0 = weft.pad %x, %v low [0, 1, 1] interior [0, 0, 0] : tensor<8x2x32xf32>, tensor<f32> -> tensor<8x4x34xf32>
  %1 = weft.transpose %0 [1, 2, 0] : tensor<8x4x34xf32> -> tensor<4x34x8xf32>
  return %1 : tensor<4x34x8xf32>
}

// Updates that read x elsewhere are computed before.
// CHECK-LABEL: func.func @update_from_itself(
// CHECK-NEXT: %[[PART:.*]] = weft.slice
// CHECK-NEXT: %[[V:.*]] = weft.launch @{{.*}}(%[[PART]]) {{.*}} -> tensor<8xf32>
// CHECK-NEXT: %[[R:.*]] = weft.launch @{{.*}}(%{{.*}}, %[[V]]) {{.*}} -> tensor<64xf32>
// CHECK-NEXT: return %[[R]]
func.func @update_from_itself(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = weft.slice %x starts [8] steps [1] : tensor<64xf32> -> tensor<8xf32>
  %1 = weft.exp %0 : tensor<8xf32>
  %2 = weft.update %x, %1 starts [4] steps [1] : tensor<64xf32>, tensor<8xf32> -> tensor<64xf32>
  return %2 : tensor<64xf32>
}

// A part of an argument that is a run of memory is read where it is, and a part of it.
// CHECK-LABEL: func.func @parts(
// CHECK-SAME: %[[X:.*]]: tensor<3x4x16xf32>
// CHECK-NEXT: %[[LAYER:.*]] = weft.slice %[[X]] starts [1, 0, 0]
// CHECK-NEXT: %[[ROWS:.*]] = weft.slice %[[LAYER]] starts [0, 2, 0]
// CHECK-NEXT: %[[FLAT:.*]] = weft.reshape %[[ROWS]]
// CHECK-NEXT: %[[Y:.*]] = weft.launch @{{.*}}(%[[FLAT]])
// CHECK-NEXT: return %[[Y]]
func.func @parts(%x: tensor<3x4x16xf32>) -> tensor<32xf32> {
  %0 = weft.slice %x starts [1, 0, 0] steps [1, 1, 1] : tensor<3x4x16xf32> -> tensor<1x4x16xf32>
  %1 = weft.slice %0 starts [0, 2, 0] steps [1, 1, 1] : tensor<1x4x16xf32> -> tensor<1x2x16xf32>
  %2 = weft.reshape %1 : tensor<1x2x16xf32> -> tensor<32xf32>
  %3 = weft.exp %2 : tensor<32xf32>
  return %3 : tensor<32xf32>
}

// What is returned has memory of its own, columns are no run, and what a kernel computes need not be
// in memory at all.
// CHECK-LABEL: func.func @copies(
// CHECK-NOT: weft.slice
// CHECK: return
func.func @copies(%x: tensor<32x16xf32>)
    -> (tensor<8x16xf32>, tensor<32x8xf32>, tensor<8x16xf32>) {
  %0 = weft.slice %x starts [8, 0] steps [1, 1] : tensor<32x16xf32> -> tensor<8x16xf32>
  %1 = weft.slice %x starts [0, 8] steps [1, 1] : tensor<32x16xf32> -> tensor<32x8xf32>
  %2 = weft.exp %1 : tensor<32x8xf32>
  %3 = weft.exp %x : tensor<32x16xf32>
  %4 = weft.slice %3 starts [8, 0] steps [1, 1] : tensor<32x16xf32> -> tensor<8x16xf32>
  return %0, %2, %4 : tensor<8x16xf32>, tensor<32x8xf32>, tensor<8x16xf32>
}

// The add may not take the exp with it: the matmul between them would have to run before itself.
// CHECK-LABEL: func.func @no_cycle(
// CHECK-NEXT: %[[E:.*]] = weft.launch @{{.*}}(%{{.*}}) sizes [4, 8] : (tensor<4x8xf32>) -> tensor<4x8xf32>
// CHECK-NEXT: %[[R:.*]] = weft.launch @[[NO_CYCLE:[a-z0-9_]+]](%[[E]], %{{.*}}) sizes [4, 8] :
// CHECK-NEXT: return %[[R]]
func.func @no_cycle(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %0 = weft.exp %x : tensor<4x8xf32>
  %1 = weft.matmul %0, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %2 = weft.add %0, %1 : tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// Broadcasts and constants are computed again in each kernel that reads them, and are no result.
// CHECK-LABEL: func.func @rematerialised(
// CHECK-SAME: %{{.*}}: tensor<4x8xf32>, %[[B:.*]]: tensor<8xf32>
// CHECK-NEXT: weft.launch @[[REMAT:[a-z0-9_]+]](%[[B]], %{{.*}}) {{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: weft.launch @{{.*}} -> tensor<8xf32>
// CHECK-NEXT: weft.launch @[[REMAT_SECOND:[a-z0-9_]+]](%{{.*}}, %[[B]]) {{.*}} -> tensor<4x8xf32>
func.func @rematerialised(%x: tensor<4x8xf32>, %b: tensor<8xf32>)
    -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = weft.broadcast %b [1] : tensor<8xf32> -> tensor<4x8xf32>
  %1 = weft.add %x, %0 : tensor<4x8xf32>
  %2 = weft.max %1 [0] : tensor<4x8xf32> -> tensor<8xf32>
  %3 = weft.broadcast %2 [1] : tensor<8xf32> -> tensor<4x8xf32>
  %4 = weft.multiply %3, %0 : tensor<4x8xf32>
  return %1, %4 : tensor<4x8xf32>, tensor<4x8xf32>
}

// Softmax, reductions and all, is one kernel.
// CHECK-LABEL: func.func @softmax(
// CHECK-NEXT: %[[R:.*]] = weft.launch @[[SOFTMAX:[a-z0-9_]+]](%{{.*}}) sizes [4, 8]
// CHECK-NEXT: return %[[R]]
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = weft.max %x [1] : tensor<4x8xf32> -> tensor<4xf32>
  %1 = weft.broadcast %0 [0] : tensor<4xf32> -> tensor<4x8xf32>
  %2 = weft.subtract %x, %1 : tensor<4x8xf32>
  %3 = weft.exp %2 : tensor<4x8xf32>
  %4 = weft.sum %3 [1] : tensor<4x8xf32> -> tensor<4xf32>
  %5 = weft.broadcast %4 [0] : tensor<4xf32> -> tensor<4x8xf32>
  %6 = weft.divide %3, %5 : tensor<4x8xf32>
  return %6 : tensor<4x8xf32>
}

// A reduction of columns takes what is elementwise before and after it.
// CHECK-LABEL: func.func @columns(
// CHECK-NEXT: weft.launch @[[COLUMNS_KERNEL:[a-z0-9_]+]](%{{.*}}, %{{.*}}) sizes [4, 8] : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<8xf32>
// CHECK-NEXT: return
func.func @columns(%x: tensor<4x8xf32>, %y: tensor<8xf32>) -> tensor<8xf32> {
  %0 = weft.multiply %x, %x : tensor<4x8xf32>
  %1 = weft.sum %0 [0] : tensor<4x8xf32> -> tensor<8xf32>
  %2 = weft.divide %1, %y : tensor<8xf32>
  return %2 : tensor<8xf32>
}

// A contraction takes what is elementwise after it, not what comes before.
// CHECK-LABEL: func.func @contraction(
// CHECK-NEXT: %[[E:.*]] = weft.launch @{{.*}}(%{{.*}}) {{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: weft.launch @[[CONTRACTION:[a-z0-9_]+]](%[[E]], %{{.*}}, %{{.*}}) sizes [4, 8, 3]
// CHECK-NEXT: return
func.func @contraction(%a: tensor<4x8xf32>, %b: tensor<8x3xf32>, %c: tensor<3xf32>)
    -> tensor<4x3xf32> {
  %0 = weft.exp %a : tensor<4x8xf32>
  %1 = weft.matmul %0, %b : tensor<4x8xf32>, tensor<8x3xf32> -> tensor<4x3xf32>
  %2 = weft.broadcast %c [1] : tensor<3xf32> -> tensor<4x3xf32>
  %3 = weft.add %1, %2 : tensor<4x3xf32>
  return %3 : tensor<4x3xf32>
}

// An element that is read at other places than it is computed needs memory between: a kernel ends.
// CHECK-LABEL: func.func @transposed_reader(
// CHECK: %[[M:.*]] = weft.launch @{{.*}}(%{{.*}}, %{{.*}})
// CHECK: weft.launch @{{.*}}(%[[M]])
// CHECK-NEXT: return
func.func @transposed_reader(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>) -> tensor<4x4xf32> {
  %0 = weft.matmul %a, %b : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
  %1 = weft.transpose %0 [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
  %2 = weft.add %0, %1 : tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// Rank 0, size 0 and size 1 are sizes like others.
// CHECK-LABEL: func.func @scalar(
// CHECK-NEXT: weft.launch @[[SCALAR:[a-z0-9_]+]](%{{.*}}, %{{.*}}) sizes []
func.func @scalar(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  %0 = weft.add %x, %y : tensor<f32>
  %1 = weft.exp %0 : tensor<f32>
  return %1 : tensor<f32>
}
// CHECK-LABEL: func.func @empty(
// CHECK-NEXT: weft.launch @{{.*}}(%{{.*}}) sizes [0, 3]
func.func @empty(%x: tensor<0x3xf32>) -> tensor<0xf32> {
  %0 = weft.exp %x : tensor<0x3xf32>
  %1 = weft.sum %0 [1] : tensor<0x3xf32> -> tensor<0xf32>
  return %1 : tensor<0xf32>
}
// CHECK-LABEL: func.func @one(
// CHECK-NEXT: weft.launch @{{.*}}(%{{.*}}) sizes [1, 1]
func.func @one(%x: tensor<1x1xf32>) -> tensor<1xf32> {
  %0 = weft.exp %x : tensor<1x1xf32>
  %1 = weft.sum %0 [0] : tensor<1x1xf32> -> tensor<1xf32>
  return %1 : tensor<1xf32>
}

// What nobody reads is gone; a constant of different elements is data of the plan.
// CHECK-LABEL: func.func @no_kernel(
// CHECK-NEXT: %[[C:.*]] = weft.constant dense<[1.000000e+00, 2.000000e+00]>
// CHECK-NEXT: return %{{.*}}, %[[C]]
func.func @no_kernel(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<2xf32>) {
  %0 = weft.exp %x : tensor<4xf32>
  %1 = weft.constant dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
  return %x, %1 : tensor<4xf32>, tensor<2xf32>
}

// A reshape is no computation: it stays between the launches.
// CHECK-LABEL: func.func @reshape(
// CHECK-NEXT: %[[E:.*]] = weft.launch
// CHECK-NEXT: %[[V:.*]] = weft.reshape %[[E]]
// CHECK-NEXT: weft.launch @{{.*}}(%[[V]])
func.func @reshape(%x: tensor<6xf32>) -> tensor<2xf32> {
  %0 = weft.exp %x : tensor<6xf32>
  %1 = weft.reshape %0 : tensor<6xf32> -> tensor<2x3xf32>
  %2 = weft.sum %1 [1] : tensor<2x3xf32> -> tensor<2xf32>
  return %2 : tensor<2xf32>
}

// A product is stored in the frame that comes behind it, where the target can: the bias is added
// and the border of the next layer filled by its kernel.
// CHECK-LABEL: func.func @framed(
// CHECK-NEXT: %[[Y:.*]] = weft.launch @{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}) {{.*}} -> tensor<2x7x8xf32>
// CHECK-NEXT: return %[[Y]]
// APART-LABEL: func.func @framed(
// APART-NEXT: %[[P:.*]] = weft.launch {{.*}} -> tensor<2x5x8xf32>
// APART-NEXT: %[[Y:.*]] = weft.launch @{{.*}}(%{{.*}}, %[[P]]) {{.*}} -> tensor<2x7x8xf32>
// APART-NEXT: return %[[Y]]
func.func @framed(%x: tensor<2x5x4xf32>, %w: tensor<2x4x8xf32>, %b: tensor<8xf32>) -> tensor<2x7x8xf32> {
  %0 = weft.matmul %x, %w : tensor<2x5x4xf32>, tensor<2x4x8xf32> -> tensor<2x5x8xf32>
  %1 = weft.broadcast %b [2] : tensor<8xf32> -> tensor<2x5x8xf32>
  %2 = weft.add %0, %1 : tensor<2x5x8xf32>
  %3 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %4 = weft.pad %2, %3 low [0, 1, 0] interior [0, 0, 0] : tensor<2x5x8xf32>, tensor<f32> -> tensor<2x7x8xf32>
  return %4 : tensor<2x7x8xf32>
}

// The same where the rows of the product are pixels: they are stored line by line.
// CHECK-LABEL: func.func @regrouped(
// CHECK-NEXT: %[[Y:.*]] = weft.launch @[[REGROUPED:.*]](%{{.*}}, %{{.*}}, %{{.*}}) {{.*}} -> tensor<1x8x10x8xf32>
// CHECK-NEXT: return %[[Y]]
// APART-LABEL: func.func @regrouped(
// APART: weft.reshape
func.func @regrouped(%x: tensor<48x5xf32>, %w: tensor<5x8xf32>, %b: tensor<8xf32>) -> tensor<1x8x10x8xf32> {
  %0 = weft.matmul %x, %w : tensor<48x5xf32>, tensor<5x8xf32> -> tensor<48x8xf32>
  %1 = weft.broadcast %b [1] : tensor<8xf32> -> tensor<48x8xf32>
  %2 = weft.add %0, %1 : tensor<48x8xf32>
  %3 = weft.reshape %2 : tensor<48x8xf32> -> tensor<1x6x8x8xf32>
  %4 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %5 = weft.pad %3, %4 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x6x8x8xf32>, tensor<f32> -> tensor<1x8x10x8xf32>
  return %5 : tensor<1x8x10x8xf32>
}

// An image that is enlarged is read where it is by what puts it beside another.
// CHECK-LABEL: func.func @enlarged(
// CHECK-NEXT: %[[Y:.*]] = weft.launch @[[ENLARGED:.*]](%{{.*}}, %{{.*}}) {{.*}} -> tensor<6x10x11xf32>
// CHECK-NEXT: return %[[Y]]
func.func @enlarged(%x: tensor<2x4x8xf32>, %y: tensor<4x8x3xf32>, %v: tensor<f32>) -> tensor<6x10x11xf32> {
  %0 = weft.broadcast %x [0, 2, 4] : tensor<2x4x8xf32> -> tensor<2x2x4x2x8xf32>
  %1 = weft.reshape %0 : tensor<2x2x4x2x8xf32> -> tensor<4x8x8xf32>
  %2 = weft.concatenate %y, %1 axis 2 : tensor<4x8x3xf32>, tensor<4x8x8xf32> -> tensor<4x8x11xf32>
  %3 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %4 = weft.pad %2, %3 low [1, 1, 0] interior [0, 0, 0] : tensor<4x8x11xf32>, tensor<f32> -> tensor<6x10x11xf32>
  return %4 : tensor<6x10x11xf32>
}

// Reshapes stay views where rows do not stay rows, where what is reshaped is read elsewhere too, where
// nothing computes it, where its frame is along rows, and where it is joined as it is.
// CHECK-LABEL: func.func @views(
// CHECK-COUNT-5: weft.reshape
// CHECK: return
func.func @views(%x: tensor<12x4xf32>, %v: tensor<f32>)
    -> (tensor<1x5x6x8xf32>, tensor<5x4x4xf32>, tensor<3x4x4xf32>, tensor<3x4x5xf32>, tensor<3x4x8xf32>) {
  %0 = weft.exp %x : tensor<12x4xf32>
  %1 = weft.reshape %0 : tensor<12x4xf32> -> tensor<1x3x2x8xf32>
  %2 = weft.pad %1, %v low [0, 1, 2, 0] interior [0, 0, 0, 0] : tensor<1x3x2x8xf32>, tensor<f32> -> tensor<1x5x6x8xf32>
  %3 = weft.cos %x : tensor<12x4xf32>
  %4 = weft.reshape %3 : tensor<12x4xf32> -> tensor<3x4x4xf32>
  %5 = weft.pad %4, %v low [1, 0, 0] interior [0, 0, 0] : tensor<3x4x4xf32>, tensor<f32> -> tensor<5x4x4xf32>
  %6 = weft.sin %x : tensor<12x4xf32>
  %7 = weft.reshape %6 : tensor<12x4xf32> -> tensor<3x4x4xf32>
  %8 = weft.pad %7, %v low [0, 0, 1] interior [0, 0, 0] : tensor<3x4x4xf32>, tensor<f32> -> tensor<3x4x5xf32>
  %9 = weft.tanh %x : tensor<12x4xf32>
  %10 = weft.reshape %9 : tensor<12x4xf32> -> tensor<3x4x4xf32>
  %11 = weft.reshape %x : tensor<12x4xf32> -> tensor<3x4x4xf32>
  %12 = weft.concatenate %10, %11 axis 2 : tensor<3x4x4xf32>, tensor<3x4x4xf32> -> tensor<3x4x8xf32>
  return %2, %5, %4, %8, %12 : tensor<1x5x6x8xf32>, tensor<5x4x4xf32>, tensor<3x4x4xf32>, tensor<3x4x5xf32>, tensor<3x4x8xf32>
}

// Not in a frame that makes its rows longer, not in one that is larger than the product (whose tasks
// would have most of their time for the frame), and not where others read it.
// CHECK-LABEL: func.func @not_framed(
// CHECK-NEXT: %[[A:.*]] = weft.launch {{.*}} -> tensor<5x8xf32>
// CHECK-NEXT: weft.launch @{{.*}}(%[[A]]) {{.*}} -> tensor<5x10xf32>
// CHECK-NEXT: %[[B:.*]] = weft.launch {{.*}} -> tensor<5x8xf32>
// CHECK-NEXT: weft.launch @{{.*}}(%[[B]]) {{.*}} -> tensor<55x8xf32>
// CHECK-NEXT: %[[C:.*]] = weft.launch {{.*}} -> tensor<5x8xf32>
// CHECK-NEXT: weft.launch @{{.*}}(%[[C]]) {{.*}} -> tensor<6x8xf32>
func.func @not_framed(%x: tensor<5x4xf32>, %w: tensor<4x8xf32>, %v: tensor<4x8xf32>, %u: tensor<4x8xf32>)
    -> (tensor<5x10xf32>, tensor<55x8xf32>, tensor<6x8xf32>, tensor<5x8xf32>) {
  %zero = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
  %0 = weft.matmul %x, %w : tensor<5x4xf32>, tensor<4x8xf32> -> tensor<5x8xf32>
  %1 = weft.pad %0, %zero low [0, 1] interior [0, 0] : tensor<5x8xf32>, tensor<f32> -> tensor<5x10xf32>
  %2 = weft.matmul %x, %v : tensor<5x4xf32>, tensor<4x8xf32> -> tensor<5x8xf32>
  %3 = weft.pad %2, %zero low [25, 0] interior [0, 0] : tensor<5x8xf32>, tensor<f32> -> tensor<55x8xf32>
  %4 = weft.matmul %x, %u : tensor<5x4xf32>, tensor<4x8xf32> -> tensor<5x8xf32>
  %5 = weft.pad %4, %zero low [1, 0] interior [0, 0] : tensor<5x8xf32>, tensor<f32> -> tensor<6x8xf32>
  return %1, %3, %5, %4 : tensor<5x10xf32>, tensor<55x8xf32>, tensor<6x8xf32>, tensor<5x8xf32>
}

// Sizes are numbered in the order in which the arguments show them.
// CHECK: weft.kernel @[[EXAMPLE]](%[[X:.*]]: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %[[Y:.*]]: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
// CHECK-NEXT: %[[SUM:.*]] = weft.add %[[X]], %[[Y]] : tensor<?x?xf32, #weft.sizes<[0, 1]>>
// CHECK-NEXT: %[[EXP:.*]] = weft.exp %[[SUM]]
// CHECK-NEXT: weft.yield %[[EXP]] : tensor<?x?xf32, #weft.sizes<[0, 1]>>

// CHECK: weft.kernel @[[SEVERAL]](
// CHECK: weft.yield %{{.*}}, %{{.*}} :

// Sizes that are equal by chance stay apart; those that ops walk together are one.
// CHECK: weft.kernel @[[NO_CYCLE]](%{{.*}}: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %{{.*}}: tensor<?x?xf32, #weft.sizes<[1, 1]>>)
// CHECK-NEXT: weft.matmul
// CHECK-NEXT: weft.add

// CHECK: weft.kernel @[[REMAT]](%[[BIAS:.*]]: tensor<?xf32, #weft.sizes<[0]>>,
// CHECK: weft.broadcast %[[BIAS]] [1]
// CHECK: weft.kernel @[[REMAT_SECOND]](%{{.*}}: tensor<{{.*}}>, %[[BIAS:.*]]: tensor<?xf32, #weft.sizes<[0]>>)
// CHECK: weft.broadcast %[[BIAS]] [1]

// CHECK: weft.kernel @[[SOFTMAX]](
// CHECK-NEXT: weft.max
// CHECK: weft.sum
// CHECK: weft.divide

// CHECK: weft.kernel @[[COLUMNS_KERNEL]](
// CHECK-NEXT: weft.multiply
// CHECK-NEXT: weft.sum %{{.*}} [0]
// CHECK-NEXT: weft.divide

// CHECK: weft.kernel @[[CONTRACTION]](%{{.*}}: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %{{.*}}: tensor<?x?xf32, #weft.sizes<[1, 2]>>, %{{.*}}: tensor<?xf32, #weft.sizes<[2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>>

// CHECK: weft.kernel @[[SCALAR]](%{{.*}}: tensor<f32, #weft.sizes<>>, %{{.*}}: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>>
