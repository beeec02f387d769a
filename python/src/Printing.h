// print() in functions that are traced.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace weft {

/// Lets traces see what is printed, and adds what weft._printing needs to the module. Throws.
void registerPrinting(pybind11::module_ &module);

/// While it lives, the first `count` calls of print() on this thread print nothing: they did
/// before.
class PrintsSkipped {
public:
  explicit PrintsSkipped(size_t count);
  ~PrintsSkipped();
  PrintsSkipped(const PrintsSkipped &) = delete;
  PrintsSkipped &operator=(const PrintsSkipped &) = delete;

private:
  size_t former;
};

} // namespace weft
