// The element of a tensor of one element, as a Python number.
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// `action` ("float()") asks for the element. In a trace only what was computed from Python numbers
/// among the arguments has one. Throws.
PyRef elementOf(TensorObject *tensor, const char *action);

} // namespace weft
