// Applying ops to what users give as operands.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/TensorObject.h"

#include <span>

namespace weft {

/// Applies an op: its result, or a tuple of several. Operands are tensors, Python scalars, or what
/// tensors can be made of (NumPy arrays, DLPack objects). Throws.
PyRef apply(const OpCall &call, std::span<PyObject *const> operands);

/// Result `result` alone of an op of several. Outside of a trace the others are computed only if
/// gradients need them.
PyRef applyOne(const OpCall &call, std::span<PyObject *const> operands, unsigned result);

/// Like `apply`, for an operator method: NotImplemented if an operand is not convertible to a
/// tensor.
PyRef applyOperator(const OpCall &call, std::span<PyObject *const> operands);

/// Applies a slice, reshape, transpose or broadcast. The result is a view of the operand where it
/// can be one. Throws.
PyRef applyView(const OpCall &call, PyObject *operand);

/// Gives `target` the value that an update makes of it and of the other tensors (state/Handle.h).
/// Errors name the operation `action`. Throws.
void applyUpdate(PyObject *target, const OpCall &call, const Shape &shape,
                 std::span<PyObject *const> others, const char *action);

} // namespace weft
