// The primitives of weft.grad and its relatives.
#pragma once

#include <pybind11/pybind11.h>

namespace weft {

/// Adds differentiation_input and gradients to the module.
void registerFunctionalGradient(pybind11::module_ &module);

} // namespace weft
