// Mutations of bytes and of tokens.
#include "test/fuzz/Mutator.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cstring>

using llvm::StringRef;

namespace weft::fuzz {

uint64_t Random::next() {
  state += 0x9E3779B97F4A7C15;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

namespace {

/// A range of a sequence of `size` elements, mostly a short one.
struct Range {
  Range(size_t size, Random &random) {
    if (size == 0)
      return;
    begin = random.below(size);
    size_t longest = random.below(4) == 0 ? size - begin : std::min<size_t>(16, size - begin);
    length = 1 + random.below(longest);
  }
  size_t begin = 0;
  size_t length = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

static void flipBits(std::string &bytes, Random &random) {
  for (size_t count = 1 + random.below(4); count > 0; --count)
    bytes[random.below(bytes.size())] ^= static_cast<char>(1u << random.below(8));
}

static void overwriteByNumber(std::string &bytes, Random &random) {
  static constexpr uint64_t numbers[] = {0,
                                         1,
                                         0x7F,
                                         0x80,
                                         0xFF,
                                         0x7FFF,
                                         0xFFFF,
                                         0x7FFFFFFF,
                                         0x80000000,
                                         0xFFFFFFFF,
                                         uint64_t(1) << 60,
                                         0x7FFFFFFFFFFFFFFF,
                                         0xFFFFFFFFFFFFFFFF};
  uint64_t number = random.among(numbers);
  size_t width = std::min<size_t>(size_t(1) << random.below(4), bytes.size());
  std::memcpy(bytes.data() + random.below(bytes.size() - width + 1), &number, width);
}

static void moveRange(std::string &bytes, Random &random) {
  Range range(bytes.size(), random);
  std::string moved = bytes.substr(range.begin, range.length);
  if (random.below(2) == 0)
    bytes.erase(range.begin, range.length);
  bytes.insert(random.below(bytes.size() + 1), moved);
}

static void spliceBytes(std::string &bytes, StringRef other, Random &random) {
  if (other.empty())
    return;
  Range from(other.size(), random);
  Range to(bytes.size(), random);
  StringRef piece = other.substr(from.begin, from.length);
  bytes.replace(to.begin, random.below(2) == 0 ? to.length : piece.size(), piece.data(),
                piece.size());
}

static void mutateBytes(std::string &bytes, StringRef other, Random &random) {
  if (bytes.empty()) {
    bytes = other.str();
    return;
  }
  Range range(bytes.size(), random);
  switch (random.below(8)) {
  case 0:
  case 1:
    return flipBits(bytes, random);
  case 2:
    bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    return;
  case 3:
    return overwriteByNumber(bytes, random);
  case 4:
    bytes.erase(range.begin, range.length);
    return;
  case 5:
    return moveRange(bytes, random);
  case 6:
    return spliceBytes(bytes, other, random);
  default:
    if (random.below(4) == 0)
      bytes.resize(random.below(bytes.size()));
    else
      bytes.insert(random.below(bytes.size()), 1 + random.below(64),
                   static_cast<char>(random.next()));
  }
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

static bool isWord(char letter) { return llvm::isAlnum(letter) || letter == '_' || letter == '$'; }
static bool isSigil(char letter) { return StringRef("%@#!^").contains(letter); }

std::vector<StringRef> tokensOf(StringRef text) {
  std::vector<StringRef> tokens;
  while (!text.empty()) {
    size_t length = 1;
    if (llvm::isSpace(text[0])) {
      length = std::min(text.find_if_not(llvm::isSpace), text.size());
    } else if (text[0] == '"') {
      size_t end = text.find_first_of("\"\n", 1);
      length = end == StringRef::npos ? text.size() : end + 1;
    } else if (llvm::isDigit(text[0])) {
      // The sizes and the x of a shape are tokens of their own.
      length = std::min(text.find_if_not(llvm::isDigit), text.size());
    } else if (text[0] == 'x' && text.size() > 1 && (llvm::isDigit(text[1]) || text[1] == '?')) {
      length = 1;
    } else if (isWord(text[0]) || (isSigil(text[0]) && text.size() > 1 && isWord(text[1]))) {
      auto inName = [](char letter) { return isWord(letter) || letter == '.'; };
      size_t end = text.drop_front().find_if_not(inName);
      length = end == StringRef::npos ? text.size() : end + 1;
    }
    tokens.push_back(text.take_front(length));
    text = text.drop_front(length);
  }
  return tokens;
}

static constexpr int spaceClass = 0, numberClass = 1, nameClass = 2, wordClass = 3, stringClass = 4,
                     markClass = 5;

/// Tokens of one class take each other's place. A sigil is a class of its own.
static int classOf(StringRef token) {
  if (llvm::isSpace(token[0]))
    return spaceClass;
  if (llvm::isDigit(token[0]))
    return numberClass;
  if (isSigil(token[0]))
    return token[0];
  if (isWord(token[0]))
    return token.contains('.') ? nameClass : wordClass;
  return token[0] == '"' ? stringClass : markClass;
}

static std::string unusualNumber(Random &random) {
  static constexpr StringRef numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "3",
                                          "7",
                                          "17",
                                          "255",
                                          "256",
                                          "2147483647",
                                          "2147483648",
                                          "4294967296",
                                          "1000000",
                                          "1e400",
                                          "0x7FF0",
                                          "4611686018427387904",
                                          "1152921504606846976",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "18446744073709551616",
                                          "340282366920938463463374607431768211456"};
  return random.among(numbers).str();
}

using Tokens = std::vector<std::string>;

/// A token of the other text, of the class of `like` if there is one near a random place.
static std::string tokenLike(StringRef like, const std::vector<StringRef> &others, Random &random) {
  if (others.empty())
    return like.str();
  size_t start = random.below(others.size());
  for (size_t step = 0; step < others.size(); ++step) {
    StringRef other = others[(start + step) % others.size()];
    if (classOf(other) == classOf(like) && other != like)
      return other.str();
  }
  return others[start].str();
}

/// A place in `tokens` that is not white space, if there is one near a random place.
static size_t placeIn(const Tokens &tokens, Random &random) {
  size_t start = random.below(tokens.size());
  for (size_t step = 0; step < tokens.size(); ++step)
    if (size_t place = (start + step) % tokens.size(); classOf(tokens[place]) != spaceClass)
      return place;
  return start;
}

/// Brackets in brackets, from a few to more than a recursive parser can take.
static void nest(Tokens &tokens, size_t place, Random &random) {
  static constexpr StringRef openings[] = {"(", "[", "{", "<", "module {", "tuple<", "[[", "({"};
  static constexpr size_t depths[] = {2, 10, 1000, 100000};
  StringRef opening = random.among(openings);
  std::string nested;
  for (size_t depth = random.among(depths); depth > 0; --depth)
    nested += opening;
  tokens.insert(tokens.begin() + static_cast<ptrdiff_t>(place), nested);
}

static void mutateTokens(Tokens &tokens, const std::vector<StringRef> &others, Random &random) {
  size_t place = placeIn(tokens, random);
  auto at = [&](size_t number) { return tokens.begin() + static_cast<ptrdiff_t>(number); };
  switch (random.below(12)) {
  case 0:
    tokens.erase(at(place));
    return;
  case 1:
    tokens.insert(at(place), std::string(tokens[place]));
    return;
  case 2:
    std::swap(tokens[place], tokens[placeIn(tokens, random)]);
    return;
  case 3: {
    Range range(tokens.size(), random);
    tokens.erase(at(range.begin), at(range.begin + range.length));
    return;
  }
  case 4: {
    Range range(tokens.size(), random);
    Tokens copy(at(range.begin), at(range.begin + range.length));
    tokens.insert(at(place), copy.begin(), copy.end());
    return;
  }
  case 5:
    tokens.insert(at(place), tokenLike(tokens[place], others, random));
    return;
  case 6:
    if (random.below(16) == 0)
      return nest(tokens, place, random);
    [[fallthrough]];
  case 7:
  case 8: {
    auto isNumber = [](const std::string &token) { return classOf(token) == numberClass; };
    auto number = std::find_if(at(place), tokens.end(), isNumber);
    if (number != tokens.end())
      *number = unusualNumber(random);
    return;
  }
  default:
    // From the same text more often: it has the names and types that fit.
    if (random.below(2) == 0) {
      std::vector<StringRef> own(tokens.begin(), tokens.end());
      tokens[place] = tokenLike(tokens[place], own, random);
    } else {
      tokens[place] = tokenLike(tokens[place], others, random);
    }
  }
}

/// A place in `tokens` of a token of the class, if there is one.
static size_t placeOfClass(const Tokens &tokens, int wanted, Random &random) {
  size_t start = random.below(tokens.size());
  for (size_t step = 0; step < tokens.size(); ++step)
    if (size_t place = (start + step) % tokens.size(); classOf(tokens[place]) == wanted)
      return place;
  return start;
}

/// Replaces a number, type, operation or value by another, here or wherever it stands.
static void mutateEqualTokens(Tokens &tokens, const std::vector<StringRef> &others,
                              Random &random) {
  static constexpr int classes[] = {numberClass, numberClass, nameClass, wordClass, '%'};
  size_t place = placeOfClass(tokens, random.among(classes), random);
  std::string old = tokens[place], replacement;
  std::vector<StringRef> own(tokens.begin(), tokens.end());
  if (classOf(old) == numberClass && random.below(3) == 0)
    replacement = unusualNumber(random);
  else
    replacement = tokenLike(old, random.below(3) == 0 ? others : own, random);
  // A value has one definition.
  if (classOf(old) == '%' || random.below(2) == 0)
    tokens[place] = replacement;
  else
    std::replace(tokens.begin(), tokens.end(), old, replacement);
}

//===----------------------------------------------------------------------===//
// All
//===----------------------------------------------------------------------===//

std::string mutate(StringRef input, Unit unit, llvm::ArrayRef<std::string> corpus, Random &random) {
  StringRef other = corpus.empty() ? StringRef() : StringRef(random.among(corpus));
  // Mostly one change: what is changed much is refused early.
  size_t changes = random.below(2) == 0 ? 1 : 1 + random.below(5);
  std::string result = input.str();
  if (unit == Unit::Bytes) {
    for (; changes > 0; --changes)
      mutateBytes(result, other, random);
    return result;
  }
  std::vector<StringRef> own = tokensOf(input), others = tokensOf(other);
  Tokens tokens(own.begin(), own.end());
  for (; changes > 0 && !tokens.empty(); --changes)
    unit == Unit::Tokens ? mutateTokens(tokens, others, random)
                         : mutateEqualTokens(tokens, others, random);
  return llvm::join(tokens, "");
}

} // namespace weft::fuzz
