#include "lib/Runtime/ProgramFault.h"

#include "lib/Runtime/KernelFailure.h"
#include "lib/Runtime/artifact/failure.h"
#include "lib/Support/Error.h"

#include <cstring>
#include <string>

namespace weft {

void noteProgramFault(const char *site, int64_t dimension, int64_t index, int64_t size,
                      const void * /*place*/) noexcept {
  if (KernelFailure::isKept())
    return;
  // With room for what is said behind.
  std::string description(std::strlen(site) + 256, '\0');
  weft_text text = {description.data(), description.data() + description.size() - 1};
  weft_describe_failure(&text, site, dimension, index, size);
  description.resize(static_cast<size_t>(text.next - description.data()));
  KernelFailure::keep(std::make_exception_ptr(Error(Error::Kind::Index, description)));
}

} // namespace weft
