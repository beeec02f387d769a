#include "lib/Runtime/KernelFailure.h"

#include <utility>

namespace weft {

constinit thread_local bool KernelFailure::kept = false;
static thread_local std::exception_ptr first;

void KernelFailure::keep(std::exception_ptr failure) noexcept {
  if (kept)
    return;
  first = std::move(failure);
  kept = true;
}

void KernelFailure::throwKept() {
  kept = false;
  std::rethrow_exception(std::exchange(first, nullptr));
}

} // namespace weft
