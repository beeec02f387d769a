#include "lib/Runtime/ProgramFault.h"

#include "lib/Runtime/KernelFailure.h"
#include "lib/Support/Error.h"

#include <algorithm>
#include <string>

namespace weft {

/// What two programs, or one index, did wrong.
static std::string describe(int64_t dimension, int64_t index, int64_t size) {
  if (dimension < 0)
    return "programs " + std::to_string(std::min(index, size)) + " and " +
           std::to_string(std::max(index, size)) +
           " of the grid, counted row after row, store to one element; give each element one "
           "program";
  return "index " + std::to_string(index) + " of dimension " + std::to_string(dimension) +
         ", which has " + std::to_string(size) + " elements; leave it out by a mask";
}

void noteProgramFault(const char *site, int64_t dimension, int64_t index, int64_t size) noexcept {
  if (KernelFailure::isKept())
    return;
  std::string text = site, name = text.substr(0, text.find('\n'));
  Error error(Error::Kind::Index, text.substr(name.size() + 1) + " in kernel " + name + ": " +
                                      describe(dimension, index, size));
  KernelFailure::keep(std::make_exception_ptr(error));
}

} // namespace weft
