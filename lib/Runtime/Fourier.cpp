// Fourier transforms, by the library ducc.
#include "lib/Runtime/Fourier.h"

#include "lib/Support/LeastRecentlyUsed.h"

#include "ducc0/fft/fft1d_impl.h"

#include <algorithm>
#include <memory>
#include <mutex>

namespace weft {
namespace {

/// The tables of a transform of `n` numbers, kept for those that were last asked for.
template <typename T> std::shared_ptr<const ducc0::detail_fft::pocketfft_c<T>> planOf(size_t n) {
  using Plan = ducc0::detail_fft::pocketfft_c<T>;
  constexpr size_t mostPlans = 16;
  static std::mutex mutex;
  static auto &plans = *new LeastRecentlyUsed<size_t, std::shared_ptr<const Plan>>(mostPlans);
  std::lock_guard lock(mutex);
  if (auto found = plans.find(n))
    return found;
  return plans.insert(n, std::make_shared<const Plan>(n));
}

} // namespace

template <typename T>
void fourier(const std::complex<T> *x, std::complex<T> *result, int64_t n, int64_t inverse) {
  if (n == 0)
    return;
  std::copy_n(x, n, result);
  auto *numbers = reinterpret_cast<ducc0::Cmplx<T> *>(result);
  planOf<T>(size_t(n))->exec(numbers, T(1), inverse == 0);
}

template void fourier(const std::complex<float> *, std::complex<float> *, int64_t, int64_t);
template void fourier(const std::complex<double> *, std::complex<double> *, int64_t, int64_t);

} // namespace weft
