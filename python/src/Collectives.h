// What connects this process to others, as Python sees it.
#pragma once

#include <pybind11/pybind11.h>

namespace weft {

void registerCollectives(pybind11::module_ &module);

} // namespace weft
