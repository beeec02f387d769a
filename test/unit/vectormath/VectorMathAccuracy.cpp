//===- VectorMathAccuracy.cpp - The vector math against libm --------------===//
//
// Expands each function by weft-expand-math, compiles it for this machine and
// compares it with libm in a higher precision (double for f32, long double for
// f64): random bits, the function's usual range, the neighbourhood of its zeros
// and poles, and all special values. Fails where an error is above the bound of
// docs/numerics.md, or where lanes and scalars differ in a bit.
//
//   VectorMathAccuracy [--samples=N] [--cpu=NAME] [--only=NAME] [--exhaustive] [--time]
//
// --cpu names another target that this machine can run, --exhaustive tries all
// f32 arguments of functions of one (a minute each), --time measures ns per
// element in the first-level cache.
//
//===----------------------------------------------------------------------===//

#include "VectorMathKernels.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace weft::test;

namespace {

/// A function under test: its references (one operand, or two), where its arguments usually lie,
/// points to sample densely around, and the bounds in ulp.
struct Function {
  const char *name;
  double (*forFloat)(double);
  long double (*forDouble)(long double);
  double low, high;
  std::vector<double> points;
  double boundFloat = 1, boundDouble = 2;
  double (*binaryFloat)(double, double) = nullptr;
  long double (*binaryDouble)(long double, long double) = nullptr;
  /// Defined up to here.
  double most = std::numeric_limits<double>::infinity();
};

template <typename T> T rsqrtReference(T x) { return T(1) / std::sqrt(x); }

#define BOTH(NAME) [](double x) { return std::NAME(x); }, [](long double x) { return std::NAME(x); }
#define BINARY(NAME)                                                                               \
  [](double x, double y) { return std::NAME(x, y); },                                              \
      [](long double x, long double y) { return std::NAME(x, y); }

std::vector<Function> functions() {
  const double pi = 3.14159265358979323846, e = 2.718281828459045;
  static constexpr long double ln2 = 0.69314718055994530942L;
  return {
      {"exp", BOTH(exp), -104, 89, {0, 88.72283, -87.33654, 709.782712893384, -708.396418532264}},
      {"exp {weft.nonpositive}",
       // 0 where x / ln 2 is rounded to the exponent of 0.
       [](double x) { return x < -126.5 * ln2 ? 0.0 : std::exp(x); },
       [](long double x) { return x < -1022.5L * ln2 ? 0.0L : std::exp(x); },
       -104,
       0,
       {0, -87.33654, -87.68, -87.69, -708.39642, -708.742, -708.744},
       1,
       2,
       nullptr,
       nullptr,
       0},
      {"exp2", BOTH(exp2), -150, 128, {0, 1, 128, -126, -149, 1024, -1022, -1074}},
      {"expm1", BOTH(expm1), -20, 89, {0, 0.34657, 0.69314, -0.34657, 1.0397, 709.78}},
      {"log", BOTH(log), 0, 10, {1, 2, 0.5, 0.70710678118, 1.41421356237, e}},
      {"log2", BOTH(log2), 0, 10, {1, 2, 0.5, 0.70710678118, 1.41421356237, 4}},
      {"log10", BOTH(log10), 0, 10, {1, 2, 0.5, 0.70710678118, 1.41421356237, 10}},
      {"log1p", BOTH(log1p), -1, 10, {0, 1, -1, -0.29289321881, 0.41421356237}},
      {"sin", BOTH(sin), -20, 20, {0, pi, 2 * pi, pi / 2, pi / 4, 100 * pi, 268435456}},
      {"cos", BOTH(cos), -20, 20, {0, pi, 2 * pi, pi / 2, pi / 4, 100.5 * pi, 268435456}},
      {"tan", BOTH(tan), -20, 20, {0, pi, 2 * pi, pi / 2, pi / 4, 100.5 * pi, 268435456}},
      {"asin", BOTH(asin), -1, 1, {0, 0.5, 1, -1, -0.5}},
      {"acos", BOTH(acos), -1, 1, {0, 0.5, 1, -1, -0.5}},
      {"atan", BOTH(atan), -10, 10, {0, 1, -1, 2.414213562, 0.414213562}},
      {"atan2", nullptr, nullptr, -10, 10, {0, 1, -1, 1e30, 1e-30}, 1, 2, BINARY(atan2)},
      {"tanh", BOTH(tanh), -10, 10, {0, 1, 0.625, 9, 19}},
      {"sinh", BOTH(sinh), -20, 20, {0, 1, 89.4159, 710.4758}},
      {"cosh", BOTH(cosh), -20, 20, {0, 1, 89.4159, 710.4758}},
      {"asinh", BOTH(asinh), -20, 20, {0, 0.5, 1}},
      {"acosh", BOTH(acosh), 1, 20, {1, 1.5, 2}},
      {"atanh", BOTH(atanh), -1, 1, {0, 0.5, 1, -1}},
      {"erf", BOTH(erf), -6, 6, {0, 1, -1, 3.9, 5.9}},
      {"powf", nullptr, nullptr, -4, 4, {0, 1, -1, 2, 0.5, 3, 1e10}, 1, 2, BINARY(pow)},
      {"cbrt", BOTH(cbrt), -10, 10, {0, 1, 8, 27, 0.125}},
      {"rsqrt", rsqrtReference<double>, rsqrtReference<long double>, 0, 10, {0, 1, 4, 0.25}, 2},
  };
}

/// The distance of `got` from the exact result in units of the last place of T; infinity where a
/// special value or a zero's sign is wrong.
template <typename T, typename Wide> double ulpError(T got, Wide exact) {
  constexpr double wrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(got))
    return std::isnan(exact) && std::isnan(got) ? 0 : wrong;
  if (std::isinf(exact))
    return got == T(exact) ? 0 : wrong;
  if (std::signbit(exact) != std::signbit(got))
    return wrong;
  using Limits = std::numeric_limits<T>;
  int exponent =
      exact == 0 ? Limits::min_exponent : std::max(std::ilogb(exact) + 1, Limits::min_exponent);
  exponent = std::min(exponent, Limits::max_exponent);
  // Infinity counts as the number after the largest.
  Wide value = std::isinf(got) ? std::copysign(std::ldexp(Wide(1), Limits::max_exponent), Wide(got))
                               : Wide(got);
  if (std::isinf(got) && std::abs(exact) >= std::abs(value))
    return 0;
  return double(std::ldexp(std::abs(value - exact), Limits::digits - exponent));
}

template <typename T> using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <typename T> std::vector<T> specialValues() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values;
  for (T v : {T(0),
              Limits::infinity(),
              Limits::quiet_NaN(),
              Limits::denorm_min(),
              T(Limits::min() / 2),
              Limits::min(),
              Limits::max(),
              T(1),
              T(2),
              T(3),
              T(0.5),
              T(1) / 3,
              T(1e10),
              T(1e-10),
              T(0x1p28),
              T(0x1p30),
              T(1 + Limits::epsilon()),
              T(1 - Limits::epsilon() / 2),
              Limits::epsilon(),
              T(0x1p24 + 1),
              T(2.5)})
    values.insert(values.end(), {v, -v});
  return values;
}

/// Arguments for one operand: a third random bits, a third in the usual range, a third around the
/// dense points at every distance.
template <typename T>
std::vector<T> samples(const Function &function, size_t count, std::mt19937_64 &random) {
  std::uniform_real_distribution<double> range(function.low, function.high), unit(-1, 1);
  std::vector<T> values;
  while (values.size() < count) {
    values.push_back(std::bit_cast<T>(Bits<T>(random())));
    values.push_back(T(range(random)));
    T point = T(function.points[random() % function.points.size()]);
    int distance = -int(random() % (std::numeric_limits<T>::digits + 4));
    values.push_back(
        T(point + T(std::ldexp(unit(random), distance)) * (point == 0 ? T(1) : std::abs(point))));
  }
  return values;
}

template <typename T> struct Arguments {
  std::vector<T> first, second;
};

template <typename T> Arguments<T> makeArguments(const Function &function, size_t count) {
  std::mt19937_64 random(20240229);
  Arguments<T> arguments{samples<T>(function, count, random), {}};
  std::vector<T> specials = specialValues<T>();
  if (!function.binaryFloat) {
    arguments.first.insert(arguments.first.end(), specials.begin(), specials.end());
  } else {
    arguments.second = samples<T>(function, count, random);
    std::uniform_real_distribution<double> scale(-1.05, 1.05);
    double range = sizeof(T) == 4 ? 104 : 745;
    // Powers that neither overflow nor vanish, however near to 1 or far from it the base is.
    for (size_t i = 0; i < count; i += 2)
      if (std::string(function.name) == "powf" && arguments.first[i] > 0)
        arguments.second[i] = T(scale(random) * range / std::log(double(arguments.first[i])));
    for (T a : specials)
      for (T b : specials) {
        arguments.first.push_back(a);
        arguments.second.push_back(b);
      }
  }
  // Whole vectors of 16.
  while (arguments.first.size() % 16)
    arguments.first.push_back(T(0.25));
  arguments.second.resize(arguments.first.size(), T(0.25));
  return arguments;
}

template <typename T> bool sameBits(T a, T b) {
  return std::bit_cast<Bits<T>>(a) == std::bit_cast<Bits<T>>(b) || (std::isnan(a) && std::isnan(b));
}

template <typename T> double exactError(const Function &function, T got, T x, T y) {
  if constexpr (sizeof(T) == 4)
    return ulpError<T, double>(got, function.binaryFloat ? function.binaryFloat(x, y)
                                                         : function.forFloat(x));
  else
    return ulpError<T, long double>(got, function.binaryDouble ? function.binaryDouble(x, y)
                                                               : function.forDouble(x));
}

/// Nanoseconds per element over 4096 arguments of the usual range.
template <typename T> double measure(const Function &function, Kernel kernel) {
  std::mt19937_64 random(7);
  // Where results are normal numbers: denormal ones measure the processor.
  std::uniform_real_distribution<double> range(std::max(function.low, -20.0),
                                               std::min(function.high, 20.0));
  std::vector<T> first(4096), second(4096), out(4096);
  for (size_t i = 0; i < first.size(); ++i) {
    first[i] = T(range(random));
    second[i] = T(range(random));
    if (std::string(function.name) == "powf")
      first[i] = std::abs(first[i]);
  }
  double best = 1e9;
  for (int repeat = 0; repeat < 15; ++repeat) {
    auto start = std::chrono::steady_clock::now();
    for (int call = 0; call < 20; ++call)
      kernel(first.data(), second.data(), out.data(), int64_t(first.size()));
    std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count() / 20 / double(first.size()));
  }
  return best;
}

struct Settings {
  size_t samples = 0;
  std::string cpu, only;
  bool time = false, exhaustive = false;
  /// Whether there are kernels that multiply by powers of two in one instruction.
  bool scales() const { return cpu.empty() && KernelSet::hostScales(); }
};

/// Checks all f32 arguments; false if the bound is broken.
bool checkExhaustively(const Function &function, const KernelSet &kernels) {
  constexpr uint64_t block = uint64_t(1) << 16, all = uint64_t(1) << 32;
  std::vector<float> in(block), out(block);
  double worst = 0;
  float worstAt = 0;
  for (uint64_t start = 0; start < all; start += block) {
    for (uint64_t i = 0; i < block; ++i)
      in[i] = std::bit_cast<float>(uint32_t(start + i));
    kernels.vector(16)(in.data(), in.data(), out.data(), int64_t(block));
    for (uint64_t i = 0; i < block; ++i) {
      double error = in[i] > function.most ? 0 : exactError<float>(function, out[i], in[i], 0);
      if (error > worst) {
        worst = error;
        worstAt = in[i];
      }
    }
  }
  bool passed = worst <= function.boundFloat;
  std::printf("%-6s f32  all: max %.4f ulp (bound %g) at %.9g  %s\n", function.name, worst,
              function.boundFloat, double(worstAt), passed ? "ok" : "FAILED");
  return passed;
}

/// Checks one function in one type and prints its line; false if it fails.
template <typename T> bool check(const Function &function, const Settings &settings) {
  constexpr bool isFloat = sizeof(T) == 4;
  const char *type = isFloat ? "f32" : "f64";
  bool isBinary = function.binaryFloat != nullptr;
  KernelSet kernels(function.name, type, isBinary, settings.cpu, settings.scales());
  if (settings.time) {
    std::printf("%-6s %s  ops %3u  %.3f ns\n", function.name, type, kernels.operations(),
                measure<T>(function, kernels.vector(isFloat ? 16 : 8)));
    return true;
  }
  if (settings.exhaustive && !function.binaryFloat && isFloat)
    return checkExhaustively(function, kernels);
  size_t count = settings.samples ? settings.samples : isFloat ? 1'500'000 : 300'000;
  Arguments<T> arguments = makeArguments<T>(function, count);
  size_t size = arguments.first.size();
  std::vector<T> wide(size), other(size);
  auto run = [&](unsigned lanes, std::vector<T> &out) {
    kernels.vector(lanes)(arguments.first.data(), arguments.second.data(), out.data(),
                          int64_t(size));
  };
  run(isFloat ? 16 : 8, wide);

  // Scalars and some widths have no instruction for what others have one for.
  size_t worstAt = 0, different = 0;
  for (unsigned lanes : {1U, 4U, isFloat ? 8U : 16U}) {
    run(lanes, other);
    for (size_t i = 0; i < size; ++i)
      different += !sameBits(wide[i], other[i]);
  }
  double worst = 0;
  for (size_t i = 0; i < size; ++i) {
    double error = double(arguments.first[i]) > function.most
                       ? 0
                       : exactError<T>(function, wide[i], arguments.first[i], arguments.second[i]);
    if (error > worst) {
      worst = error;
      worstAt = i;
    }
  }
  double bound = isFloat ? function.boundFloat : function.boundDouble;
  bool passed = worst <= bound && different == 0;
  std::printf("%-6s %s  max %.3f ulp (bound %g) at %.9g, %.9g -> %.9g  %s\n", function.name, type,
              worst, bound, double(arguments.first[worstAt]), double(arguments.second[worstAt]),
              double(wide[worstAt]), passed ? "ok" : "FAILED");
  if (different)
    std::printf("  %zu results depend on the number of lanes\n", different);
  return passed;
}

Settings parse(int argc, char **argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    auto value = [&](const char *flag) -> const char * {
      return argument.rfind(flag, 0) == 0 ? argument.c_str() + std::strlen(flag) : nullptr;
    };
    if (const char *samples = value("--samples="))
      settings.samples = std::strtoull(samples, nullptr, 10);
    else if (const char *cpu = value("--cpu="))
      settings.cpu = cpu;
    else if (const char *only = value("--only="))
      settings.only = only;
    else if (argument == "--exhaustive")
      settings.exhaustive = true;
    else if (argument == "--time")
      settings.time = true;
    else {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      std::exit(2);
    }
  }
  return settings;
}

} // namespace

int main(int argc, char **argv) {
  Settings settings = parse(argc, argv);
  unsigned failures = 0, checked = 0;
  for (const Function &function : functions()) {
    if (!settings.only.empty() && settings.only != function.name)
      continue;
    checked += 2;
    failures += !check<float>(function, settings);
    failures += !check<double>(function, settings);
  }
  if (checked == 0)
    std::fprintf(stderr, "no function named %s\n", settings.only.c_str());
  return failures == 0 && checked > 0 ? 0 : 1;
}
