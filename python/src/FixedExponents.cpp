// Powers by numbers that products compute.
#include "python/src/FixedExponents.h"

#include "dialects/Weft/IR/ElementBodies.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/Types.h"

using namespace weft;

/// The value of a Python number, as far as it can be a fixed exponent.
static std::optional<double> exponentOf(DType base, PyObject *number) {
  if (PyFloat_Check(number))
    return isFloating(base) ? std::optional(PyFloat_AS_DOUBLE(number)) : std::nullopt;
  if (!PyLong_Check(number))
    return std::nullopt;
  int overflow;
  long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  return overflow ? std::nullopt : std::optional(static_cast<double>(value));
}

std::optional<OpCall> weft::withFixedExponent(const OpCall &call, DType base, PyObject *exponent) {
  static const OpInfo &power = requireOp("pow");
  static const OpInfo &fixedPower = requireOp("weft.fixed_pow");
  if (call.op != &power || base == DType::Bool)
    return std::nullopt;
  std::optional<double> number = exponentOf(base, exponent);
  mlir::Type element = elementTypeOf(&Compiler::instance().context(), base);
  if (!number || !isFixedExponent(*number, element))
    return std::nullopt;
  OpCall fixed(fixedPower);
  fixed.set("exponent", *number);
  return fixed;
}
