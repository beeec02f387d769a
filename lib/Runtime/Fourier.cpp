// Fourier transforms, by the library ducc.
#include "lib/Runtime/Fourier.h"

#include "lib/Support/LeastRecentlyUsed.h"

#include "ducc0/fft/fft1d_impl.h"

#include <algorithm>
#include <memory>
#include <mutex>

namespace weft {
namespace {

template <typename T> using Plan = ducc0::detail_fft::pocketfft_c<T>;

/// The tables of a transform of `n` numbers, kept for those that were last asked for, up to 64 MB.
/// A thread keeps its last one, as rows of one size follow each other.
template <typename T> const Plan<T> &planOf(size_t n) {
  constexpr size_t mostPlans = 64, mostBytes = size_t(64) << 20;
  static std::mutex mutex;
  static auto &plans =
      *new LeastRecentlyUsed<size_t, std::shared_ptr<const Plan<T>>>(mostPlans, mostBytes);
  thread_local size_t lastSize = 0;
  thread_local std::shared_ptr<const Plan<T>> last;
  if (lastSize == n)
    return *last;
  std::lock_guard lock(mutex);
  last = plans.find(n);
  if (!last)
    last = plans.insert(n, std::make_shared<const Plan<T>>(n), 2 * n * sizeof(std::complex<T>));
  lastSize = n;
  return *last;
}

} // namespace

template <typename T>
void fourier(const std::complex<T> *x, std::complex<T> *result, int64_t n, int64_t inverse) {
  if (n == 0)
    return;
  std::copy_n(x, n, result);
  auto *numbers = reinterpret_cast<ducc0::Cmplx<T> *>(result);
  planOf<T>(size_t(n)).exec(numbers, T(1), inverse == 0);
}

template void fourier(const std::complex<float> *, std::complex<float> *, int64_t, int64_t);
template void fourier(const std::complex<double> *, std::complex<double> *, int64_t, int64_t);

} // namespace weft
