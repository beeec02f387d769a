#include "lib/Support/SymbolicSize.h"

#include "lib/Support/Error.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <deque>
#include <map>
#include <mutex>
#include <numeric>
#include <set>

namespace weft {
namespace {

/// All expressions that have handles; an expression's number is its handle's distance to the first.
class ExpressionTable {
public:
  static ExpressionTable &instance() {
    // Never destroyed: handles are as good as numbers for as long as the process lives.
    static ExpressionTable &table = *new ExpressionTable();
    return table;
  }

  int64_t handleOf(SizeExpression expression) {
    if (expression.empty())
      return 0;
    if (expression.size() == 1 && expression.front().first.empty() &&
        expression.front().second < firstHandle)
      return expression.front().second;
    std::lock_guard guard(mutex);
    auto [found, isNew] = numbers.try_emplace(std::move(expression), expressions.size());
    if (isNew)
      expressions.push_back(&found->first);
    return firstHandle + static_cast<int64_t>(found->second) * spacing + offset;
  }

  const SizeExpression &expressionOf(int64_t handle) {
    int64_t distance = handle - firstHandle - offset;
    std::lock_guard guard(mutex);
    if (distance < 0 || distance % spacing != 0 ||
        static_cast<size_t>(distance / spacing) >= expressions.size())
      throw Error(Error::Kind::Value,
                  "this needs the number that a symbolic size stands for, which is not known "
                  "while compiling");
    return *expressions[static_cast<size_t>(distance / spacing)];
  }

private:
  // Handles lie apart, so that arithmetic done on one by mistake hits no other.
  static constexpr int64_t spacing = 1'000'003, offset = 611'953;

  std::mutex mutex;
  std::map<SizeExpression, size_t> numbers;
  std::deque<const SizeExpression *> expressions;
};

/// Numbers from `firstHandle` on would be taken for handles.
int64_t checked(bool overflowed, int64_t value) {
  if (overflowed || value >= firstHandle || value <= -firstHandle)
    throw Error(Error::Kind::Value, "a size overflows 64 bits");
  return value;
}

int64_t addNumbers(int64_t left, int64_t right) {
  int64_t sum = 0;
  bool overflowed = __builtin_add_overflow(left, right, &sum);
  return checked(overflowed, sum);
}

int64_t subtractNumbers(int64_t left, int64_t right) {
  int64_t difference = 0;
  bool overflowed = __builtin_sub_overflow(left, right, &difference);
  return checked(overflowed, difference);
}

int64_t multiplyNumbers(int64_t left, int64_t right) {
  int64_t product = 0;
  bool overflowed = __builtin_mul_overflow(left, right, &product);
  return checked(overflowed, product);
}

using Terms = std::map<std::vector<SizeFactor>, int64_t>;

/// Far beyond what shapes lead to, so that no text makes expressions that fill the memory.
constexpr size_t mostTerms = 256, mostFactors = 32;

int64_t handleOf(const Terms &terms) {
  SizeExpression expression;
  for (const auto &[factors, coefficient] : terms) {
    if (coefficient != 0)
      expression.emplace_back(factors, coefficient);
    if (expression.size() > mostTerms || factors.size() > mostFactors)
      throw Error(Error::Kind::Value, "the expression of a size is too long");
  }
  return ExpressionTable::instance().handleOf(std::move(expression));
}

/// left + scale * right
int64_t combine(int64_t left, int64_t scale, int64_t right) {
  Terms terms;
  for (const auto &[factors, coefficient] : expressionOf(left))
    terms[factors] = coefficient;
  for (const auto &[factors, coefficient] : expressionOf(right))
    terms[factors] = addNumbers(terms[factors], multiplyNumbers(scale, coefficient));
  return handleOf(terms);
}

bool isIdentifier(std::string_view name) {
  auto isLetter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; };
  return !name.empty() && isLetter(name.front()) && name != "floor" &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return isLetter(c) || std::isdigit(static_cast<unsigned char>(c));
         });
}

} // namespace

int64_t symbolicSize(std::string_view name) {
  if (!isIdentifier(name))
    throw Error(Error::Kind::Value, "\"" + std::string(name) +
                                        "\" is no name of a size: letters, digits and _, not "
                                        "beginning with a digit");
  return handleOf({{{SizeFactor{std::string(name)}}, 1}});
}

const SizeExpression &expressionOf(int64_t size) {
  if (isSymbolicSize(size))
    return ExpressionTable::instance().expressionOf(size);
  static thread_local SizeExpression known[2];
  static thread_local int turn = 0;
  // Two at a time, so that both operands of an operation may be known.
  SizeExpression &expression = known[turn ^= 1];
  expression.clear();
  if (size != 0)
    expression.emplace_back(std::vector<SizeFactor>(), size);
  return expression;
}

int64_t addSizes(int64_t left, int64_t right) {
  if (!isSymbolicSize(left) && !isSymbolicSize(right))
    return addNumbers(left, right);
  return combine(left, 1, right);
}

int64_t subtractSizes(int64_t left, int64_t right) {
  if (!isSymbolicSize(left) && !isSymbolicSize(right))
    return subtractNumbers(left, right);
  return combine(left, -1, right);
}

int64_t multiplySizes(int64_t left, int64_t right) {
  if (!isSymbolicSize(left) && !isSymbolicSize(right))
    return multiplyNumbers(left, right);
  const SizeExpression leftTerms = expressionOf(left), rightTerms = expressionOf(right);
  Terms terms;
  for (const auto &[leftFactors, leftCoefficient] : leftTerms)
    for (const auto &[rightFactors, rightCoefficient] : rightTerms) {
      std::vector<SizeFactor> factors(leftFactors);
      factors.insert(factors.end(), rightFactors.begin(), rightFactors.end());
      std::sort(factors.begin(), factors.end());
      int64_t &total = terms[factors];
      total = addNumbers(total, multiplyNumbers(leftCoefficient, rightCoefficient));
    }
  return handleOf(terms);
}

int64_t multiplySizes(const int64_t *begin, const int64_t *end) {
  int64_t product = 1;
  for (; begin != end; ++begin)
    product = multiplySizes(product, *begin);
  return product;
}

std::optional<int64_t> divideSizesExactly(int64_t dividend, int64_t divisor) {
  if (divisor == 0)
    return std::nullopt;
  const SizeExpression numerator = expressionOf(dividend), denominator = expressionOf(divisor);
  if (dividend == divisor)
    return 1;
  if (denominator.size() != 1)
    return std::nullopt;
  const auto &[divisorFactors, divisorCoefficient] = denominator.front();
  Terms terms;
  for (const auto &[factors, coefficient] : numerator) {
    std::vector<SizeFactor> left;
    std::set_difference(factors.begin(), factors.end(), divisorFactors.begin(),
                        divisorFactors.end(), std::back_inserter(left));
    if (left.size() + divisorFactors.size() != factors.size() ||
        coefficient % divisorCoefficient != 0)
      return std::nullopt;
    terms[left] = coefficient / divisorCoefficient;
  }
  return handleOf(terms);
}

static int64_t floorDivideNumbers(int64_t dividend, int64_t divisor) {
  return dividend / divisor - (dividend % divisor < 0 ? 1 : 0);
}

/// The quotient of a sum that has no multiple of the divisor in it, and is no number. Equal
/// quotients have one form:
///   floor((floor(x / a) + r) / b) is floor((x + a*r) / (a*b)),
///   floor((g*x + c) / (g*b)) is floor((x + floor(c / g)) / b).
static int64_t quotientOf(int64_t dividend, int64_t divisor) {
  const SizeExpression terms = expressionOf(dividend);
  for (const auto &[factors, coefficient] : terms)
    if (factors.size() == 1 && factors[0].symbol.empty() && coefficient == 1) {
      const SizeFactor inner = factors[0];
      int64_t rest = subtractSizes(dividend, handleOf({{factors, 1}}));
      return floorDivideSize(addSizes(inner.dividend, multiplySizes(inner.divisor, rest)),
                             multiplyNumbers(inner.divisor, divisor));
    }
  int64_t common = divisor;
  for (const auto &[factors, coefficient] : terms)
    if (!factors.empty())
      common = std::gcd(common, coefficient);
  if (common == 1)
    return handleOf({{{SizeFactor{"", dividend, divisor}}, 1}});
  Terms reduced;
  for (const auto &[factors, coefficient] : terms)
    reduced[factors] = floorDivideNumbers(coefficient, common);
  return floorDivideSize(handleOf(reduced), divisor / common);
}

int64_t floorDivideSize(int64_t dividend, int64_t divisor) {
  if (divisor <= 0)
    throw Error(Error::Kind::Value, "a size can be divided by a positive number only");
  if (!isSymbolicSize(dividend))
    return floorDivideNumbers(dividend, divisor);
  // Multiples of the divisor leave the quotient.
  Terms whole, rest;
  for (const auto &[factors, coefficient] : SizeExpression(expressionOf(dividend))) {
    whole[factors] = floorDivideNumbers(coefficient, divisor);
    rest[factors] = coefficient - divisor * whole[factors];
  }
  int64_t remainder = handleOf(rest);
  if (!isSymbolicSize(remainder)) // less than the divisor, and not negative
    return handleOf(whole);
  return addSizes(handleOf(whole), quotientOf(remainder, divisor));
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string factorText(const SizeFactor &factor) {
  if (!factor.symbol.empty())
    return factor.symbol;
  std::string dividend = sizeText(factor.dividend);
  if (expressionOf(factor.dividend).size() > 1)
    dividend = "(" + dividend + ")";
  return "floor(" + dividend + " / " + std::to_string(factor.divisor) + ")";
}

std::string sizeText(int64_t size) {
  if (!isSymbolicSize(size))
    return std::to_string(size);
  std::string text;
  // Largest terms first, as one writes polynomials.
  const SizeExpression expression = expressionOf(size);
  for (auto term = expression.rbegin(); term != expression.rend(); ++term) {
    auto [factors, coefficient] = *term;
    if (text.empty())
      text += coefficient < 0 ? "-" : "";
    else
      text += coefficient < 0 ? " - " : " + ";
    uint64_t magnitude = coefficient < 0 ? -static_cast<uint64_t>(coefficient) : coefficient;
    std::string product;
    if (magnitude != 1 || factors.empty())
      product = std::to_string(magnitude);
    for (const SizeFactor &factor : factors)
      product += (product.empty() ? "" : "*") + factorText(factor);
    text += product;
  }
  return text;
}

namespace {

/// Recursive descent over  sum = ["-"] product (("+" | "-") product)*, product = atom ("*" atom)*,
/// atom = number | name | "floor" "(" product "/" number ")" | "(" sum ")".
class SizeParser {
public:
  explicit SizeParser(std::string_view text) : rest(text) {}

  std::optional<int64_t> parse() {
    auto size = sum();
    return size && next() == '\0' ? size : std::nullopt;
  }

private:
  char next() {
    while (!rest.empty() && rest.front() == ' ')
      rest.remove_prefix(1);
    return rest.empty() ? '\0' : rest.front();
  }

  bool take(char wanted) {
    if (next() != wanted)
      return false;
    rest.remove_prefix(1);
    return true;
  }

  std::optional<int64_t> sum() {
    // A text nests no deeper than one that `sizeText` writes could.
    if (++depth > 32)
      return std::nullopt;
    bool negative = take('-');
    auto total = product();
    if (total && negative)
      total = subtractSizes(0, *total);
    while (total && (next() == '+' || next() == '-')) {
      bool minus = take('-');
      if (!minus)
        take('+');
      auto right = product();
      if (!right)
        return std::nullopt;
      total = minus ? subtractSizes(*total, *right) : addSizes(*total, *right);
    }
    --depth;
    return total;
  }

  std::optional<int64_t> product() {
    auto total = atom();
    while (total && take('*')) {
      auto right = atom();
      if (!right)
        return std::nullopt;
      total = multiplySizes(*total, *right);
    }
    return total;
  }

  std::optional<int64_t> number() {
    int64_t value = 0;
    next();
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || value < 0 || value >= firstHandle)
      return std::nullopt;
    rest.remove_prefix(end - rest.data());
    return value;
  }

  std::optional<int64_t> atom() {
    char first = next();
    if (std::isdigit(static_cast<unsigned char>(first)))
      return number();
    if (take('(')) {
      auto inner = sum();
      return inner && take(')') ? inner : std::nullopt;
    }
    size_t length = 0;
    while (length < rest.size() &&
           (std::isalnum(static_cast<unsigned char>(rest[length])) || rest[length] == '_'))
      ++length;
    std::string_view name = rest.substr(0, length);
    rest.remove_prefix(length);
    if (name == "floor")
      return quotient();
    return isIdentifier(name) ? std::optional(symbolicSize(name)) : std::nullopt;
  }

  std::optional<int64_t> quotient() {
    if (!take('('))
      return std::nullopt;
    // A sum needs parentheses: n + 2 / 2 is something else.
    auto dividend = product();
    if (!dividend || !take('/'))
      return std::nullopt;
    auto divisor = number();
    if (!divisor || *divisor == 0 || !take(')'))
      return std::nullopt;
    return floorDivideSize(*dividend, *divisor);
  }

  std::string_view rest;
  int depth = 0;
};

} // namespace

std::optional<int64_t> parseSize(std::string_view text) {
  try {
    return SizeParser(text).parse();
  } catch (const Error &) {
    return std::nullopt; // a number overflows
  }
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

using ValueOfSymbol = std::function<std::optional<int64_t>(std::string_view)>;

static int64_t evaluate(int64_t size, const ValueOfSymbol &valueOf) {
  const SizeExpression expression = expressionOf(size);
  int64_t total = 0;
  for (const auto &[factors, coefficient] : expression) {
    int64_t product = coefficient;
    for (const SizeFactor &factor : factors) {
      if (factor.symbol.empty()) {
        int64_t dividend = evaluate(factor.dividend, valueOf);
        product = multiplyNumbers(product, floorDivideSize(dividend, factor.divisor));
        continue;
      }
      auto value = valueOf(factor.symbol);
      if (!value)
        throw Error(Error::Kind::Value, "the size " + factor.symbol + " has no value");
      product = multiplyNumbers(product, *value);
    }
    total = addNumbers(total, product);
  }
  return total;
}

int64_t evaluateSize(int64_t size, const ValueOfSymbol &valueOf) {
  int64_t value = evaluate(size, valueOf);
  if (value < 0 || value >= firstHandle)
    throw Error(Error::Kind::Value,
                "the size " + sizeText(size) + " would be " + std::to_string(value));
  return value;
}

int64_t evaluateCount(int64_t size, const ValueOfSymbol &valueOf) {
  return std::max<int64_t>(evaluate(size, valueOf), 0);
}

int64_t estimateSize(int64_t size) {
  try {
    return evaluateCount(size, [](std::string_view) { return 1024; });
  } catch (const Error &) {
    return firstHandle - 1;
  }
}

bool mayBeNegative(int64_t size) {
  const SizeExpression expression = expressionOf(size);
  return std::any_of(expression.begin(), expression.end(), [](const SizeTerm &term) {
    return term.second < 0 || std::any_of(
                                  term.first.begin(), term.first.end(),
                                  [](const SizeFactor &factor) {
                                    return factor.symbol.empty() && mayBeNegative(factor.dividend);
                                  });
  });
}

static void collectSymbols(int64_t size, std::set<std::string> &names) {
  const SizeExpression expression = expressionOf(size);
  for (const auto &[factors, coefficient] : expression)
    for (const SizeFactor &factor : factors)
      if (factor.symbol.empty())
        collectSymbols(factor.dividend, names);
      else
        names.insert(factor.symbol);
}

std::vector<std::string> symbolsIn(int64_t size) {
  std::set<std::string> names;
  collectSymbols(size, names);
  return {names.begin(), names.end()};
}

} // namespace weft
