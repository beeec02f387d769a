//===- VectorMathKernels.h - Compiled math functions --------------*- C++ -*-===//

#ifndef WEFT_TEST_UNIT_VECTORMATH_VECTORMATHKERNELS_H
#define WEFT_TEST_UNIT_VECTORMATH_VECTORMATHKERNELS_H

#include <cstdint>
#include <memory>
#include <string>

namespace weft::test {

/// out[i] = f(first[i], second[i]) for i < count, a multiple of the number of lanes.
using Kernel = void (*)(const void *first, const void *second, void *out, int64_t count);

/// One math operation, expanded and compiled as a loop over scalars and over vectors.
class KernelSet {
public:
  /// `name` without "math.", `type` f32 or f64, `cpu` a target of this machine or empty for its
  /// own, `canScale` an option of weft-expand-math. Ends the program with a message if anything
  /// fails.
  KernelSet(const std::string &name, const std::string &type, bool binary, const std::string &cpu,
            bool canScale);
  ~KernelSet();

  /// Whether this machine can run what is expanded with `canScale`.
  static bool hostScales();

  /// The loop with 1 (scalars), 4, 8 or 16 lanes.
  Kernel vector(unsigned lanes) const;

  /// How many operations, without constants, one expansion has.
  unsigned operations() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace weft::test

#endif // WEFT_TEST_UNIT_VECTORMATH_VECTORMATHKERNELS_H
