#include "lib/Runtime/ProgramFault.h"

#include "lib/Support/Error.h"

#include <algorithm>
#include <string>

namespace weft {
namespace {

struct Fault {
  const char *site = nullptr;
  int64_t dimension = 0, index = 0, size = 0;
};

constinit thread_local Fault fault;

} // namespace

void noteProgramFault(const char *site, int64_t dimension, int64_t index, int64_t size) noexcept {
  if (!fault.site)
    fault = {site, dimension, index, size};
}

void throwIfProgramFaulted() {
  if (!fault.site) [[likely]]
    return;
  Fault found = fault;
  fault = {};
  std::string text = found.site, name = text.substr(0, text.find('\n'));
  if (found.dimension < 0)
    throw Error(Error::Kind::Index,
                text.substr(name.size() + 1) + " in kernel " + name + ": programs " +
                    std::to_string(std::min(found.index, found.size)) + " and " +
                    std::to_string(std::max(found.index, found.size)) +
                    " of the grid, counted row after row, store to one element; give each element "
                    "one program");
  throw Error(Error::Kind::Index, text.substr(name.size() + 1) + " in kernel " + name + ": index " +
                                      std::to_string(found.index) + " of dimension " +
                                      std::to_string(found.dimension) + ", which has " +
                                      std::to_string(found.size) +
                                      " elements; leave it out by a mask");
}

} // namespace weft
