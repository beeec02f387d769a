// Python's operators on tensors.
#include "python/src/Apply.h"
#include "python/src/Conversion.h"
#include "python/src/Element.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/TensorType.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"

using namespace weft;

namespace {

/// A string as a template argument.
template <size_t N> struct Name {
  constexpr Name(const char (&text)[N]) { std::copy_n(text, N, characters); }
  char characters[N];
};

template <Name name> const OpCall &callOf() {
  static const OpCall &call = *new OpCall(requireOp(name.characters));
  return call;
}

/// Python's own number for an operand in a trace: a number, or a tensor that was computed from
/// Python numbers among the arguments alone. Null for others.
PyObject *numberOf(PyObject *operand) {
  if (isPythonScalar(operand) || PyComplex_CheckExact(operand))
    return operand;
  if (!isTensor(operand) || !asTensor(operand)->value.isTracer())
    return nullptr;
  const TensorValue &value = asTensor(operand)->value;
  return value.scope.get() == currentScope ? currentScope->scalarValue(value.id) : nullptr;
}

/// Keeps what Python makes of numbers beside what the trace makes of them. Where the trace can't
/// follow (true division of whole numbers gives no float there, an error is raised, a number is too
/// large), it depends on the numbers, and goes on with Python's.
PyRef withPythonNumber(PyRef traced, NumberStep step, PyObject *x, PyObject *y, PyRef number) {
  const TensorValue *value = traced ? &asTensor(traced.get())->value : nullptr;
  bool follows = number && value && value->weak && isPythonScalar(number.get()) &&
                 weakDType(number.get()) == value->dtype;
  if (follows && PyLong_CheckExact(number.get())) {
    int overflow = 0;
    PyLong_AsLongLongAndOverflow(number.get(), &overflow);
    follows = overflow == 0;
  }
  if (follows) {
    currentScope->noteScalar(value->id, std::move(number), std::move(step), x, y);
    return traced;
  }
  for (PyObject *operand : {x, y})
    if (isTensor(operand))
      currentScope->specialize(asTensor(operand)->value.id);
  if (!number)
    throw PythonError();
  return number;
}

/// The op in the trace; nothing if it has no place there, as a shift by a negative number, or
/// -True.
PyRef tracedOrNothing(const OpCall &call, std::initializer_list<PyObject *> operands) {
  try {
    return applyOperator(call, {operands.begin(), operands.size()});
  } catch (const Error &) {
    return {};
  } catch (const PythonError &) {
    // A number that fits into no dtype.
    if (!PyErr_ExceptionMatches(PyExc_Exception))
      throw;
    PyErr_Clear();
    return {};
  }
}

template <Name name, PyObject *(*python)(PyObject *)> PyObject *unary(PyObject *x) {
  return guarded([&] {
    PyObject *number = currentScope ? numberOf(x) : nullptr;
    if (!number)
      return applyOperator(callOf<name>(), {{x}}).release();
    PyRef made = PyRef::steal(python(number));
    PyRef traced = made ? tracedOrNothing(callOf<name>(), {x}) : PyRef();
    return withPythonNumber(std::move(traced), {.unary = python}, x, x, std::move(made)).release();
  });
}

/// The distance of complex numbers from 0 is an op of its own, whose result is real.
PyObject *absolute(PyObject *x) {
  return isTensor(x) && isComplex(asTensor(x)->value.dtype)
             ? unary<"magnitude", PyNumber_Absolute>(x)
             : unary<"abs", PyNumber_Absolute>(x);
}

template <Name name, PyObject *(*python)(PyObject *, PyObject *)>
PyObject *binary(PyObject *x, PyObject *y) {
  return guarded([&] {
    PyObject *left = currentScope ? numberOf(x) : nullptr;
    PyObject *right = left ? numberOf(y) : nullptr;
    if (!right)
      return applyOperator(callOf<name>(), {{x, y}}).release();
    PyRef made = PyRef::steal(python(left, right));
    PyRef traced =
        made && isPythonScalar(made.get()) ? tracedOrNothing(callOf<name>(), {x, y}) : PyRef();
    return withPythonNumber(std::move(traced), {.binary = python}, x, y, std::move(made)).release();
  });
}

template <int operation> PyObject *pythonCompare(PyObject *x, PyObject *y) {
  return PyObject_RichCompare(x, y, operation);
}

PyObject *pythonPower(PyObject *x, PyObject *y) { return PyNumber_Power(x, y, Py_None); }

PyObject *power(PyObject *x, PyObject *y, PyObject *modulus) {
  if (modulus != Py_None)
    return Py_NewRef(Py_NotImplemented);
  return binary<"pow", pythonPower>(x, y);
}

PyObject *matmul(PyObject *x, PyObject *y) {
  return guarded([&]() -> PyObject * {
    PyObject *arguments[] = {x, y};
    return PyObject_Vectorcall(hook(Hook::Matmul), arguments, 2, nullptr);
  });
}

/// Quotient and remainder, rounded towards minus infinity.
PyObject *divmod(PyObject *x, PyObject *y) {
  PyRef quotient = PyRef::steal(binary<"floor_divide", PyNumber_FloorDivide>(x, y));
  if (!quotient || quotient.get() == Py_NotImplemented)
    return quotient.release();
  PyRef rest = PyRef::steal(binary<"remainder", PyNumber_Remainder>(x, y));
  return rest ? PyTuple_Pack(2, quotient.get(), rest.get()) : nullptr;
}

/// Throws if a result of an operator in place would lose its fraction or become a truth value.
void checkKind(DType result, DType target, const std::string &action) {
  auto rank = [](DType dtype) {
    return isComplex(dtype) ? 3 : isFloating(dtype) ? 2 : dtype == DType::Bool ? 0 : 1;
  };
  if (rank(result) > rank(target))
    throwError("DTypeError", action + ": the result is of " + std::string(dtypeName(result)) +
                                 " and does not fit into a tensor of " +
                                 std::string(dtypeName(target)) +
                                 "; use the operator that gives a new tensor, or astype()");
}

/// Rebinds the left operand to the result of the operator, in its own dtype. A Python number is no
/// place: the name gets another number.
PyObject *inPlace(PyObject *x, PyObject *y, const char *name,
                  PyObject *(*operation)(PyObject *, PyObject *)) {
  bool isNumber = currentScope && numberOf(x);
  PyRef result = PyRef::steal(operation(x, y));
  if (isNumber || !result || result.get() == Py_NotImplemented)
    return result.release();
  return guarded([&] {
    std::string action = std::string(name) + " in place";
    checkInPlace(asTensor(x), action.c_str());
    TensorObject *target = current(asTensor(x));
    if (asTensor(result.get())->value.shape != target->value.shape)
      throwError("ShapeError", action + " would change the shape from " +
                                   shapeTuple(target->value.shape) + " to " +
                                   shapeTuple(asTensor(result.get())->value.shape));
    if (asTensor(result.get())->value.dtype != target->value.dtype) {
      checkKind(asTensor(result.get())->value.dtype, target->value.dtype, action);
      OpCall cast(requireOp("weft.cast"));
      cast.resultDType = target->value.dtype;
      cast.resultShape = target->value.shape;
      result = apply(cast, {{result.get()}});
    }
    adopt(target, asTensor(result.get()));
    return Py_NewRef(x);
  });
}

template <Name name, PyObject *(*python)(PyObject *, PyObject *)>
PyObject *inPlaceBinary(PyObject *x, PyObject *y) {
  return inPlace(x, y, name.characters, binary<name, python>);
}

PyObject *inPlacePower(PyObject *x, PyObject *y, PyObject *) {
  return inPlace(x, y, "pow", binary<"pow", pythonPower>);
}

/// `~x`: of bools and of integers.
PyObject *invert(PyObject *x) { return unary<"bitwise_invert", PyNumber_Invert>(x); }

PyObject *positive(PyObject *x) {
  return guarded([&] {
    PyObject *number = currentScope ? numberOf(x) : nullptr;
    // +True is 1.
    if (number && PyBool_Check(number))
      return withPythonNumber({}, {}, x, x, PyRef::steal(PyNumber_Positive(number))).release();
    return clone(asTensor(x)).release();
  });
}

PyObject *zero() {
  static PyObject *number = PyLong_FromLong(0);
  return number;
}

/// In a trace the question is whether it is zero, which has two answers, not what it is.
int truth(PyObject *x) {
  return guarded(-1, [&] {
    PyRef flag = PyRef::borrow(x);
    const TensorValue &value = asTensor(x)->value;
    bool isAsked = currentScope && !numberOf(x) && value.dtype != DType::Bool &&
                   (value.isTracer() || currentScope->isOlder(asTensor(x)));
    if (isAsked && elementCount(value.shape) == 1)
      flag = applyOperator(callOf<"not_equal">(), {{x, zero()}});
    PyRef element = elementOf(asTensor(flag.get()), "bool()");
    return PyObject_IsTrue(element.get());
  });
}

PyObject *asInteger(PyObject *x) {
  return guarded([&] {
    PyRef element = elementOf(asTensor(x), "int()");
    return PyNumber_Long(element.get());
  });
}

PyObject *asFloat(PyObject *x) {
  return guarded([&] {
    PyRef element = elementOf(asTensor(x), "float()");
    return PyNumber_Float(element.get());
  });
}

PyObject *asIndex(PyObject *x) {
  return guarded([&]() -> PyObject * {
    bool isNumber = currentScope && numberOf(x);
    if (!isNumber && !isInteger(asTensor(x)->value.dtype))
      throwError("DTypeError", "a tensor of dtype " +
                                   std::string(dtypeName(asTensor(x)->value.dtype)) +
                                   " is no index: only integers are");
    return PyNumber_Index(elementOf(asTensor(x), "an index").get());
  });
}

PyObject *compare(PyObject *x, PyObject *y, int operation) {
  switch (operation) {
  case Py_EQ:
    return binary<"equal", pythonCompare<Py_EQ>>(x, y);
  case Py_NE:
    return binary<"not_equal", pythonCompare<Py_NE>>(x, y);
  case Py_LT:
    return binary<"less", pythonCompare<Py_LT>>(x, y);
  case Py_LE:
    return binary<"less_equal", pythonCompare<Py_LE>>(x, y);
  case Py_GT:
    return binary<"greater", pythonCompare<Py_GT>>(x, y);
  default:
    return binary<"greater_equal", pythonCompare<Py_GE>>(x, y);
  }
}

template <typename Function> PyType_Slot slot(int number, Function *function) noexcept {
  return {number, reinterpret_cast<void *>(function)};
}

} // namespace

PyType_Slot weft::numberSlots[] = {
    slot(Py_nb_add, binary<"add", PyNumber_Add>),
    slot(Py_nb_subtract, binary<"subtract", PyNumber_Subtract>),
    slot(Py_nb_multiply, binary<"multiply", PyNumber_Multiply>),
    slot(Py_nb_true_divide, binary<"divide", PyNumber_TrueDivide>),
    slot(Py_nb_floor_divide, binary<"floor_divide", PyNumber_FloorDivide>),
    slot(Py_nb_remainder, binary<"remainder", PyNumber_Remainder>),
    slot(Py_nb_divmod, divmod),
    slot(Py_nb_power, power),
    slot(Py_nb_matrix_multiply, matmul),
    slot(Py_nb_and, binary<"bitwise_and", PyNumber_And>),
    slot(Py_nb_or, binary<"bitwise_or", PyNumber_Or>),
    slot(Py_nb_xor, binary<"bitwise_xor", PyNumber_Xor>),
    slot(Py_nb_lshift, binary<"bitwise_left_shift", PyNumber_Lshift>),
    slot(Py_nb_rshift, binary<"bitwise_right_shift", PyNumber_Rshift>),
    slot(Py_nb_inplace_add, inPlaceBinary<"add", PyNumber_Add>),
    slot(Py_nb_inplace_subtract, inPlaceBinary<"subtract", PyNumber_Subtract>),
    slot(Py_nb_inplace_multiply, inPlaceBinary<"multiply", PyNumber_Multiply>),
    slot(Py_nb_inplace_true_divide, inPlaceBinary<"divide", PyNumber_TrueDivide>),
    slot(Py_nb_inplace_floor_divide, inPlaceBinary<"floor_divide", PyNumber_FloorDivide>),
    slot(Py_nb_inplace_remainder, inPlaceBinary<"remainder", PyNumber_Remainder>),
    slot(Py_nb_inplace_power, inPlacePower),
    slot(Py_nb_inplace_and, inPlaceBinary<"bitwise_and", PyNumber_And>),
    slot(Py_nb_inplace_or, inPlaceBinary<"bitwise_or", PyNumber_Or>),
    slot(Py_nb_inplace_xor, inPlaceBinary<"bitwise_xor", PyNumber_Xor>),
    slot(Py_nb_negative, unary<"negative", PyNumber_Negative>),
    slot(Py_nb_positive, positive),
    slot(Py_nb_absolute, absolute),
    slot(Py_nb_invert, invert),
    slot(Py_nb_bool, truth),
    slot(Py_nb_int, asInteger),
    slot(Py_nb_float, asFloat),
    slot(Py_nb_index, asIndex),
    slot(Py_tp_richcompare, compare),
    {0, nullptr},
};
