// The IR between passes goes to the standard error stream, the result to the output.
// RUN: weft-opt %s --weft-pipeline=cpu --until=fuse --mlir-print-ir-after=weft-fuse 2>&1 -o /dev/null | FileCheck %s --check-prefix=ONE
// RUN: weft-opt %s --weft-pipeline=cpu --until=fuse --mlir-print-ir-before-all 2>&1 -o /dev/null | FileCheck %s --check-prefix=ALL
// RUN: weft-opt %s --weft-pipeline=cpu --until=simplify --mlir-print-ir-after-all --mlir-print-ir-after-change 2>&1 -o /dev/null | FileCheck %s --check-prefix=CHANGE
// RUN: rm -rf %t && weft-opt %s --weft-pipeline=cpu --until=fuse --mlir-print-ir-after-all --mlir-print-ir-tree-dir=%t -o /dev/null
// RUN: cat %t/builtin_module_no-symbol-name/*weft-fuse.mlir | FileCheck %s --check-prefix=ONE

// ONE-NOT: IR Dump Before
// ONE: IR Dump After Fuse (weft-fuse)
// ONE: weft.launch @kernel_0
// ALL: IR Dump Before Differentiate (weft-differentiate)
// ALL: IR Dump Before Decompose (weft-decompose)
// ALL: weft.silu
// ALL: IR Dump Before Fuse (weft-fuse)
// ALL-NOT: weft.silu
// CHANGE-NOT: After SplitReductions
// CHANGE: IR Dump After Decompose (weft-decompose)
// CHANGE-NOT: After SplitReductions

func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.silu %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
