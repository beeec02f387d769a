//===- ExpandMath.h - Math operations become arith ----------------*- C++ -*-===//
//
// The pass `weft-expand-math`, on the loops level: each `math` operation on
// f32, f64 or 1-D vectors of them that LLVM would turn into a call is replaced
// by Weft's own expansion (VectorMath.h). sqrt, fma, absf, copysign, floor,
// ceil, trunc and roundeven stay, as they are single instructions.
//
// Before:
//   %y = math.rsqrt %x : vector<8xf32>
// After:
//   %one = arith.constant dense<1.000000e+00> : vector<8xf32>
//   %root = math.sqrt %x : vector<8xf32>
//   %y = arith.divf %one, %root : vector<8xf32>
//
//===----------------------------------------------------------------------===//

#ifndef WEFT_CODEGEN_LOOPS_EXPANDMATH_H
#define WEFT_CODEGEN_LOOPS_EXPANDMATH_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace mlir {
class Operation;
} // namespace mlir

namespace weft {

/// Expands every math operation nested in `root`. What the pass does, for callers without a pass
/// manager; one walk, each operation is rewritten once.
void expandMath(mlir::Operation *root, bool canScale);

/// The pass `weft-expand-math`, on any operation. `canScale`: an x86 with AVX-512 runs the code,
/// whose vectors are multiplied by powers of two in one instruction (vscalef). The bits are the
/// same.
std::unique_ptr<mlir::Pass> createExpandMathPass(bool canScale = false);

/// Makes `weft-expand-math` known to the pass pipeline parser.
void registerExpandMathPass();

} // namespace weft

#endif // WEFT_CODEGEN_LOOPS_EXPANDMATH_H
