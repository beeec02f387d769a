// loss.backward()
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// Accumulates the gradients of `root`, times the cotangent (a tensor; null: 1, for one element),
/// in the `.grad` of the leaves that it depends on. If `record` is set, which is for eager ones
/// alone, they have gradients in turn. Throws.
void backward(TensorObject *root, PyObject *cotangent, bool retain, bool record);

/// The gradients of the roots, recorded on the tape, times the cotangents, for the targets, which
/// are leaves or results of recorded ops: no `.grad` changes. Null where there is none. If `record`
/// is set, they have gradients in turn. Throws.
llvm::SmallVector<PyRef> gradientsOnTape(llvm::ArrayRef<TensorObject *> roots,
                                         llvm::ArrayRef<TensorObject *> cotangents,
                                         llvm::ArrayRef<TensorObject *> targets, bool retain,
                                         bool record);

/// The same in the trace in progress.
llvm::SmallVector<PyRef> gradientsInTrace(llvm::ArrayRef<TensorObject *> roots,
                                          llvm::ArrayRef<TensorObject *> cotangents,
                                          llvm::ArrayRef<TensorObject *> targets, bool retain,
                                          bool record);

} // namespace weft
