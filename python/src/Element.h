// The element of a tensor of one element, as a Python number.
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// The Python number that lies at `place`. Throws.
PyRef elementAt(const void *place, DType dtype);

/// `action` ("float()") asks for the element. Throws.
PyRef elementOf(TensorObject *tensor, const char *action);

} // namespace weft
