// RUN: weft-opt %s --weft-lower-to-llvm | FileCheck %s

// The documented example: loops become branches, arithmetic becomes LLVM's, without fast-math flags.
// CHECK-LABEL: llvm.func @sum(%{{.*}}: !llvm.ptr, %{{.*}}: i64)
// CHECK: llvm.br ^[[HEAD:.*]](%{{.*}} : i64, vector<16xf32>)
// CHECK: ^[[HEAD]](%[[I:.*]]: i64, %[[SUM:.*]]: vector<16xf32>):
// CHECK: %[[GO:.*]] = llvm.icmp "slt" %[[I]], %{{.*}} : i64
// CHECK: llvm.cond_br %[[GO]], ^[[BODY:.*]], ^[[EXIT:.*]]
// CHECK: ^[[BODY]]:
// CHECK: %[[NEW:.*]] = llvm.fadd %[[SUM]], %{{.*}} : vector<16xf32>
// CHECK: llvm.br ^[[HEAD]]
// CHECK: ^[[EXIT]]:
// CHECK: llvm.intr.fma(
// CHECK-NOT: fastmath
// CHECK: llvm.return
func.func @sum(%p: !llvm.ptr, %n: i64) {
  %zero = arith.constant dense<0.0> : vector<16xf32>
  %low = arith.constant 0 : index
  %step = arith.constant 16 : index
  %high = arith.index_cast %n : i64 to index
  %0 = scf.for %i = %low to %high step %step iter_args(%sum = %zero) -> (vector<16xf32>) {
    %j = arith.index_cast %i : index to i64
    %q = llvm.getelementptr %p[%j] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %x = llvm.load %q {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
    %new = arith.addf %sum, %x : vector<16xf32>
    scf.yield %new : vector<16xf32>
  }
  %1 = math.fma %0, %0, %0 : vector<16xf32>
  llvm.store %1, %p {alignment = 4 : i64} : vector<16xf32>, !llvm.ptr
  return
}
