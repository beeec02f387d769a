// Programs that stand alone: traced functions with their weights.
#pragma once

#include "python/src/state/Specialization.h"

#include <pybind11/pybind11.h>

namespace weft {

/// A pair: the program (Python class Program) of a trace, and what the function returned, with a
/// ResultPlace in the place of each tensor. Throws if the function changed a state.
PyRef newProgram(const Specialization &traced, const FlatArguments &flat);

/// Adds the classes Program and ResultPlace to the module.
void registerProgram(pybind11::module_ &module);

} // namespace weft
