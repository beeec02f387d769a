// Sharing memory with NumPy, PyTorch and others.
#pragma once

#include "python/src/PyRef.h"
#include "python/src/TensorObject.h"

#include <optional>
#include <utility>

namespace weft {

/// The buffer protocol of tensors: read-only, dense, without a copy.
int getTensorBuffer(PyObject *self, Py_buffer *view, int flags);
void releaseTensorBuffer(PyObject *self, Py_buffer *view);

/// A tensor over the memory of an object with the buffer protocol. Dense memory is shared unless
/// `copy` is set; other memory is copied. `reinterpreted` gives the dtype of elements that the
/// protocol has no name for (bfloat16 as words of 16 bits). Throws.
PyRef tensorFromBuffer(PyObject *object, std::optional<DType> reinterpreted, bool copy);

/// A DLPack capsule that shares the tensor's memory, or has a copy of it, which may be written:
/// versioned (1.0) or of the older form.
PyRef toDLPack(TensorObject *tensor, bool versioned, bool copy);
/// How DLPack names where the tensor is: kind and number. Throws if it has no name for that.
std::pair<int, int> dlpackDevice(TensorObject *tensor);
/// A tensor over the memory of a DLPack capsule; a strided one of the host is copied once.
/// `constant`: nobody writes the memory as long as the tensor lives, so that what depends on it may
/// be prepared.
PyRef fromDLPack(PyObject *capsule, bool constant);

/// How often foreign memory had to be copied.
extern uint64_t interopCopies;

} // namespace weft
