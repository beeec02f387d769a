// Contractions by warpgroups: what is scheduled so, and what the two stages are made of.
// RUN: weft-opt %s --weft-schedule=target=cuda:sm_90a | FileCheck %s --check-prefix=SCHEDULE
// RUN: weft-opt %s --weft-schedule=target=cuda:sm_90a --weft-emit-loops=target=cuda:sm_90a | FileCheck %s
// RUN: weft-opt %s --weft-schedule=target=cuda:sm_90a --weft-emit-loops=target=cuda:sm_90a --weft-expand-math --weft-lower-to-nvvm | FileCheck %s --check-prefix=NVVM
// RUN: weft-opt %s --weft-schedule=target=cuda:sm_80 | FileCheck %s --check-prefix=OTHER

func.func @main(%x: tensor<4096x512xbf16>, %y: tensor<512x4096xbf16>, %z: tensor<1024x512xf16>, %w: tensor<1024x512xf16>,
                %f: tensor<4096x512xf32>, %g: tensor<512x4096xf32>, %s: tensor<64x512xbf16>, %c: tensor<512x64xbf16>)
    -> (tensor<4096x4096xbf16>, tensor<1024x1024xf16>, tensor<4096x4096xf32>, tensor<64x64xbf16>) {
  %0 = weft.launch @large(%x, %y) sizes [4096, 512, 4096] : (tensor<4096x512xbf16>, tensor<512x4096xbf16>) -> tensor<4096x4096xbf16>
  %1 = weft.launch @transposed(%z, %w) sizes [1024, 512, 1024] : (tensor<1024x512xf16>, tensor<1024x512xf16>) -> tensor<1024x1024xf16>
  %2 = weft.launch @floats(%f, %g) sizes [4096, 512, 4096] : (tensor<4096x512xf32>, tensor<512x4096xf32>) -> tensor<4096x4096xf32>
  %3 = weft.launch @small(%s, %c) sizes [64, 512, 64] : (tensor<64x512xbf16>, tensor<512x64xbf16>) -> tensor<64x64xbf16>
  return %0, %1, %2, %3 : tensor<4096x4096xbf16>, tensor<1024x1024xf16>, tensor<4096x4096xf32>, tensor<64x64xbf16>
}

// SCHEDULE-LABEL: weft.kernel @large
// SCHEDULE-SAME: #weft.warpgroup_contraction<columns = 256>
// OTHER-LABEL: weft.kernel @large
// OTHER-SAME: rows = 128, columns = 128, depth = 32

// The left operand's neighbours are steps of the depth, the right one's are columns.
// CHECK-LABEL: func.func @large_0(
// CHECK-SAME: weft.shared_bytes = 231488 : i64
// CHECK-SAME: {box = array<i64: 64, 128>, buffer = 0 : i64, element = bf16, sizes = [array<i64: 1, 1>, array<i64: 1, 0>], strides = [array<i64: 2>, array<i64: 2, 1>], swizzle = 128 : i64}
// CHECK-SAME: {box = array<i64: 64, 64>, buffer = 1 : i64, element = bf16, sizes = [array<i64: 1, 2>, array<i64: 1, 1>], strides = [array<i64: 2>, array<i64: 2, 2>], swizzle = 128 : i64}
// CHECK-SAME: weft.threads = 384 : i64
// CHECK-COUNT-8: nvvm.mbarrier.init
// CHECK: nvvm.fence.mbarrier.init
// CHECK-NEXT: }
// CHECK-NEXT: nvvm.barrier0
// CHECK: nvvm.setmaxregister decrease 40
// CHECK: nvvm.mbarrier.try_wait
// CHECK: nvvm.mbarrier.arrive.expect_tx
// A tile of 256 columns is four squares.
// CHECK-COUNT-5: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK-NOT: nvvm.cp.async.bulk
// CHECK: nvvm.setmaxregister increase 232
// CHECK: nvvm.mbarrier.try_wait
// CHECK: nvvm.wgmma.fence.aligned
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {{.*}} p, 1, 1, 0, 1; }
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK-NEXT: wgmma.wait_group.sync.aligned 1;
// CHECK: nvvm.mbarrier.arrive
// CHECK: wgmma.wait_group.sync.aligned 0;
// CHECK: nvvm.mbarrier.arrive
// What tensor maps can't describe.
// CHECK-LABEL: func.func @large_1(
// CHECK-SAME: weft.threads = 256 : i64
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.mma.sync
// No tasks unless strides are multiples of eight elements.
// CHECK-LABEL: func.func @large_setup(
// CHECK-SAME: weft.stages = 2 : i64
// CHECK: arith.constant 8 : index
// CHECK: arith.remui
// CHECK: arith.select

// NVVM-LABEL: llvm.func @large_0(
// NVVM-SAME: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}, %{{.*}}: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}) attributes
weft.kernel @large(%x: tensor<?x?xbf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xbf16, #weft.sizes<[1, 2]>>) -> tensor<?x?xbf16, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xbf16, #weft.sizes<[0, 1]>>, tensor<?x?xbf16, #weft.sizes<[1, 2]>> -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
}

// Fewer tiles: smaller ones. Both operands lie along the depth.
// SCHEDULE-LABEL: weft.kernel @transposed
// SCHEDULE-SAME: #weft.warpgroup_contraction<columns = 128>
// CHECK-LABEL: func.func @transposed_0(
// CHECK-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK-NOT: nvvm.cp.async.bulk
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {{.*}} p, 1, 1, 0, 0; }
weft.kernel @transposed(%x: tensor<?x?xf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf16, #weft.sizes<[2, 1]>>) -> tensor<?x?xf16, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y {transpose_rhs = true} : tensor<?x?xf16, #weft.sizes<[0, 1]>>, tensor<?x?xf16, #weft.sizes<[2, 1]>> -> tensor<?x?xf16, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf16, #weft.sizes<[0, 2]>>
}

// Float32 is each thread's own arithmetic, and few tiles are for single warps.
// SCHEDULE-LABEL: weft.kernel @floats
// SCHEDULE-SAME: rows = 128, columns = 128, depth = 16
weft.kernel @floats(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}
// SCHEDULE-LABEL: weft.kernel @small
// SCHEDULE-SAME: rows = 64, columns = 64, depth = 32
weft.kernel @small(%x: tensor<?x?xbf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xbf16, #weft.sizes<[1, 2]>>) -> tensor<?x?xbf16, #weft.sizes<[0, 2]>> {
  %0 = weft.matmul %x, %y : tensor<?x?xbf16, #weft.sizes<[0, 1]>>, tensor<?x?xbf16, #weft.sizes<[1, 2]>> -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
}
