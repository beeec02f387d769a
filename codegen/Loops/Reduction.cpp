// What the templates of reductions share.
#include "codegen/Loops/Reduction.h"

using namespace mlir;

namespace weft {

SmallVector<ReductionOpInterface> reductionsOf(KernelOp kernel) {
  return llvm::to_vector(kernel.getBody().front().getOps<ReductionOpInterface>());
}

Type elementType(KernelEmitter &emitter, ReductionOpInterface op) {
  return emitter.computeType(op->getOperand(0));
}

SmallVector<Value> accumulate(KernelEmitter &emitter, ReductionOpInterface op,
                              ValueRange accumulator, Value element, Value position) {
  OpBuilder &builder = emitter.builder();
  Location location = op->getLoc();
  SmallVector<Value> one = op.emitElement(builder, location, element, position);
  SmallVector<Value> combined = op.emitCombine(builder, location, accumulator, one);
  if (!emitter.mask() || !isa<VectorType>(accumulator[0].getType()))
    return combined;
  for (auto [value, before] : llvm::zip_equal(combined, accumulator))
    value = arith::SelectOp::create(builder, location, emitter.mask(), value, before);
  return combined;
}

Value resultOf(KernelEmitter &emitter, ReductionOpInterface op, ValueRange accumulator) {
  return emitter.roundTo(accumulator[op.getResultIndex()], getElementTypeOrSelf(op->getResult(0)));
}

} // namespace weft
