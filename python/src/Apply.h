// Applying ops to what users give as operands.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/TensorObject.h"

#include <span>

namespace weft {

/// Applies an op: its result, or a tuple of several. Operands are tensors, Python scalars, or what
/// tensors can be made of (NumPy arrays, DLPack objects). Throws.
PyRef apply(const OpCall &call, std::span<PyObject *const> operands);

/// The same for an operator method: NotImplemented if an operand is not convertible to a tensor.
PyRef applyOperator(const OpCall &call, std::span<PyObject *const> operands);

/// Applies a slice, reshape, transpose or broadcast. The result is a view of the operand where it
/// can be one. Throws.
PyRef applyView(const OpCall &call, PyObject *operand);

} // namespace weft
