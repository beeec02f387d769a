// The primitives of weft.vmap.
#pragma once

#include <pybind11/pybind11.h>

namespace weft {

/// Adds example and batched to the module.
void registerFunctionalBatching(pybind11::module_ &module);

} // namespace weft
