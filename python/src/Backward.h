// loss.backward()
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// Accumulates the gradients of `root`, times the cotangent (a tensor; null: 1, for one element),
/// in the `.grad` of the leaves that it depends on. Throws.
void backward(TensorObject *root, PyObject *cotangent, bool retain);

/// The gradients of the roots, recorded on the tape, times the cotangents, for these leaves: no
/// `.grad` changes, of other leaves neither. Null where there is none. What was recorded is kept.
llvm::SmallVector<PyRef> gradientsOnTape(llvm::ArrayRef<TensorObject *> roots,
                                         llvm::ArrayRef<TensorObject *> cotangents,
                                         llvm::ArrayRef<TensorObject *> leaves);

} // namespace weft
