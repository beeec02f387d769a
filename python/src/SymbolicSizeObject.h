// The Python type weft.SymbolicSize: a size that is not known while a function is exported.
#pragma once

#include "lib/Trace/Array.h"
#include "python/src/PyRef.h"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>

namespace weft {

/// A Python int for a known size, else a SymbolicSize. Throws PythonError.
pybind11::object sizeObject(int64_t size);

/// The handle of a SymbolicSize; nothing for other objects.
std::optional<int64_t> symbolicSizeOf(PyObject *object);

/// A Python int or SymbolicSize as a size. Throws DTypeError, naming `what`.
int64_t sizeFrom(PyObject *object, const char *what);

/// Throws ConcretizationError: `action` ("range()") needs the number that `size` stands for.
[[noreturn]] void throwUnknownSize(int64_t size, const char *action);

/// A tuple of Python integers, and of sizes that are not known.
PyRef tupleOf(const Shape &numbers);

/// Adds the class SymbolicSize to the module.
void registerSymbolicSize(pybind11::module_ &module);

} // namespace weft
