// A pass that fails leaves a file with the IR and the passes, which fails in the same way.
// RUN: rm -f %t.reproducer %t.local %t.asked
// RUN: not weft-opt %s --weft-pipeline=cpu --mlir-pass-pipeline-crash-reproducer=%t.reproducer 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: FileCheck %s --check-prefix=FILE --input-file=%t.reproducer
// RUN: not weft-opt %t.reproducer --run-reproducer 2>&1 | FileCheck %s --check-prefix=AGAIN

// A local one has only the pass that failed, and the IR before it.
// RUN: not weft-opt %s --weft-pipeline=cpu --mlir-pass-pipeline-crash-reproducer=%t.local --mlir-pass-pipeline-local-reproducer 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: FileCheck %s --check-prefix=LOCAL --input-file=%t.local
// RUN: not weft-opt %t.local --run-reproducer 2>&1 | FileCheck %s --check-prefix=AGAIN

// One can be had without a failure, too.
// RUN: weft-opt %s --weft-decompose --mlir-generate-reproducer=%t.asked -o /dev/null
// RUN: weft-opt %t.asked --run-reproducer | FileCheck %s --check-prefix=ASKED

// ERROR: reproducer.mlir:[[@LINE+12]]:8: error: 'weft.exp' op has a result of shape [4611686018427387904, 4]
// ERROR: Failures have been detected while processing an MLIR pass pipeline
// ERROR: reproducer generated at
// FILE: weft.exp
// FILE: external_resources
// FILE: pipeline: "builtin.module({{.*}}weft-differentiate, weft-inline-functions, weft-outline-regions, weft-decompose{keep-kernels=true},
// AGAIN: error: 'weft.exp' op has a result of shape [4611686018427387904, 4]
// LOCAL: pipeline: "builtin.module(weft-fuse{{.*}})"
// ASKED: weft.exp
func.func @f(%x: tensor<4611686018427387904x4xf32>) -> tensor<4611686018427387904x4xf32> {


  %0 = weft.exp %x : tensor<4611686018427387904x4xf32>
  return %0 : tensor<4611686018427387904x4xf32>
}
