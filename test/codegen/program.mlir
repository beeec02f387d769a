// RUN: weft-opt %s | weft-opt | FileCheck %s --check-prefix=TEXT
// RUN: weft-opt %s --weft-pipeline=cpu --until=schedule | FileCheck %s --check-prefix=KERNEL
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s --check-prefix=LOOPS
// RUN: weft-opt %s --weft-pipeline=cpu --until=schedule | sed 's/rows = [0-9]*/rows = 0/' > %t.wrong
// RUN: not weft-opt %t.wrong --weft-emit-loops 2>&1 | FileCheck %s --check-prefix=WRONG
// RUN: weft-opt %s --weft-pipeline=cuda:sm_80 --until=loops | FileCheck %s --check-prefix=GPU

// TEXT: weft.program "twice" grid [4] initial [-1](%{{.*}}, %{{.*}})
// TEXT: weft.program_load 0[%[[AT:.*]]] if %[[MASK:.*]] at "k.py:2:7: load of x"
// TEXT: weft.program_store %{{.*}} to 0[%[[AT]]] if %[[MASK]] after %{{.*}} at "k.py:3:3: store to out"

// The grid is the launch's, and no part of the kernel.
// KERNEL: weft.launch @[[KERNEL:program_[0-9a-f]+]](%{{.*}}, %{{.*}}) sizes [100, 100] {parameters = [4]}
// KERNEL: weft.kernel @[[KERNEL]]({{.*}}schedule = #weft.program<lanes = 16
// KERNEL: weft.program "twice" grid [?0]

// A stage fills the result, another one runs the programs. The block of 32 is walked by one loop over
// vectors, in which the sum is computed: no block is in memory. Lanes are compared with the size only
// where a vector is not there as a whole.
// LOOPS: llvm.mlir.global private constant @{{.*}}"twice\0Ak.py:{{[23]}}
// LOOPS-LABEL: func.func @program_{{[0-9a-f]+}}_0(
// LOOPS: scf.for
// LOOPS-LABEL: func.func @program_{{[0-9a-f]+}}_1(
// LOOPS-NOT: llvm.alloca
// LOOPS: scf.for
// LOOPS: scf.for %{{.*}} = %c0{{.*}} to %c32{{.*}} step %c16
// LOOPS: scf.if %{{.*}} -> (vector<16xi1>)
// A call tells of the fault, and of where an object's caller keeps it: behind the addresses of buffers.
// LOOPS: %[[BEHIND:.*]] = llvm.getelementptr %{{.*}}[3] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// LOOPS: func.call @weft_library_program_fault({{.*}}, %[[BEHIND]])
// LOOPS: llvm.intr.masked.load
// LOOPS: arith.addf %[[V:.*]], %[[V]] : vector<16xf32>
// LOOPS: llvm.intr.masked.store
// WRONG: has a schedule of tiles of 0 rows and
// On a GPU a program is a thread block. A first stage clears what is noted of indices that are not there;
// elements are scalars, which go from thread to thread.
// GPU-LABEL: func.func @program_{{[0-9a-f]+}}_2(
// GPU-SAME: weft.fault_sites = ["twice\0Ak.py:2:7: load of x", 0, "twice\0Ak.py:3:3: store to out", 0]
// GPU: nvvm.read.ptx.sreg.tid.x
// GPU: scf.for %{{.*}} to %c32{{.*}} step %c128
// GPU: llvm.atomicrmw umax
// GPU: arith.addf %[[V:.*]], %[[V]] : f32
func.func @f(%x: tensor<100xf32>, %count: tensor<i64>) -> tensor<100xf32> {
  %0 = weft.program "twice" grid [4] initial [-1] (%x, %count) : (tensor<100xf32>, tensor<i64>) -> tensor<100xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %n = weft.program_load 1 [] at "k.py:1:1: n" : () -> tensor<i64>
    %id = weft.program_id 0 : tensor<i64>
    %ids = weft.broadcast %id [] : tensor<i64> -> tensor<32xi64>
    %width = weft.constant dense<32> : tensor<32xi64> : tensor<32xi64>
    %first = weft.multiply %ids, %width : tensor<32xi64>
    %lane = weft.iota 0 : tensor<32xi64>
    %at = weft.add %first, %lane : tensor<32xi64>
    %bound = weft.broadcast %n [] : tensor<i64> -> tensor<32xi64>
    %mask = weft.less %at, %bound : tensor<32xi64> -> tensor<32xi1>
    %v = weft.program_load 0 [%at] if %mask at "k.py:2:7: load of x" : (tensor<32xi64>, tensor<32xi1>) -> tensor<32xf32>
    %w = weft.add %v, %v : tensor<32xf32>
    %end = weft.program_store %w to 0 [%at] if %mask after %state at "k.py:3:3: store to out" : (tensor<i64>, tensor<32xf32>, tensor<32xi64>, tensor<32xi1>) -> tensor<i64>
    weft.program_end %end : tensor<i64>
  }
  return %0 : tensor<100xf32>
}

// What is combined is so by atomic instructions, or, of floats, by programs that are one task.
// LOOPS-LABEL: func.func @program_{{[0-9a-f]+}}_0(
// LOOPS-LABEL: func.func @program_{{[0-9a-f]+}}_1(
// LOOPS: llvm.atomicrmw add %{{.*}}, %{{.*}} monotonic : !llvm.ptr, i64
func.func @counted(%at: tensor<i64>) -> tensor<9xi64> {
  %0 = weft.program "counted" grid [4] initial [-1] (%at) : (tensor<i64>) -> tensor<9xi64> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %n = weft.program_load 0 [] at "k.py:1:1: n" : () -> tensor<i64>
    %end = weft.program_store %n by "add" to 0 [%n] after %state at "k.py:2:1: atomic_add to out" : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<i64>
    weft.program_end %end : tensor<i64>
  }
  return %0 : tensor<9xi64>
}
