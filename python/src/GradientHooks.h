// Functions of the user that see gradients while they are computed.
#pragma once

#include "python/src/TensorObject.h"

#include <pybind11/pybind11.h>

namespace weft {

/// A tensor with the gradient, which has a history if that was recorded. Throws.
PyRef tensorOf(const TapeInput &gradient);

/// Calls what was registered of the leaf once its `.grad` is up to date. Throws.
void callAccumulated(const Leaf &leaf);

/// Adds gradient_hooks and set_gradient_hooks.
void registerGradientHooks(pybind11::module_ &module);

} // namespace weft
