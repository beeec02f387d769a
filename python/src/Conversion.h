// Python objects as numbers, dtypes, shapes and tensors.
#pragma once

#include "python/src/TensorObject.h"

#include "llvm/ADT/APFloat.h"

#include <complex>

namespace weft {

/// A tensor of `object`: itself, or made of a scalar, array, DLPack object or nested list. Throws.
PyRef toTensor(PyObject *object);
/// The same; what is no tensor yet is made one of `dtype`.
PyRef toTensor(PyObject *object, DType dtype);

/// The value of a Python number. Throws.
std::complex<double> complexFrom(PyObject *number);

/// A 0-d array of `dtype` with the value of a Python bool, int, float or, if that is complex,
/// complex. Throws if it does not fit.
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

/// A Python sequence of ints. Throws DTypeError naming `what`.
Shape shapeFrom(PyObject *object, const char *what);

/// How a floating dtype's bits are read.
const llvm::fltSemantics &semanticsOf(DType dtype);

/// The dtype that a Python dtype object or name means; throws DTypeError.
DType dtypeFrom(PyObject *object);
/// The Python object of a dtype; borrowed.
PyObject *dtypeObject(DType dtype);
/// Makes the Python dtype objects known, in the order of DType.
void registerDTypes(PyObject *sequence);

/// A Python integer as an int64. Throws.
int64_t int64From(PyObject *number);

} // namespace weft
