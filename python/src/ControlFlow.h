// Control flow in the trace in progress: regions, and the ops that take them.
#pragma once

#include <pybind11/pybind11.h>

namespace weft {

void registerControlFlow(pybind11::module_ &module);

} // namespace weft
