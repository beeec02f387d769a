#include "lib/Runtime/ProgramFault.h"

#include "lib/Runtime/KernelFailure.h"
#include "lib/Runtime/Plan.h"
#include "lib/Runtime/artifact/failure.h"
#include "lib/Support/Error.h"

#include <cstring>
#include <string>

namespace weft {

static Error describe(const char *site, int64_t dimension, int64_t index, int64_t size) {
  // With room for what is said behind.
  std::string description(std::strlen(site) + 256, '\0');
  weft_text text = {description.data(), description.data() + description.size() - 1};
  weft_describe_failure(&text, site, dimension, index, size);
  description.resize(static_cast<size_t>(text.next - description.data()));
  return {Error::Kind::Index, description};
}

void noteProgramFault(const char *site, int64_t dimension, int64_t index, int64_t size,
                      const void * /*place*/) noexcept {
  if (KernelFailure::isKept())
    return;
  KernelFailure::keep(std::make_exception_ptr(describe(site, dimension, index, size)));
}

void throwProgramFaults(Device &device, const DeviceLaunch &launch) {
  const std::vector<FaultSite> &sites = launch.launch->deviceFunction->faultSites;
  if (sites.empty())
    return;
  struct Words {
    uint64_t first, second;
  };
  std::vector<Words> noted(sites.size());
  device.readAt(noted.data(), launch.pointers.back(), noted.size() * sizeof(Words));
  for (size_t number = 0; number < sites.size(); ++number) {
    const auto &[first, second] = noted[number];
    const FaultSite &site = sites[number];
    if (second == 0)
      continue;
    if (site.dimension < 0)
      throw describe(site.text.c_str(), -1, static_cast<int64_t>(~first >> 32),
                     static_cast<int64_t>(~first & 0xffffffff));
    throw describe(site.text.c_str(), site.dimension,
                   static_cast<int64_t>(first ^ (uint64_t(1) << 63)),
                   static_cast<int64_t>(second - 1));
  }
}

} // namespace weft
