// Powers by numbers that products compute.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/PyRef.h"

#include <optional>

namespace weft {

/// `weft.fixed_pow` of a tensor of dtype `base`, where `call` is a power of it by the Python number
/// `exponent` and this exponent has products that keep the dtype; else nothing.
std::optional<OpCall> withFixedExponent(const OpCall &call, DType base, PyObject *exponent);

} // namespace weft
