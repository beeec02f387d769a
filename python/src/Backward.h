// loss.backward()
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// Accumulates the gradients of `root`, times the cotangent (a tensor; null: 1, for one element),
/// in the `.grad` of the leaves that it depends on. Throws.
void backward(TensorObject *root, PyObject *cotangent, bool retain);

} // namespace weft
