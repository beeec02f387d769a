// What operands users give, made ready for an op.
#include "python/src/Apply.h"

#include "python/src/Conversion.h"
#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"
#include "python/src/state/View.h"

#include <limits>

using namespace weft;

static bool isConvertible(PyObject *object) {
  return PyObject_HasAttrString(object, "__array__") ||
         PyObject_HasAttrString(object, "__dlpack__");
}

/// A Python integer beyond int64 becomes a uint64 where it meets one and fits, a float where it
/// meets floats, and an infinity where it is compared with other integers; so does a negative one
/// beside uint64.
static void replaceLargeIntegers(const OpCall &call, Operands &operands) {
  bool floating = llvm::any_of(operands, [](const Operand &operand) {
    return !operand.scalar ? isInexact(asTensor(operand.object)->value.dtype)
                           : PyFloat_CheckExact(operand.object) != 0;
  });
  bool holdsLarge = llvm::any_of(operands, [](const Operand &operand) {
    return !operand.scalar && asTensor(operand.object)->value.dtype == DType::UInt64;
  });
  for (Operand &operand : operands) {
    int overflow = 0;
    if (operand.scalar && PyLong_CheckExact(operand.object))
      (void)PyLong_AsLongLongAndOverflow(operand.object, &overflow);
    bool isNegative = !overflow && holdsLarge && operand.scalar &&
                      PyLong_CheckExact(operand.object) && int64From(operand.object) < 0;
    if (isNegative && call.op->compares && !floating)
      overflow = -1;
    if (overflow && holdsLarge && !floating && numberFits(operand.object, DType::UInt64)) {
      operand = {nullptr, toTensor(operand.object, DType::UInt64), false};
      operand.object = operand.converted.get();
      continue;
    }
    if (!overflow || !(floating || call.op->compares))
      continue;
    double value = overflow * std::numeric_limits<double>::infinity();
    double nearest = floating ? PyLong_AsDouble(operand.object) : value;
    // Beyond the range of double: as infinite to a comparison, an error to arithmetic.
    if (PyErr_Occurred()) {
      PyErr_Clear();
      if (!call.op->compares)
        throwError("OutOfRangeError",
                   call.op->pythonName.str() + ": a Python integer does not fit into any dtype");
      nearest = value;
    }
    operand.converted = checked(PyFloat_FromDouble(nearest));
    operand.object = operand.converted.get();
  }
}

/// The dtype of a Python complex number among operands: it is as precise as these.
static DType complexDTypeBeside(std::span<PyObject *const> objects) {
  bool isDouble = std::ranges::any_of(objects, [](PyObject *object) {
    return isTensor(object) && !asTensor(object)->value.weak &&
           partDType(asTensor(object)->value.dtype) == DType::Float64;
  });
  return isDouble ? DType::Complex128 : DType::Complex64;
}

/// False if an operand is no tensor and `strict` does not forbid that.
static bool collect(const OpCall &call, std::span<PyObject *const> objects, Operands &operands,
                    bool strict) {
  for (PyObject *object : objects) {
    if (isTensor(object)) {
      operands.push_back({asObject(owned(asTensor(object))), {}, false});
    } else if (isPythonScalar(object) || (currentScope && symbolicSizeOf(object))) {
      operands.push_back({object, {}, true});
    } else if (PyComplex_CheckExact(object)) {
      PyRef tensor = toTensor(object, complexDTypeBeside(objects));
      operands.push_back({tensor.get(), tensor, false});
    } else if (isConvertible(object)) {
      PyRef tensor = toTensor(object);
      operands.push_back({tensor.get(), tensor, false});
    } else if (strict) {
      throwError("DTypeError",
                 call.op->pythonName.str() + ": operand " + std::to_string(operands.size() + 1) +
                     " is a " + Py_TYPE(object)->tp_name + ", not a tensor, an array or a number");
    } else {
      return false;
    }
  }
  replaceLargeIntegers(call, operands);
  return true;
}

PyRef weft::apply(const OpCall &call, std::span<PyObject *const> objects) {
  Operands operands;
  collect(call, objects, operands, /*strict=*/true);
  Results results = dispatchAll(call, operands, Caller::Function);
  if (results.size() == 1)
    return std::move(results[0]);
  PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(results.size())));
  for (auto [number, result] : llvm::enumerate(results))
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(number), result.release());
  return tuple;
}

PyRef weft::applyOne(const OpCall &call, std::span<PyObject *const> objects, unsigned result) {
  Operands operands;
  collect(call, objects, operands, /*strict=*/true);
  return dispatchOne(call, operands, result);
}

PyRef weft::applyOperator(const OpCall &call, std::span<PyObject *const> objects) {
  Operands operands;
  if (!collect(call, objects, operands, /*strict=*/false))
    return PyRef::borrow(Py_NotImplemented);
  return dispatch(call, operands, Caller::Operator);
}

void weft::applyUpdate(PyObject *target, const OpCall &call, const Shape &shape,
                       std::span<PyObject *const> others, const char *action) {
  checkInPlace(asTensor(target), action);
  Operands operands;
  for (PyObject *other : others)
    operands.push_back({asObject(owned(asTensor(other))), {}, false});
  update(asTensor(target), call, shape, operands);
}

PyRef weft::applyView(const OpCall &call, PyObject *operand) {
  PyRef source = toTensor(operand);
  TensorObject *parent = owned(asTensor(source.get()));
  return viewBy({call, parent->value.shape}, parent);
}
