// Changes inputs at random, the same for the same seed.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace weft::fuzz {

/// Numbers from a seed (SplitMix64 by Steele, Lea and Flood), equal on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  uint64_t next();
  /// A number below `bound`, which is not 0.
  size_t below(size_t bound) { return next() % bound; }
  /// One of `choices`.
  template <typename Range> const auto &among(const Range &choices) {
    return choices[below(std::size(choices))];
  }

private:
  uint64_t state;
};

/// What a mutator changes: bytes wherever they lie, the words of a text, or all words that are
/// equal, which leaves a well formed text well formed more often.
enum class Unit { Bytes, Tokens, EqualTokens };

/// A changed copy of `input`, which is one of `corpus` or not; parts of others get into it.
std::string mutate(llvm::StringRef input, Unit unit, llvm::ArrayRef<std::string> corpus,
                   Random &random);

/// The words of a text: names, numbers, strings, marks, and the white space between them.
std::vector<llvm::StringRef> tokensOf(llvm::StringRef text);

} // namespace weft::fuzz
