// Functions bound by pybind11, which knows Python's exceptions only.
#pragma once

#include "python/src/Errors.h"

#include <pybind11/pybind11.h>

namespace weft {

/// Runs `body`, and turns the exceptions of Weft into those of pybind11.
template <typename Body> auto translated(Body &&body) {
  try {
    return body();
  } catch (const pybind11::error_already_set &) {
    throw;
  } catch (...) {
    setPythonError();
    throw pybind11::error_already_set();
  }
}

} // namespace weft
