// The templates for a GPU, each by what it is made of.
// RUN: weft-opt %s --split-input-file --weft-schedule=target=cuda:sm_80 --weft-emit-loops=target=cuda:sm_80 | FileCheck %s

// A row is read once: what was computed from it for one reduction serves the next and the results.
// CHECK-LABEL: func.func @softmax_0(
// CHECK-SAME: weft.shared_bytes = 128 : i64, weft.threads = 256 : i64
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// CHECK-NOT: -> vector<4xf32>
// CHECK-COUNT-5: nvvm.shfl.sync down
// CHECK: nvvm.shfl.sync idx
// CHECK: nvvm.barrier0
// CHECK: math.exp
// CHECK-COUNT-5: nvvm.shfl.sync down
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr
func.func @f(%x: tensor<8x4096xf32>) -> tensor<8x4096xf32> {
  %0 = weft.launch @softmax(%x) sizes [8, 4096] : (tensor<8x4096xf32>) -> tensor<8x4096xf32>
  return %0 : tensor<8x4096xf32>
}
weft.kernel @softmax(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
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

// Chunks of a column, then the chunks in order; no atomics.
// CHECK-LABEL: func.func @columns_0(
// CHECK-NOT: atomic
// CHECK-LABEL: func.func @columns_1(
// CHECK-LABEL: func.func @columns_setup(
// CHECK-SAME: weft.stages = 2 : i64, weft.temporaries = 1 : i64
weft.kernel @columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>> {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// -----

// A copy, then the updates in the order of the indices; no atomics.
// CHECK-LABEL: func.func @scatter_0(
// CHECK-LABEL: func.func @scatter_1(
// CHECK-NOT: atomic
// CHECK: arith.addf
// CHECK-LABEL: func.func @scatter_setup(
weft.kernel @scatter(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %i: tensor<?xi32, #weft.sizes<[2]>>, %u: tensor<?x?xf32, #weft.sizes<[2, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>> {
  %0 = weft.scatter_add %x, %i, %u axis 0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?xi32, #weft.sizes<[2]>>, tensor<?x?xf32, #weft.sizes<[2, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// -----

// Tiles of 32 by 33 elements.
// CHECK-LABEL: func.func @transposed_0(
// CHECK: arith.constant 33 : index
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: nvvm.barrier0
weft.kernel @transposed(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[1, 0]>> {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?xf32, #weft.sizes<[1, 0]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[1, 0]>>
}

// -----

// One chain of fused multiply-adds for each element.
// CHECK-LABEL: func.func @product_0(
// CHECK-SAME: weft.threads = 256 : i64
// CHECK: scf.for
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
// CHECK: math.fma
// CHECK: nvvm.barrier0
weft.kernel @product(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// Tensor cores: copies three steps ahead, matrices from shared memory, what follows on the sums.
// CHECK-LABEL: func.func @half_product_0(
// CHECK-SAME: weft.shared_bytes = 32768 : i64, weft.threads = 128 : i64
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 2
// CHECK: nvvm.ldmatrix
// CHECK: nvvm.mma.sync {{.*}}bf16
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: math.tanh
weft.kernel @half_product(%x: tensor<?x?xbf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xbf16, #weft.sizes<[1, 2]>>) -> tensor<?x?xbf16, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xbf16, #weft.sizes<[0, 1]>>, tensor<?x?xbf16, #weft.sizes<[1, 2]>> -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
  %1 = weft.tanh %0 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
  weft.yield %1 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
}
