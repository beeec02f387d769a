// What the templates of updates for CPUs and GPUs have in common.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// The walk over the updates of a kernel. Its dimensions are those of the updates, but one of
/// buckets in the place of those that are ordered, where several may go to one place: each point
/// has the updates of its bucket, in their order.
class UpdateWalk {
public:
  /// `mostBuckets`: a power of 2.
  UpdateWalk(KernelEmitter &emitter, int64_t mostBuckets);

  /// The sizes of the walk.
  llvm::SmallVector<mlir::Value> sizes();
  /// True if the last dimension of the walk is that of the updates, along which vectors go.
  bool endsInVectors();
  /// True if neighbours along that dimension are neighbours in the result.
  bool keepsNeighbours();

  /// True if the updates lie in memory, and are not computed by the kernel.
  bool readsMemory() { return llvm::isa<mlir::BlockArgument>(op.getUpdates()); }

  /// Calls `body(indices)` with the indices of each update at `point` that is made. Along a
  /// dimension of vectors it may be called for any index in place of that of `point`.
  void emit(llvm::ArrayRef<ElementIndex> point,
            llvm::function_ref<void(llvm::ArrayRef<ElementIndex>)> body);
  /// Changes the elements that the updates at `indices` go to.
  void emitUpdate(llvm::ArrayRef<ElementIndex> indices);

  llvm::ArrayRef<int64_t> resultSymbols() { return symbolsOf(op.getX().getType()); }
  unsigned xBuffer();
  mlir::Type dtype() { return mlir::getElementTypeOrSelf(op.getX()); }
  mlir::Type storedType() { return KernelEmitter::storedType(dtype()); }

private:
  llvm::ArrayRef<int64_t> symbols() { return symbolsOf(op.getUpdates().getType()); }
  /// True if updates may meet: then there is a dimension of buckets.
  bool isOrdered() const { return ordered.first != ordered.second; }
  mlir::Value buckets();

  KernelEmitter &emitter;
  UpdateOpInterface op;
  std::pair<int64_t, int64_t> ordered;
  int64_t mostBuckets;
};

} // namespace weft
