// --help shows what a user of the driver needs, in groups; --help-hidden all that LLVM has.
// RUN: weft-opt --help | FileCheck %s
// RUN: weft-opt --help-hidden | FileCheck %s --check-prefix=ALL

// CHECK: Weft's pass driver: reads IR as text or bytecode
// CHECK: EXAMPLES:
// CHECK-NEXT: weft-opt model.mlir --weft-pipeline=cpu --until=fuse
// CHECK: 1. Passes:
// CHECK: --from=<phase> - Start Weft's pipeline with a phase: differentiate, simplify, fuse, schedule, plan, loops, llvm
// CHECK: --canonicalize - Canonicalize operations
// CHECK: --weft-fuse - Outline groups of ops into kernels that are generic in their sizes
// CHECK: --until=<phase> - Stop Weft's pipeline after a phase
// CHECK: 2. Reading and writing:
// CHECK: --emit-bytecode
// CHECK-NOT: hwasan
// CHECK: 3. Watching the passes:
// CHECK: --mlir-timing
// CHECK-NOT: instcombine
// CHECK: 4. When a pass fails:
// CHECK: --run-reproducer
// CHECK: 5. Help:
// CHECK: --help-hidden

// ALL: --mlir-disable-threading
