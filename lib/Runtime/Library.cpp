#include "lib/Runtime/Library.h"

#include "lib/Runtime/Fourier.h"
#include "lib/Runtime/ProgramFault.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

namespace weft {
namespace {

template <typename T> struct PartOf {
  using Type = T;
};
template <typename T> struct PartOf<std::complex<T>> {
  using Type = T;
};
template <typename T> using Part = typename PartOf<T>::Type;
template <typename T> constexpr bool isComplex = !std::is_same_v<T, Part<T>>;

/// The functions of LAPACK and BLAS for one type of elements, as Fortran has them. Matrices are
/// column-major there.
template <typename T> struct Lapack {
  using Real = Part<T>;
  void (*potrf)(char *uplo, int *n, T *a, int *lda, int *info);
  void (*gesv)(int *n, int *k, T *a, int *lda, int *pivots, T *b, int *ldb, int *info);
  void (*getrf)(int *m, int *n, T *a, int *lda, int *pivots, int *info);
  void (*geqrf)(int *m, int *n, T *a, int *lda, T *tau, T *work, int *lwork, int *info);
  /// orgqr, or ungqr.
  void (*orgqr)(int *m, int *n, int *k, T *a, int *lda, T *tau, T *work, int *lwork, int *info);
  void (*trsm)(char *side, char *uplo, char *trans, char *diag, int *m, int *n, T *alpha, T *a,
               int *lda, T *b, int *ldb);
  /// syevd; heevd and those below have other arguments for complex numbers.
  void *heevd, *gesdd, *geev;

  static Lapack &instance() {
    static Lapack functions{};
    return functions;
  }

  template <typename Function> static bool load(Function &slot, void *address) {
    slot = reinterpret_cast<Function>(address);
    return address != nullptr;
  }

  /// Finds all functions, whose names begin with a letter for the type.
  bool find(const std::function<void *(const char *)> &find) {
    auto named = [&](const char *name) {
      constexpr char letter =
          isComplex<T> ? (sizeof(Real) == 4 ? 'c' : 'z') : (sizeof(Real) == 4 ? 's' : 'd');
      return find((std::string(1, letter) + name).c_str());
    };
    bool isHere = load(potrf, named("potrf")) && load(gesv, named("gesv")) &&
                  load(getrf, named("getrf")) && load(geqrf, named("geqrf")) &&
                  load(orgqr, named(isComplex<T> ? "ungqr" : "orgqr")) &&
                  load(trsm, named("trsm")) && load(gesdd, named("gesdd"));
    isHere = isHere && load(heevd, named(isComplex<T> ? "heevd" : "syevd"));
    return isHere && load(geev, named("geev"));
  }
};

template <typename T> T missing() { return T(std::numeric_limits<Part<T>>::quiet_NaN()); }

template <typename T> void fillMissing(T *elements, int64_t count) {
  if (elements)
    std::fill_n(elements, count, missing<T>());
}

/// False if an element is infinite or NaN: LAPACK's iterations may not end well with these.
template <typename T> bool areFinite(const T *x, int64_t count) {
  return std::all_of(x, x + count, [](const T &element) {
    return std::isfinite(std::real(element)) && std::isfinite(std::imag(element));
  });
}

/// A copy of a row-major matrix in the order of columns, and back.
template <typename T> std::vector<T> byColumns(const T *x, int64_t rows, int64_t columns) {
  std::vector<T> result(size_t(rows * columns));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      result[size_t(j * rows + i)] = x[i * columns + j];
  return result;
}
template <typename T>
void byRows(const T *x, T *result, int64_t rows, int64_t columns, int64_t distance) {
  for (int64_t i = 0; result && i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      result[i * columns + j] = x[j * distance + i];
}

/// How much work space a call of LAPACK says that it wants, in the first element of what it gave.
template <typename T> int wanted(T first) { return std::max(1, int(std::real(first))); }

int leading(int64_t rows) { return int(std::max<int64_t>(1, rows)); }

/// The row-major matrix is the transpose of LAPACK's, which is the conjugate, as it is Hermitian;
/// and so the transpose of its upper factor U is the lower one.
template <typename T> void cholesky(const T *x, T *result, int64_t n, int64_t) {
  std::copy_n(x, n * n, result);
  char uplo = 'U';
  int size = int(n), lda = leading(n), info = 0;
  if (n > 0)
    Lapack<T>::instance().potrf(&uplo, &size, result, &lda, &info);
  if (info != 0)
    return fillMissing(result, n * n);
  for (int64_t i = 0; i < n; ++i)
    std::fill(result + i * n + i + 1, result + (i + 1) * n, T(0));
}

template <typename T>
void solve(const T *lhs, const T *rhs, T *result, int64_t n, int64_t, int64_t, int64_t k) {
  std::vector<T> a = byColumns(lhs, n, n), b = byColumns(rhs, n, k);
  std::vector<int> pivots(size_t(std::max<int64_t>(1, n)));
  int size = int(n), count = int(k), lda = leading(n), info = 0;
  if (n > 0 && k > 0)
    Lapack<T>::instance().gesv(&size, &count, a.data(), &lda, pivots.data(), b.data(), &lda, &info);
  if (info != 0)
    return fillMissing(result, n * k);
  byRows(b.data(), result, n, k, n);
}

/// Row-major X^T A^T = B^T is, for LAPACK, X A = B with the other triangle.
template <typename T>
void solveTriangular(const T *lhs, const T *rhs, T *result, int64_t n, int64_t, int64_t, int64_t k,
                     int64_t lower, int64_t unitDiagonal) {
  std::copy_n(rhs, n * k, result);
  char side = 'R', uplo = lower ? 'U' : 'L', trans = 'N', diag = unitDiagonal ? 'U' : 'N';
  int rows = int(k), columns = int(n), lda = leading(n), ldb = leading(k);
  T one(1);
  if (n > 0 && k > 0)
    Lapack<T>::instance().trsm(&side, &uplo, &trans, &diag, &rows, &columns, &one,
                               const_cast<T *>(lhs), &lda, result, &ldb);
}

/// A factor of 0 is no error: it is in the result.
template <typename T> void lu(const T *x, T *factors, int64_t *permutation, int64_t n, int64_t) {
  std::vector<T> a = byColumns(x, n, n);
  std::vector<int> pivots(size_t(std::max<int64_t>(1, n)));
  int size = int(n), lda = leading(n), info = 0;
  if (n > 0)
    Lapack<T>::instance().getrf(&size, &size, a.data(), &lda, pivots.data(), &info);
  byRows(a.data(), factors, n, n, n);
  if (!areFinite(x, n * n))
    fillMissing(factors, n * n);
  if (!permutation)
    return;
  std::iota(permutation, permutation + n, int64_t(0));
  for (int64_t i = 0; i < n; ++i)
    std::swap(permutation[i], permutation[pivots[size_t(i)] - 1]);
}

template <typename T> void qr(const T *x, T *q, T *r, int64_t m, int64_t n, int64_t full) {
  const Lapack<T> &lapack = Lapack<T>::instance();
  int64_t side = std::min(m, n), inner = full ? m : side;
  std::vector<T> a = byColumns(x, m, n), tau(size_t(std::max<int64_t>(1, side)));
  a.resize(size_t(m * std::max(n, inner)));
  int rows = int(m), columns = int(n), lda = leading(m), info = 0, ask = -1;
  T first(0);
  if (side > 0) {
    lapack.geqrf(&rows, &columns, a.data(), &lda, tau.data(), &first, &ask, &info);
    int count = wanted(first);
    std::vector<T> work(static_cast<size_t>(count));
    lapack.geqrf(&rows, &columns, a.data(), &lda, tau.data(), work.data(), &count, &info);
  }
  for (int64_t i = 0; r && i < inner; ++i)
    for (int64_t j = 0; j < n; ++j)
      r[i * n + j] = i <= j ? a[size_t(j * m + i)] : T(0);
  if (!q)
    return;
  int width = int(inner), reflections = int(side);
  if (inner > 0) {
    lapack.orgqr(&rows, &width, &reflections, a.data(), &lda, tau.data(), &first, &ask, &info);
    int count = wanted(first);
    std::vector<T> work(static_cast<size_t>(count));
    lapack.orgqr(&rows, &width, &reflections, a.data(), &lda, tau.data(), work.data(), &count,
                 &info);
  }
  byRows(a.data(), q, m, inner, m);
}

/// One call of syevd or heevd, with the sizes of its work spaces or -1 to ask for them.
template <typename T>
int eighCall(char *job, int *n, T *a, Part<T> *values, std::vector<T> &work, int lwork,
             std::vector<Part<T>> &real, int lreal, std::vector<int> &integers, int lintegers) {
  char uplo = 'U'; // row-major: the lower triangle
  int lda = leading(*n), info = 0;
  void *function = Lapack<T>::instance().heevd;
  if constexpr (isComplex<T>)
    reinterpret_cast<void (*)(char *, char *, int *, T *, int *, Part<T> *, T *, int *, Part<T> *,
                              int *, int *, int *, int *)>(function)(
        job, &uplo, n, a, &lda, values, work.data(), &lwork, real.data(), &lreal, integers.data(),
        &lintegers, &info);
  else
    reinterpret_cast<void (*)(char *, char *, int *, T *, int *, T *, T *, int *, int *, int *,
                              int *)>(function)(job, &uplo, n, a, &lda, values, work.data(), &lwork,
                                                integers.data(), &lintegers, &info);
  return info;
}

/// Eigenvalues and, where there is a place for them, eigenvectors.
template <typename T> void hermitian(char job, const T *x, Part<T> *values, T *vectors, int64_t n) {
  // LAPACK reads the lower triangle of the row-major matrix as its upper one: of the conjugate.
  std::vector<T> a(x, x + n * n);
  if constexpr (isComplex<T>)
    for (T &element : a)
      element = std::conj(element);
  std::vector<Part<T>> found(size_t(std::max<int64_t>(1, n))), real(1);
  std::vector<T> work(1);
  std::vector<int> integers(1);
  int size = int(n), info = areFinite(x, n * n) ? 0 : 1;
  if (n > 0 && info == 0) {
    eighCall(&job, &size, a.data(), found.data(), work, -1, real, -1, integers, -1);
    int lwork = wanted(work[0]), lreal = wanted(real[0]), lintegers = std::max(1, integers[0]);
    work.resize(size_t(lwork));
    real.resize(size_t(lreal));
    integers.resize(size_t(lintegers));
    info = eighCall(&job, &size, a.data(), found.data(), work, lwork, real, lreal, integers,
                    lintegers);
  }
  if (info != 0) {
    fillMissing(values, n);
    return fillMissing(vectors, n * n);
  }
  if (values)
    std::copy_n(found.data(), n, values);
  byRows(a.data(), vectors, n, n, n);
}

// The algorithm is the op's, whichever of its results are read: values computed beside vectors have
// other roundings than those alone.

template <typename T> void eigh(const T *x, Part<T> *values, T *vectors, int64_t n, int64_t) {
  hermitian('V', x, values, vectors, n);
}
template <typename T> void eigvalsh(const T *x, Part<T> *values, int64_t n, int64_t) {
  hermitian('N', x, values, static_cast<T *>(nullptr), n);
}

/// Of complex matrices alone.
template <typename T> void general(char job, const T *x, T *values, T *vectors, int64_t n) {
  std::vector<T> a = byColumns(x, n, n), right(size_t(n * n)), work(1);
  std::vector<T> found(size_t(std::max<int64_t>(1, n)));
  std::vector<Part<T>> real(size_t(std::max<int64_t>(1, 2 * n)));
  auto geev =
      reinterpret_cast<void (*)(char *, char *, int *, T *, int *, T *, T *, int *, T *, int *, T *,
                                int *, Part<T> *, int *)>(Lapack<T>::instance().geev);
  char none = 'N';
  int size = int(n), lda = leading(n), info = areFinite(x, n * n) ? 0 : 1, count = -1;
  for (int pass = 0; n > 0 && info == 0 && pass < 2; ++pass) {
    geev(&none, &job, &size, a.data(), &lda, found.data(), nullptr, &lda, right.data(), &lda,
         work.data(), &count, real.data(), &info);
    count = wanted(work[0]);
    work.resize(size_t(count));
  }
  if (info != 0) {
    fillMissing(values, n);
    return fillMissing(vectors, n * n);
  }
  if (values)
    std::copy_n(found.data(), n, values);
  byRows(right.data(), vectors, n, n, n);
}

template <typename T> void eig(const T *x, T *values, T *vectors, int64_t n, int64_t) {
  general('V', x, values, vectors, n);
}
template <typename T> void eigvals(const T *x, T *values, int64_t n, int64_t) {
  general('N', x, values, static_cast<T *>(nullptr), n);
}

/// One call of gesdd.
template <typename T>
int svdCall(char *job, int *m, int *n, T *a, Part<T> *s, T *u, int *ldu, T *vt, int *ldvt,
            std::vector<T> &work, int lwork, std::vector<Part<T>> &real,
            std::vector<int> &integers) {
  int lda = leading(*m), info = 0;
  void *function = Lapack<T>::instance().gesdd;
  if constexpr (isComplex<T>)
    reinterpret_cast<void (*)(char *, int *, int *, T *, int *, Part<T> *, T *, int *, T *, int *,
                              T *, int *, Part<T> *, int *, int *)>(function)(
        job, m, n, a, &lda, s, u, ldu, vt, ldvt, work.data(), &lwork, real.data(), integers.data(),
        &info);
  else
    reinterpret_cast<void (*)(char *, int *, int *, T *, int *, T *, T *, int *, T *, int *, T *,
                              int *, int *, int *)>(function)(
        job, m, n, a, &lda, s, u, ldu, vt, ldvt, work.data(), &lwork, integers.data(), &info);
  return info;
}

/// `job` is gesdd's: 'N' without vectors, 'S' and 'A' with few or all of them.
template <typename T>
void singular(char job, const T *x, T *u, Part<T> *s, T *vh, int64_t m, int64_t n) {
  int64_t side = std::min(m, n), left = job == 'A' ? m : side, right = job == 'A' ? n : side;
  std::vector<T> a = byColumns(x, m, n), us(size_t(m * left)), vs(size_t(right * n)), work(1);
  std::vector<Part<T>> values(size_t(std::max<int64_t>(1, side)));
  size_t most = size_t(std::max(m, n)), least = size_t(side);
  std::vector<Part<T>> real(
      isComplex<T> ? std::max<size_t>(1, least * std::max(5 * least + 7, 2 * most + 2 * least + 1))
                   : 1);
  std::vector<int> integers(std::max<size_t>(1, 8 * least));
  int rows = int(m), columns = int(n), ldu = leading(m), ldvt = leading(right),
      info = areFinite(x, m * n) ? 0 : 1;
  int count = -1;
  for (int pass = 0; side > 0 && info == 0 && pass < 2; ++pass) {
    info = svdCall(&job, &rows, &columns, a.data(), values.data(), us.data(), &ldu, vs.data(),
                   &ldvt, work, count, real, integers);
    count = wanted(work[0]);
    work.resize(size_t(count));
  }
  // Without a singular value LAPACK computes nothing.
  for (int64_t i = 0; side == 0 && i < left; ++i)
    us[size_t(i * m + i)] = T(1);
  for (int64_t i = 0; side == 0 && i < right; ++i)
    vs[size_t(i * right + i)] = T(1);
  if (info != 0) {
    fillMissing(u, m * left);
    fillMissing(s, side);
    return fillMissing(vh, right * n);
  }
  if (s)
    std::copy_n(values.data(), side, s);
  byRows(us.data(), u, m, left, m);
  byRows(vs.data(), vh, right, n, right);
}

template <typename T>
void svd(const T *x, T *u, Part<T> *s, T *vh, int64_t m, int64_t n, int64_t full) {
  singular(full ? 'A' : 'S', x, u, s, vh, m, n);
}
template <typename T> void svdvals(const T *x, Part<T> *s, int64_t m, int64_t n) {
  singular('N', x, static_cast<T *>(nullptr), s, static_cast<T *>(nullptr), m, n);
}

std::atomic<bool> isProvided = false;

} // namespace

// NOLINTBEGIN(bugprone-macro-parentheses): a template's arguments take none.
#define WEFT_LIBRARY_TYPED(function, name, T, suffix)                                              \
  {"weft_library_" name "_" suffix, reinterpret_cast<void *>(&function<T>)}
// NOLINTEND(bugprone-macro-parentheses)
#define WEFT_LIBRARY_COMPLEX(function, name)                                                       \
  WEFT_LIBRARY_TYPED(function, name, std::complex<float>, "c32"),                                  \
      WEFT_LIBRARY_TYPED(function, name, std::complex<double>, "c64")
#define WEFT_LIBRARY(function, name)                                                               \
  WEFT_LIBRARY_TYPED(function, name, float, "f32"),                                                \
      WEFT_LIBRARY_TYPED(function, name, double, "f64"), WEFT_LIBRARY_COMPLEX(function, name)

std::span<const LibraryFunction> libraryFunctions() {
  static const LibraryFunction functions[] = {
      {"weft_library_program_fault", reinterpret_cast<void *>(&noteProgramFault)},
      WEFT_LIBRARY_TYPED(fourier, "fourier", float, "c32"),
      WEFT_LIBRARY_TYPED(fourier, "fourier", double, "c64"),
      WEFT_LIBRARY_TYPED(realFourier, "real_fourier", float, "f32"),
      WEFT_LIBRARY_TYPED(realFourier, "real_fourier", double, "f64"),
      WEFT_LIBRARY_TYPED(inverseRealFourier, "inverse_real_fourier", float, "c32"),
      WEFT_LIBRARY_TYPED(inverseRealFourier, "inverse_real_fourier", double, "c64"),
  };
  return functions;
}

std::span<const LibraryFunction> lapackFunctions() {
  static const LibraryFunction functions[] = {
      WEFT_LIBRARY(cholesky, "cholesky"),
      WEFT_LIBRARY(solve, "solve"),
      WEFT_LIBRARY(solveTriangular, "solve_triangular"),
      WEFT_LIBRARY(lu, "lu"),
      WEFT_LIBRARY(qr, "qr"),
      WEFT_LIBRARY(svd, "svd"),
      WEFT_LIBRARY(svdvals, "svdvals"),
      WEFT_LIBRARY(eigh, "eigh"),
      WEFT_LIBRARY(eigvalsh, "eigvalsh"),
      WEFT_LIBRARY_COMPLEX(eig, "eig"),
      WEFT_LIBRARY_COMPLEX(eigvals, "eigvals"),
  };
  return functions;
}

#undef WEFT_LIBRARY
#undef WEFT_LIBRARY_COMPLEX
#undef WEFT_LIBRARY_TYPED

bool provideLapack(const std::function<void *(const char *name)> &find) {
  if (isProvided)
    return true;
  Lapack<float> single{};
  Lapack<double> twice{};
  Lapack<std::complex<float>> singleComplex{};
  Lapack<std::complex<double>> twiceComplex{};
  if (!single.find(find) || !twice.find(find) || !singleComplex.find(find) ||
      !twiceComplex.find(find))
    return false;
  Lapack<float>::instance() = single;
  Lapack<double>::instance() = twice;
  Lapack<std::complex<float>>::instance() = singleComplex;
  Lapack<std::complex<double>>::instance() = twiceComplex;
  isProvided = true;
  return true;
}

bool hasLapack() { return isProvided; }

bool hasLibraryFunction(std::string_view name) {
  std::string prefix = "weft_library_" + std::string(name) + "_";
  auto isOne = [&](const LibraryFunction &known) {
    return std::string_view(known.name).starts_with(prefix);
  };
  return hasLapack() || std::ranges::any_of(libraryFunctions(), isOne);
}

} // namespace weft
