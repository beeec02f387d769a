// Elementwise kernels: 16 bytes of each buffer for each thread where memory is aligned, one element
// otherwise; buffers that are only read are known to be.
// RUN: weft-opt %s --weft-pipeline=cuda:sm_90a --until=plan | FileCheck %s --check-prefix=PLAN
// RUN: weft-opt %s --weft-pipeline=cuda:sm_90a --until=loops | FileCheck %s --check-prefix=LOOPS
// RUN: weft-opt %s --weft-pipeline=cuda:sm_90a | FileCheck %s --check-prefix=NVVM

// PLAN: weft.kernel @add_exp{{.*}} attributes {schedule = #weft.elementwise<lanes = 4, grain = 1024>}

// LOOPS-LABEL: func.func @add_exp{{[_0-9a-f]*}}_0(
// LOOPS-SAME: %{{.*}}: !llvm.ptr {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64)
// LOOPS-SAME: attributes {weft.shared_bytes = 0 : i64, weft.threads = 256 : i64}
// LOOPS: %[[BLOCK:.*]] = nvvm.read.ptx.sreg.ctaid.x
// LOOPS: %[[BLOCKS:.*]] = nvvm.read.ptx.sreg.nctaid.x
// LOOPS: scf.for
// LOOPS: scf.if
// LOOPS: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// LOOPS: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// LOOPS: math.exp %{{.*}} : vector<4xf32>
// LOOPS: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr
// LOOPS: scf.if
// LOOPS: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
// LOOPS: llvm.store %{{.*}} {alignment = 4 : i64} : f32, !llvm.ptr
// LOOPS: func.func @add_exp{{[_0-9a-f]*}}_setup(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr) attributes {weft.stages = 1 : i64, weft.temporaries = 0 : i64}

// NVVM-LABEL: llvm.func @add_exp{{[_0-9a-f]*}}_0(
// NVVM-SAME: nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 256>
// NVVM-NOT: llvm.call
// NVVM: llvm.func @add_exp{{[_0-9a-f]*}}_setup
// NVVM-NOT: nvvm.
func.func @main(%x: tensor<4x1024xf32>, %y: tensor<4x1024xf32>) -> tensor<4x1024xf32> {
  %0 = weft.add %x, %y : tensor<4x1024xf32>
  %1 = weft.exp %0 : tensor<4x1024xf32>
  return %1 : tensor<4x1024xf32>
}
