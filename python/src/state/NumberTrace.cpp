// Whether a trace follows Python's arithmetic on other numbers, too.
#include "python/src/state/NumberTrace.h"

#include "python/src/Conversion.h"
#include "python/src/state/Guards.h"

#include <algorithm>

using namespace weft;

int NumberTrace::add(NumberStep step) {
  steps.push_back(std::move(step));
  return int(arguments + steps.size() - 1);
}

void NumberTrace::requireFit(int place, DType dtype) {
  std::pair entry(place, dtype);
  if (std::ranges::find(fits, entry) == fits.end())
    fits.push_back(entry);
}

/// Null with an exception set where Python raises one.
static PyRef resultOf(const NumberStep &step, std::span<const PyRef> values) {
  auto valueOf = [&](const NumberStep::Operand &operand) {
    return operand.place < 0 ? operand.constant.get() : values[size_t(operand.place)].get();
  };
  if (step.unary)
    return PyRef::steal(step.unary(valueOf(step.left)));
  return PyRef::steal(step.binary(valueOf(step.left), valueOf(step.right)));
}

bool NumberTrace::holds(std::span<PyObject *const> numbers, std::string &reason) {
  auto same = [](const PyRef &last, PyObject *now) { return sameConstant(last.get(), now); };
  if (std::ranges::equal(lastNumbers, numbers, same))
    return true;
  std::vector<PyRef> values;
  values.reserve(numbers.size() + steps.size());
  for (PyObject *number : numbers)
    values.push_back(PyRef::borrow(number));
  for (const NumberStep &step : steps) {
    PyRef result = resultOf(step, values);
    PyErr_Clear();
    bool isSame = result && Py_TYPE(result.get()) == step.resultType;
    if (!isSame || (PyLong_CheckExact(result.get()) && !numberFits(result.get(), DType::Int64))) {
      reason = "arithmetic on the numbers among the arguments gives another type, a number beyond "
               "int64 or an error";
      return false;
    }
    values.push_back(std::move(result));
  }
  for (auto [place, dtype] : fits)
    if (!numberFits(values[size_t(place)].get(), dtype)) {
      reason = "a number among the arguments, or computed of them, does not fit into " +
               std::string(dtypeName(dtype)) + " any more";
      return false;
    }
  lastNumbers.assign(values.begin(), values.begin() + std::ptrdiff_t(numbers.size()));
  return true;
}
