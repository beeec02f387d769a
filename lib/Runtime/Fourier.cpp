// Fourier transforms, by the library ducc.
#include "lib/Runtime/Fourier.h"

#include "lib/Support/LeastRecentlyUsed.h"

#include "ducc0/fft/fft1d_impl.h"

#include <algorithm>
#include <memory>
#include <mutex>

namespace weft {
namespace {

template <typename T> using ComplexPlan = ducc0::detail_fft::pocketfft_c<T>;
template <typename T> using RealPlan = ducc0::detail_fft::pocketfft_r<T>;

/// The tables of a transform of `n` numbers, `bytes` large, kept for those that were last asked
/// for, up to 64 MB of a kind. A thread keeps its last one, as rows of one size follow each other.
template <typename Plan> const Plan &planOf(size_t n, size_t bytes) {
  constexpr size_t mostPlans = 64, mostBytes = size_t(64) << 20;
  static std::mutex mutex;
  static auto &plans =
      *new LeastRecentlyUsed<size_t, std::shared_ptr<const Plan>>(mostPlans, mostBytes);
  thread_local size_t lastSize = 0;
  thread_local std::shared_ptr<const Plan> last;
  if (lastSize == n)
    return *last;
  std::lock_guard lock(mutex);
  last = plans.find(n);
  if (!last)
    last = plans.insert(n, std::make_shared<const Plan>(n), bytes);
  lastSize = n;
  return *last;
}

template <typename T> const RealPlan<T> &realPlanOf(size_t n) {
  return planOf<RealPlan<T>>(n, 2 * n * sizeof(T));
}

} // namespace

template <typename T>
void fourier(const std::complex<T> *x, std::complex<T> *result, int64_t n, int64_t inverse) {
  if (n == 0)
    return;
  std::copy_n(x, n, result);
  auto *numbers = reinterpret_cast<ducc0::Cmplx<T> *>(result);
  const auto &plan = planOf<ComplexPlan<T>>(size_t(n), 2 * size_t(n) * sizeof(*numbers));
  plan.exec(numbers, T(1), inverse == 0);
}

/// The library has the parts of sums in a row, but for the imaginary parts that are always 0: of
/// the first one, and of the last one of an even number.
template <typename T> void realFourier(const T *x, std::complex<T> *result, int64_t n) {
  T *parts = reinterpret_cast<T *>(result);
  std::copy_n(x, n, parts + 1);
  realPlanOf<T>(size_t(n)).exec(parts + 1, T(1), true);
  parts[0] = parts[1];
  parts[1] = 0;
  if (n % 2 == 0)
    parts[n + 1] = 0;
}

template <typename T>
void inverseRealFourier(const std::complex<T> *x, T *result, int64_t half, int64_t odd) {
  int64_t n = 2 * (half - 1) + (odd ? 1 : 0);
  result[0] = x[0].real();
  std::copy_n(reinterpret_cast<const T *>(x + 1), n - 1, result + 1);
  realPlanOf<T>(size_t(n)).exec(result, T(1), false);
}

template void fourier(const std::complex<float> *, std::complex<float> *, int64_t, int64_t);
template void fourier(const std::complex<double> *, std::complex<double> *, int64_t, int64_t);
template void realFourier(const float *, std::complex<float> *, int64_t);
template void realFourier(const double *, std::complex<double> *, int64_t);
template void inverseRealFourier(const std::complex<float> *, float *, int64_t, int64_t);
template void inverseRealFourier(const std::complex<double> *, double *, int64_t, int64_t);

} // namespace weft
