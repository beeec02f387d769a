// Sizes that are not known while a program is compiled: sums of products of named symbols.
//
// A size is an int64_t everywhere in the compiler. A symbolic one is a handle, a number from
// `firstHandle` on, that stands for an expression like "2*n + 1". Equal expressions have equal
// handles, so that comparing sizes needs to know nothing of this; only arithmetic on sizes does,
// and calls the functions here, which compute on plain numbers when both operands are known.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

/// No tensor has as many elements: what is at least this is a handle.
inline constexpr int64_t firstHandle = int64_t(1) << 60;

constexpr bool isSymbolicSize(int64_t size) { return size >= firstHandle; }

/// What is multiplied in a term: a symbol, or the floor of a size divided by a positive number.
struct SizeFactor {
  /// Empty for a quotient.
  std::string symbol;
  int64_t dividend = 0;
  int64_t divisor = 0;

  auto operator<=>(const SizeFactor &) const = default;
};

/// A number times factors, which are sorted and may repeat.
using SizeTerm = std::pair<std::vector<SizeFactor>, int64_t>;

/// The sum of terms, sorted by their factors, each with a coefficient that is not zero. A known
/// size is one term without factors, zero no term.
using SizeExpression = std::vector<SizeTerm>;

/// The size that a name stands for: a whole number, zero or more, the same wherever the name is.
/// Throws weft::Error (Value) unless the name is an identifier.
int64_t symbolicSize(std::string_view name);

/// Sums, differences, products. Throw weft::Error (Value) when a number overflows.
int64_t addSizes(int64_t left, int64_t right);
int64_t subtractSizes(int64_t left, int64_t right);
int64_t multiplySizes(int64_t left, int64_t right);
/// The product of all; 1 for none.
int64_t multiplySizes(const int64_t *begin, const int64_t *end);
/// The quotient if it is whole for all values of the symbols; nothing if that can't be told.
std::optional<int64_t> divideSizesExactly(int64_t dividend, int64_t divisor);
/// The floor of the quotient by a positive number.
int64_t floorDivideSize(int64_t dividend, int64_t divisor);

/// The expression behind a size, known or symbolic. Throws weft::Error (Value) for a number that
/// is no handle though it is as large as one: the trace of arithmetic that was done on a handle.
const SizeExpression &expressionOf(int64_t size);

/// "2*n + 1", "floor(n / 2)", "784".
std::string sizeText(int64_t size);
/// The size that such a text stands for; nothing if it is not well formed.
std::optional<int64_t> parseSize(std::string_view text);

/// The number that a size is for given values of the symbols. Throws weft::Error (Value) when a
/// symbol has no value, or the number overflows or is negative.
int64_t evaluateSize(int64_t size,
                     const std::function<std::optional<int64_t>(std::string_view)> &valueOf);

/// The same where fewer than nothing is nothing: 0 for a negative number.
int64_t evaluateCount(int64_t size,
                      const std::function<std::optional<int64_t>(std::string_view)> &valueOf);

/// The number that a size may well be, for estimates: every symbol is taken to be 1024.
int64_t estimateSize(int64_t size);

/// False if a size is zero or more whatever its symbols are.
bool mayBeNegative(int64_t size);

/// The names of the symbols in a size, sorted, each once.
std::vector<std::string> symbolsIn(int64_t size);

} // namespace weft
