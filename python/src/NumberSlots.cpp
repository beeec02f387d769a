// Python's operators on tensors.
#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/TraceScope.h"

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

template <Name name> PyObject *unary(PyObject *x) {
  return guarded([&] { return applyOperator(callOf<name>(), {{x}}).release(); });
}

template <Name name> PyObject *binary(PyObject *x, PyObject *y) {
  return guarded([&] { return applyOperator(callOf<name>(), {{x, y}}).release(); });
}

PyObject *power(PyObject *x, PyObject *y, PyObject *modulus) {
  if (modulus != Py_None)
    return Py_NewRef(Py_NotImplemented);
  return binary<"pow">(x, y);
}

PyObject *matmul(PyObject *x, PyObject *y) {
  return guarded([&]() -> PyObject * {
    static PyObject *function = [] {
      PyRef module = checked(PyImport_ImportModule("weft._linear"));
      return checked(PyObject_GetAttrString(module.get(), "matmul")).release();
    }();
    PyObject *arguments[] = {x, y};
    return PyObject_Vectorcall(function, arguments, 2, nullptr);
  });
}

/// Rebinds the left operand to the result of the operator, in its own dtype.
PyObject *inPlace(PyObject *x, PyObject *y, PyObject *(*operation)(PyObject *, PyObject *)) {
  PyRef result = PyRef::steal(operation(x, y));
  if (!result || result.get() == Py_NotImplemented)
    return result.release();
  return guarded([&] {
    TensorObject *target = asTensor(x);
    checkInPlace(target, "an in-place operator");
    if (asTensor(result.get())->value.shape != target->value.shape)
      throwError("ShapeError", "an in-place operator would change the shape from " +
                                   shapeTuple(target->value.shape) + " to " +
                                   shapeTuple(asTensor(result.get())->value.shape));
    if (asTensor(result.get())->value.dtype != target->value.dtype) {
      OpCall cast(requireOp("weft.cast"));
      cast.resultDType = target->value.dtype;
      cast.resultShape = target->value.shape;
      result = apply(cast, {{result.get()}});
    }
    adopt(target, asTensor(result.get()));
    return Py_NewRef(x);
  });
}

template <Name name> PyObject *inPlaceBinary(PyObject *x, PyObject *y) {
  return inPlace(x, y, binary<name>);
}

PyObject *inPlacePower(PyObject *x, PyObject *y, PyObject *) {
  return inPlace(x, y, binary<"pow">);
}

/// `~x`: of bools and of integers.
PyObject *invert(PyObject *x) { return unary<"bitwise_invert">(x); }

PyObject *positive(PyObject *x) { return Py_NewRef(x); }

int truth(PyObject *x) {
  return guarded(-1, [&] {
    PyRef element = elementOf(asTensor(x), "bool()");
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
    if (!isInteger(asTensor(x)->value.dtype))
      throwError("DTypeError", "a tensor of dtype " +
                                   std::string(dtypeName(asTensor(x)->value.dtype)) +
                                   " is no index: only integers are");
    return PyNumber_Index(elementOf(asTensor(x), "an index").get());
  });
}

PyObject *compare(PyObject *x, PyObject *y, int operation) {
  switch (operation) {
  case Py_EQ:
    return binary<"equal">(x, y);
  case Py_NE:
    return binary<"not_equal">(x, y);
  case Py_LT:
    return binary<"less">(x, y);
  case Py_LE:
    return binary<"less_equal">(x, y);
  case Py_GT:
    return binary<"greater">(x, y);
  default:
    return binary<"greater_equal">(x, y);
  }
}

template <typename Function> PyType_Slot slot(int number, Function *function) noexcept {
  return {number, reinterpret_cast<void *>(function)};
}

} // namespace

PyType_Slot weft::numberSlots[] = {
    slot(Py_nb_add, binary<"add">),
    slot(Py_nb_subtract, binary<"subtract">),
    slot(Py_nb_multiply, binary<"multiply">),
    slot(Py_nb_true_divide, binary<"divide">),
    slot(Py_nb_floor_divide, binary<"floor_divide">),
    slot(Py_nb_remainder, binary<"remainder">),
    slot(Py_nb_power, power),
    slot(Py_nb_matrix_multiply, matmul),
    slot(Py_nb_and, binary<"bitwise_and">),
    slot(Py_nb_or, binary<"bitwise_or">),
    slot(Py_nb_xor, binary<"bitwise_xor">),
    slot(Py_nb_lshift, binary<"bitwise_left_shift">),
    slot(Py_nb_rshift, binary<"bitwise_right_shift">),
    slot(Py_nb_inplace_add, inPlaceBinary<"add">),
    slot(Py_nb_inplace_subtract, inPlaceBinary<"subtract">),
    slot(Py_nb_inplace_multiply, inPlaceBinary<"multiply">),
    slot(Py_nb_inplace_true_divide, inPlaceBinary<"divide">),
    slot(Py_nb_inplace_floor_divide, inPlaceBinary<"floor_divide">),
    slot(Py_nb_inplace_remainder, inPlaceBinary<"remainder">),
    slot(Py_nb_inplace_power, inPlacePower),
    slot(Py_nb_inplace_and, inPlaceBinary<"bitwise_and">),
    slot(Py_nb_inplace_or, inPlaceBinary<"bitwise_or">),
    slot(Py_nb_inplace_xor, inPlaceBinary<"bitwise_xor">),
    slot(Py_nb_negative, unary<"negative">),
    slot(Py_nb_positive, positive),
    slot(Py_nb_absolute, unary<"abs">),
    slot(Py_nb_invert, invert),
    slot(Py_nb_bool, truth),
    slot(Py_nb_int, asInteger),
    slot(Py_nb_float, asFloat),
    slot(Py_nb_index, asIndex),
    slot(Py_tp_richcompare, compare),
    {0, nullptr},
};
