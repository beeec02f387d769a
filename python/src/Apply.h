// Applying ops to Python operands: at once, or into the trace in progress.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/TensorObject.h"

#include <span>

namespace weft {

struct Executable;

/// Applies an op of one result. Operands are tensors, Python scalars, or what tensors can be made
/// of (NumPy arrays, DLPack objects). Throws.
PyRef apply(const OpCall &call, std::span<PyObject *const> operands);

/// The same for an operator method: NotImplemented if an operand is not convertible to a tensor.
PyRef applyOperator(const OpCall &call, std::span<PyObject *const> operands);

/// A tensor of `object`: itself, or made of a scalar, array, DLPack object or nested list. Throws.
PyRef toTensor(PyObject *object);

/// A 0-d array of `dtype` with the value of a Python bool, int or float. Throws if it does not fit.
Array scalarArray(PyObject *number, DType dtype);

/// True for bool, int and float, exactly.
inline bool isPythonScalar(PyObject *object) {
  return PyFloat_CheckExact(object) || PyLong_CheckExact(object) || PyBool_Check(object);
}
/// True if a Python integer fits into an integer dtype.
bool numberFits(PyObject *integer, DType dtype);

/// bool, int64 or float64: the weak dtype of a Python scalar.
inline DType weakDType(PyObject *scalar) {
  return PyFloat_CheckExact(scalar) ? DType::Float64
         : PyBool_Check(scalar)     ? DType::Bool
                                    : DType::Int64;
}

/// Runs a plan, without the GIL if it is worth it.
void executeReleasing(const Executable &executable, std::span<const StorageRef> inputs,
                      std::span<StorageRef> outputs);

/// A Python sequence of ints. Throws DTypeError naming `what`.
Shape shapeFrom(PyObject *object, const char *what);

/// The dtype that a Python dtype object or name means; throws DTypeError.
DType dtypeFrom(PyObject *object);
/// The Python object of a dtype; borrowed.
PyObject *dtypeObject(DType dtype);
/// Makes the Python dtype objects known, in the order of DType.
void registerDTypes(PyObject *sequence);

/// How often eager ops were executed and compiled.
struct EagerStatistics {
  uint64_t calls = 0;
  uint64_t compiles = 0;
  uint64_t tracedOps = 0;
};
extern EagerStatistics eagerStatistics;

} // namespace weft
