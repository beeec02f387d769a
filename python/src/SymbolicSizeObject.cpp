// Arithmetic and comparisons of sizes that have no number yet.
#include "python/src/SymbolicSizeObject.h"

#include "lib/Support/SymbolicSize.h"
#include "python/src/TensorObject.h"
#include "python/src/Translated.h"

namespace py = pybind11;
using namespace weft;

namespace {

struct SymbolicSize {
  int64_t handle;
};

py::object notImplemented() { return py::reinterpret_borrow<py::object>(Py_NotImplemented); }

/// The other operand of an operator: a size; nothing for what is none.
std::optional<int64_t> operand(const py::object &object) {
  if (auto handle = symbolicSizeOf(object.ptr()))
    return handle;
  if (!PyLong_Check(object.ptr()))
    return std::nullopt;
  return sizeFrom(object.ptr(), "an operand of a size");
}

using Arithmetic = int64_t (*)(int64_t, int64_t);

/// Floats are refused here, so that the message says what to do instead; tensors answer themselves.
py::object combined(const py::object &left, const py::object &right, Arithmetic arithmetic) {
  return translated([&]() -> py::object {
    auto first = operand(left), second = operand(right);
    if (first && second)
      return sizeObject(arithmetic(*first, *second));
    for (auto [object, size] : {std::pair(left, second), std::pair(right, first)})
      if (size && PyFloat_Check(object.ptr()))
        throwUnknownSize(*size, "arithmetic with a float");
    return notImplemented();
  });
}

int64_t floorQuotient(int64_t left, int64_t right) {
  if (!isSymbolicSize(right) && right > 0)
    return floorDivideSize(left, right);
  if (auto exact = divideSizesExactly(left, right))
    return *exact;
  throwUnknownSize(isSymbolicSize(right) ? right : left, "this division");
}

int64_t remainder(int64_t left, int64_t right) {
  if (divideSizesExactly(left, right))
    return 0;
  throwUnknownSize(isSymbolicSize(left) ? left : right, "a remainder");
}

int64_t power(int64_t left, int64_t right) {
  if (isSymbolicSize(right))
    throwUnknownSize(right, "an exponent");
  if (right < 0 || right > 8)
    throwUnknownSize(left, "this power");
  int64_t product = 1;
  for (int64_t i = 0; i < right; ++i)
    product = multiplySizes(product, left);
  return product;
}

/// Whether `left` is at least `right` for all values of the symbols, which are not negative;
/// nothing if that depends on them.
std::optional<bool> isAtLeast(int64_t left, int64_t right) {
  const SizeExpression difference = expressionOf(subtractSizes(left, right));
  int64_t constant = 0;
  bool grows = false, shrinks = false;
  for (const auto &[factors, coefficient] : difference) {
    for (const SizeFactor &factor : factors)
      if (factor.symbol.empty() && isAtLeast(factor.dividend, 0) != true)
        return std::nullopt;
    if (factors.empty())
      constant = coefficient;
    else
      (coefficient > 0 ? grows : shrinks) = true;
  }
  if (!shrinks && constant >= 0)
    return true;
  if (!grows && constant < 0)
    return false;
  return std::nullopt;
}

/// `left >= right`, or the opposite. Throws if that can't be told.
py::object compared(const py::object &left, const py::object &right, bool negated,
                    const char *action) {
  return translated([&]() -> py::object {
    auto first = operand(left), second = operand(right);
    if (!first || !second) {
      for (auto size : {first, second})
        if (size && isSymbolicSize(*size) &&
            (PyFloat_Check(left.ptr()) || PyFloat_Check(right.ptr())))
          throwUnknownSize(*size, action);
      return notImplemented();
    }
    if (auto known = isAtLeast(*first, *second))
      return py::bool_(*known != negated);
    throwUnknownSize(isSymbolicSize(*first) ? *first : *second, action);
  });
}

[[noreturn]] void refuse(const SymbolicSize &size, const char *action) {
  translated([&] {
    throwUnknownSize(size.handle, action);
    return 0;
  });
  std::terminate();
}

bool isPositive(const SymbolicSize &size) {
  if (isAtLeast(size.handle, 1) == true)
    return true;
  refuse(size, "the truth value (`if size:`)");
}

void addArithmetic(py::class_<SymbolicSize> &type) {
  struct Operator {
    const char *name;
    Arithmetic arithmetic;
  };
  for (auto [name, arithmetic] : {Operator{"add", addSizes},
                                  {"sub", subtractSizes},
                                  {"mul", static_cast<Arithmetic>(multiplySizes)},
                                  {"floordiv", floorQuotient},
                                  {"mod", remainder},
                                  {"pow", power}}) {
    Arithmetic function = arithmetic;
    std::string text = name;
    type.def(("__" + text + "__").c_str(),
             [function](const py::object &self, const py::object &other) {
               return combined(self, other, function);
             });
    type.def(("__r" + text + "__").c_str(),
             [function](const py::object &self, const py::object &other) {
               return combined(other, self, function);
             });
  }
  type.def("__neg__", [](const SymbolicSize &size) {
    return translated([&] { return sizeObject(subtractSizes(0, size.handle)); });
  });
  type.def("__pos__", [](py::object self) { return self; });
}

void addComparisons(py::class_<SymbolicSize> &type) {
  type.def("__eq__", [](const SymbolicSize &size, const py::object &other) -> py::object {
    if (auto handle = symbolicSizeOf(other.ptr()))
      return py::bool_(*handle == size.handle);
    return PyLong_Check(other.ptr()) ? py::bool_(false) : notImplemented();
  });
  type.def("__hash__", [](const SymbolicSize &size) { return size.handle; });
  type.def("__ge__", [](const py::object &self, const py::object &other) {
    return compared(self, other, false, "the comparison >=");
  });
  type.def("__lt__", [](const py::object &self, const py::object &other) {
    return compared(self, other, true, "the comparison <");
  });
  type.def("__le__", [](const py::object &self, const py::object &other) {
    return compared(other, self, false, "the comparison <=");
  });
  type.def("__gt__", [](const py::object &self, const py::object &other) {
    return compared(other, self, true, "the comparison >");
  });
}

/// What would need the number.
void addRefusals(py::class_<SymbolicSize> &type) {
  type.def("__bool__", isPositive);
  type.def("__index__", [](const SymbolicSize &size) -> int {
    refuse(size, "a range(), an index or another use of a plain integer");
  });
  type.def("__int__", [](const SymbolicSize &size) -> int { refuse(size, "int()"); });
  type.def("__float__", [](const SymbolicSize &size) -> double { refuse(size, "float()"); });
  auto divide = [](const py::object &self, const py::object &other) -> py::object {
    if (isTensor(other.ptr()))
      return notImplemented();
    refuse(self.cast<const SymbolicSize &>(), "the division /");
  };
  type.def("__truediv__", divide);
  type.def("__rtruediv__", divide);
}

} // namespace

py::object weft::sizeObject(int64_t size) {
  if (isSymbolicSize(size))
    return py::cast(SymbolicSize{size});
  return py::int_(size);
}

std::optional<int64_t> weft::symbolicSizeOf(PyObject *object) {
  if (!py::isinstance<SymbolicSize>(object))
    return std::nullopt;
  return py::handle(object).cast<const SymbolicSize &>().handle;
}

int64_t weft::sizeFrom(PyObject *object, const char *what) {
  if (!PyLong_Check(object))
    if (auto handle = symbolicSizeOf(object))
      return *handle;
  PyRef index = PyRef::steal(PyNumber_Index(object));
  if (!index) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(errorClass("WeftError")))
      throwError("DTypeError",
                 std::string(what) + " has to be integers, not " + Py_TYPE(object)->tp_name);
    throw PythonError();
  }
  long long value = PyLong_AsLongLong(index.get());
  if (value == -1 && PyErr_Occurred())
    throw PythonError();
  if (isSymbolicSize(value))
    throwError("OutOfRangeError", std::to_string(value) + " is larger than any size");
  return value;
}

void weft::throwUnknownSize(int64_t size, const char *action) {
  throwError("ConcretizationError",
             std::string(action) + " needs the size " + sizeText(size) +
                 ", which is not known while exporting. Compute with sizes by + - * //, take "
                 "weft.asarray(size) for the number as a tensor, or export for a fixed size, given "
                 "as a number in the spec");
}

PyRef weft::tupleOf(const Shape &numbers) {
  PyRef tuple = checked(PyTuple_New(Py_ssize_t(numbers.size())));
  for (size_t i = 0; i < numbers.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), Py_ssize_t(i),
                     isSymbolicSize(numbers[i])
                         ? sizeObject(numbers[i]).release().ptr()
                         : checked(PyLong_FromLongLong(numbers[i])).release());
  return tuple;
}

void weft::registerSymbolicSize(py::module_ &module) {
  py::class_<SymbolicSize> type(
      module, "SymbolicSize",
      "A size that is not known while a function is exported, as the n of `weft.spec((\"n\", "
      "3))`.\n"
      "\n"
      "+ - * // with sizes and ints give sizes. Sizes are equal if their formulas are; any other\n"
      "question whose answer depends on the number raises ConcretizationError.");
  addArithmetic(type);
  addComparisons(type);
  addRefusals(type);
  type.def("__repr__", [](const SymbolicSize &size) { return sizeText(size.handle); });
  type.def("__str__", [](const SymbolicSize &size) { return sizeText(size.handle); });
  module.def("parse_size", [](const std::string &text) {
    return translated([&]() -> py::object {
      if (auto size = parseSize(text))
        return sizeObject(*size);
      return py::none();
    });
  });
  module.def("size_quotient", [](py::object dividend, py::object divisor) {
    return translated([&]() -> py::object {
      auto quotient =
          divideSizesExactly(sizeFrom(dividend.ptr(), "a size"), sizeFrom(divisor.ptr(), "a size"));
      return quotient ? sizeObject(*quotient) : py::none();
    });
  });
}
