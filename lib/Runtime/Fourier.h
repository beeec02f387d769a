// Fourier transforms of complex numbers.
#pragma once

#include <complex>
#include <cstdint>

namespace weft {

/// The n sums of x[j] exp(-2 pi i j k / n), or of exp(2 pi i j k / n) if `inverse` is not 0, of
/// float or double; without a factor.
template <typename T>
void fourier(const std::complex<T> *x, std::complex<T> *result, int64_t n, int64_t inverse);

} // namespace weft
