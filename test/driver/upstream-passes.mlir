// Upstream's passes that make sense on weft's levels run on them.
// RUN: weft-opt %s --print-op-stats -o /dev/null 2>&1 | FileCheck %s --check-prefix=COUNTS
// RUN: weft-opt %s --print-ir="label=here" -o /dev/null 2>&1 | FileCheck %s --check-prefix=PRINT
// RUN: weft-opt %s --symbol-dce | FileCheck %s --check-prefix=DCE
// RUN: weft-opt %s --strip-debuginfo --mlir-print-debuginfo | FileCheck %s --check-prefix=STRIP
// RUN: weft-opt %s --snapshot-op-locations="filename=%t.snapshot" --mlir-print-debuginfo | FileCheck %s --check-prefix=SNAPSHOT
// RUN: weft-opt %s --topological-sort --sccp --control-flow-sink --remove-dead-values | FileCheck %s --check-prefix=DEAD
// RUN: weft-opt %s --view-op-graph -o /dev/null 2>&1 | FileCheck %s --check-prefix=GRAPH
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops --loop-invariant-code-motion --convert-scf-to-cf | FileCheck %s --check-prefix=BRANCHES

// COUNTS: weft.exp{{ *}}, 1
// PRINT: // -----// IR Dump here //----- //
// DCE-NOT: @unused
// DCE: @f
// STRIP: loc(unknown)
// SNAPSHOT: .snapshot":
// DEAD-NOT: weft.negative
// GRAPH: digraph G {
// BRANCHES: cf.cond_br
func.func private @unused(tensor<3xf32>)
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %x : tensor<3xf32>
  %1 = weft.negative %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
