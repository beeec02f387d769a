// What Python objects mean.
#include "python/src/Conversion.h"

#include "dialects/Weft/IR/NarrowFloats.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Trace/Promotion.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/SymbolicSizeObject.h"

#include "llvm/ADT/APFloat.h"

#include <cstring>

using namespace weft;

static PyObject *dtypeObjects[dtypeCount];

void weft::registerDTypes(PyObject *sequence) {
  for (size_t i = 0; i < dtypeCount; ++i)
    dtypeObjects[i] = checked(PySequence_GetItem(sequence, Py_ssize_t(i))).release();
}

PyObject *weft::dtypeObject(DType dtype) { return dtypeObjects[static_cast<size_t>(dtype)]; }

DType weft::dtypeFrom(PyObject *object) {
  for (size_t i = 0; i < dtypeCount; ++i)
    if (dtypeObjects[i] == object)
      return static_cast<DType>(i);
  PyRef found = checked(PyObject_CallOneArg(hook(Hook::AsDType), object));
  for (size_t i = 0; i < dtypeCount; ++i)
    if (dtypeObjects[i] == found.get())
      return static_cast<DType>(i);
  throwError("DTypeError", "not a dtype of weft");
}

Shape weft::shapeFrom(PyObject *object, const char *what) {
  Shape shape;
  bool isSequence = PyTuple_Check(object) || PyList_Check(object);
  if (PyLong_Check(object) || (!isSequence && symbolicSizeOf(object))) {
    shape.push_back(sizeFrom(object, what));
    return shape;
  }
  PyRef items = PyRef::steal(PySequence_Fast(object, ""));
  if (!items)
    throwError("DTypeError", std::string(what) + " has to be a sequence of integers");
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i)
    shape.push_back(sizeFrom(PySequence_Fast_GET_ITEM(items.get(), i), what));
  return shape;
}

PyRef weft::toTensor(PyObject *object) {
  if (isTensor(object))
    return PyRef::borrow(object);
  return checked(PyObject_CallOneArg(hook(Hook::AsArray), object));
}

PyRef weft::toTensor(PyObject *object, DType dtype) {
  if (isTensor(object))
    return PyRef::borrow(object);
  PyRef arguments = checked(Py_BuildValue("(O)", object));
  PyRef keywords = checked(Py_BuildValue("{sO}", "dtype", dtypeObject(dtype)));
  return checked(PyObject_Call(hook(Hook::AsArray), arguments.get(), keywords.get()));
}

template <typename T> static void store(void *place, T value) {
  std::memcpy(place, &value, sizeof(T));
}

const llvm::fltSemantics &weft::semanticsOf(DType dtype) {
  switch (dtype) {
  case DType::Float16:
    return llvm::APFloat::IEEEhalf();
  case DType::BFloat16:
    return llvm::APFloat::BFloat();
  case DType::Float8E4M3FN:
    return llvm::APFloat::Float8E4M3FN();
  case DType::Float8E5M2:
    return llvm::APFloat::Float8E5M2();
  case DType::Float32:
    return llvm::APFloat::IEEEsingle();
  default:
    return llvm::APFloat::IEEEdouble();
  }
}

/// Rounds once, as a cast in compiled code does.
static void storeFloat(void *place, DType dtype, llvm::APFloat value) {
  uint64_t bits = roundedTo(value, semanticsOf(dtype)).bitcastToAPInt().getZExtValue();
  std::memcpy(place, &bits, dtypeSize(dtype));
}

static void storeFloat(void *place, DType dtype, int64_t value) {
  // Through float64 where the format may not hold the integer at all.
  llvm::APFloat number(isFloat8(dtype) ? llvm::APFloat::IEEEdouble() : semanticsOf(dtype));
  number.convertFromAPInt(llvm::APInt(64, uint64_t(value)), true,
                          llvm::APFloat::rmNearestTiesToEven);
  storeFloat(place, dtype, number);
}

/// Stores an integer beyond int64. To floats it is rounded to float64 first.
static void storeLargeInteger(void *place, DType dtype, PyObject *number) {
  if (dtype == DType::Bool)
    return store(place, uint8_t(1));
  if (isFloating(dtype)) {
    double value = PyLong_AsDouble(number);
    if (!PyErr_Occurred())
      return storeFloat(place, dtype, llvm::APFloat(value));
  } else if (dtype == DType::UInt64) {
    uint64_t value = PyLong_AsUnsignedLongLong(number);
    if (!PyErr_Occurred())
      return store(place, value);
  }
  PyErr_Clear();
  throwError("OutOfRangeError",
             "a Python integer does not fit into " + std::string(dtypeName(dtype)));
}

static void storeInteger(void *place, DType dtype, int64_t value) {
  if (dtype == DType::Bool)
    return store(place, uint8_t(value != 0));
  if (!fits(value, dtype))
    throwError("OutOfRangeError",
               std::to_string(value) + " does not fit into " + std::string(dtypeName(dtype)));
  std::memcpy(place, &value, dtypeSize(dtype));
}

int64_t weft::int64From(PyObject *number) {
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow)
    throwError("OutOfRangeError", "a Python integer does not fit into int64");
  if (value == -1 && PyErr_Occurred())
    throwError("DTypeError", std::string("a ") + Py_TYPE(number)->tp_name + " is no number");
  return value;
}

std::complex<double> weft::complexFrom(PyObject *number) {
  Py_complex value = PyComplex_AsCComplex(number);
  if (value.real == -1.0 && PyErr_Occurred())
    throw PythonError();
  return {value.real, value.imag};
}

Array weft::scalarArray(PyObject *number, DType dtype) {
  StorageRef storage = Allocator::process().allocate(dtypeSize(dtype));
  if (isComplex(dtype)) {
    std::complex<double> value = complexFrom(number);
    DType part = partDType(dtype);
    storeFloat(storage->data(), part, llvm::APFloat(value.real()));
    storeFloat(static_cast<char *>(storage->data()) + dtypeSize(part), part,
               llvm::APFloat(value.imag()));
  } else if (PyFloat_Check(number)) {
    double value = PyFloat_AS_DOUBLE(number);
    if (isFloating(dtype))
      storeFloat(storage->data(), dtype, llvm::APFloat(value));
    else if (dtype == DType::Bool)
      store(storage->data(), uint8_t(value != 0));
    else if (value >= -0x1p63 && value < 0x1p63)
      storeInteger(storage->data(), dtype, int64_t(value));
    else if (dtype == DType::UInt64 && value >= 0 && value < 0x1p64)
      store(storage->data(), uint64_t(value));
    else
      throwError("OutOfRangeError",
                 "a Python float does not fit into " + std::string(dtypeName(dtype)));
  } else if (PyLong_CheckExact(number) && !numberFits(number, DType::Int64)) {
    storeLargeInteger(storage->data(), dtype, number);
  } else {
    int64_t value = int64From(number);
    if (isFloating(dtype))
      storeFloat(storage->data(), dtype, value);
    else
      storeInteger(storage->data(), dtype, value);
  }
  return {std::move(storage), dtype, {}};
}

bool weft::numberFits(PyObject *integer, DType dtype) {
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (overflow == 0)
    return fits(value, dtype);
  if (overflow < 0 || dtype != DType::UInt64)
    return false;
  (void)PyLong_AsUnsignedLongLong(integer);
  bool isTooLarge = PyErr_Occurred();
  PyErr_Clear();
  return !isTooLarge;
}
