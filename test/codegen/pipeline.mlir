// The named pipeline, cut into phases that can be read.
// RUN: weft-opt %s --weft-pipeline=cpu --until=differentiate | FileCheck %s --check-prefix=DIFFERENTIATE
// RUN: weft-opt %s --weft-pipeline=cpu --until=simplify | FileCheck %s --check-prefix=SIMPLIFY
// RUN: weft-opt %s --weft-pipeline=cpu --until=fuse | FileCheck %s --check-prefix=FUSE
// RUN: weft-opt %s --weft-pipeline=x86-64-v4 --until=schedule | FileCheck %s --check-prefix=SCHEDULE
// RUN: weft-opt %s --weft-pipeline=cpu --until=plan | FileCheck %s --check-prefix=PLAN
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s --check-prefix=LOOPS
// RUN: weft-opt %s --weft-pipeline=cpu --until=llvm | FileCheck %s --check-prefix=LLVM
// RUN: weft-opt %s --weft-pipeline=cpu | FileCheck %s --check-prefix=LLVM

// Phase by phase gives what the whole gives.
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 --until=fuse \
// RUN:   | weft-opt --weft-pipeline=x86-64-v3 --from=schedule --until=schedule \
// RUN:   | weft-opt --weft-pipeline=x86-64-v3 --from=plan --until=plan > %t.plan
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 --until=plan | diff %t.plan -
// RUN: weft-opt %t.plan --weft-pipeline=x86-64-v3 --from=loops --until=loops \
// RUN:   | weft-opt --weft-pipeline=x86-64-v3 --from=llvm > %t.llvm
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 | diff %t.llvm -

// Every level of x86-64 compiles.
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 | FileCheck %s --check-prefix=LLVM
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 | FileCheck %s --check-prefix=LLVM
// RUN: weft-opt %s --weft-pipeline=x86-64-v4 | FileCheck %s --check-prefix=LLVM

// Wrong names are told, with the right ones, and the exit status is 1.
// RUN: not weft-opt %s --weft-pipeline=gpu 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not weft-opt %s --weft-pipeline=cpu --until=fusion 2>&1 | FileCheck %s --check-prefix=UNTIL
// RUN: not weft-opt %s --weft-pipeline=cpu --from=begin 2>&1 | FileCheck %s --check-prefix=FROM
// RUN: not weft-opt %s.missing --weft-pipeline=cpu 2>&1 | FileCheck %s --check-prefix=FILE
// TARGET: weft-opt: --weft-pipeline=gpu: no target has this name; there are cpu, native, x86-64-v3, x86-64-v4
// UNTIL: weft-opt: --until=fusion: no phase has this name; there are differentiate, simplify, fuse, schedule, plan, loops, llvm
// FROM: weft-opt: --from=begin: no phase has this name; there are differentiate, simplify, fuse, schedule, plan, loops, llvm
// FILE: weft-opt: {{.*}}pipeline.mlir.missing{{.*}}No such file

// DIFFERENTIATE: func.func @loss({{.*}}) -> (tensor<f32>, tensor<4x8xf32>)
// SIMPLIFY-NOT: weft.mean
// SIMPLIFY: weft.sum
// FUSE: weft.launch @kernel_0
// FUSE: weft.kernel @kernel_0
// FUSE-NOT: schedule
// SCHEDULE: weft.launch @{{[a-z_]+_[0-9a-f]+}}(
// SCHEDULE: weft.kernel @{{.*}} attributes {schedule = #weft.
// PLAN: weft.arena
// PLAN: offsets = array<i64
// LOOPS-NOT: weft.kernel
// LOOPS: func.func @{{.*}}_0(
// LOOPS: scf.for
// LOOPS: func.func @{{.*}}_setup(
// LLVM-NOT: func.func
// LLVM: llvm.func @{{.*}}_0(
// LLVM-NOT: scf.for
// LLVM: llvm.func @{{.*}}_setup(
func.func @loss(%x: tensor<4x8xf32>) -> tensor<f32> attributes {weft.differentiate = [0]} {
  %0 = weft.relu %x : tensor<4x8xf32>
  %1 = weft.mean %0 [0, 1] : tensor<4x8xf32> -> tensor<f32>
  return %1 : tensor<f32>
}
