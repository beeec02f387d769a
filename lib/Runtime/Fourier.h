// Fourier transforms of complex and of real numbers.
#pragma once

#include <complex>
#include <cstdint>

namespace weft {

/// The n sums of x[j] exp(-2 pi i j k / n), or of exp(2 pi i j k / n) if `inverse` is not 0, of
/// float or double; without a factor.
template <typename T>
void fourier(const std::complex<T> *x, std::complex<T> *result, int64_t n, int64_t inverse);

/// The first n / 2 + 1 of these sums, of real numbers; the others are the conjugates.
template <typename T> void realFourier(const T *x, std::complex<T> *result, int64_t n);

/// The real numbers whose inverse transform begins with the `half` elements of x: 2 (half - 1), or
/// one more if `odd` is not 0.
template <typename T>
void inverseRealFourier(const std::complex<T> *x, T *result, int64_t half, int64_t odd);

} // namespace weft
