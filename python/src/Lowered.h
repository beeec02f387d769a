// The Python view of a traced function: its IR and its kernels.
#pragma once

#include "python/src/state/Specialization.h"

#include <pybind11/pybind11.h>

namespace weft {

/// A Python object of class Lowered. Throws.
PyRef newLowered(const Specialization &specialization, bool prepare);

/// Adds the class Lowered to the module.
void registerLowered(pybind11::module_ &module);

} // namespace weft
