// Python's arithmetic on numbers among the arguments, beside what a trace makes of it.
#pragma once

#include "lib/Runtime/TensorSignature.h"
#include "python/src/PyRef.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weft {

/// One operation. The trace does the same in int64, float64 or bool, which is right as long as
/// Python's result is of the type that it was, and no error.
struct NumberStep {
  /// A number: of an argument, by its place among the numbers, or, after these, of an earlier step;
  /// or a constant, at place -1.
  struct Operand {
    int place = -1;
    PyRef constant = {};
  };
  using Unary = PyObject *(*)(PyObject *);
  using Binary = PyObject *(*)(PyObject *, PyObject *);

  /// One of the two.
  Unary unary = nullptr;
  Binary binary = nullptr;
  Operand left = {}, right = {};
  PyTypeObject *resultType = nullptr;
};

/// All operations of a trace, and the dtypes into which numbers have to fit.
class NumberTrace {
public:
  /// The place of the first step: behind those of the arguments.
  void begin(size_t argumentCount) { arguments = argumentCount; }
  /// Returns the place of the result.
  int add(NumberStep step);
  void requireFit(int place, DType dtype);
  /// True if the trace is right for all numbers of the arguments' types.
  bool isEmpty() const { return steps.empty() && fits.empty(); }

  /// True if the trace is right for these numbers; else `reason` says why not. Runs Python's
  /// arithmetic again, unless the numbers are those of the last time.
  bool holds(std::span<PyObject *const> numbers, std::string &reason);

private:
  size_t arguments = 0;
  std::vector<NumberStep> steps;
  std::vector<std::pair<int, DType>> fits;
  /// For which it held.
  std::vector<PyRef> lastNumbers;
};

} // namespace weft
