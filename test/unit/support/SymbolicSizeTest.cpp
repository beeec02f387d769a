#include "lib/Support/SymbolicSize.h"
#include "test/unit/runtime/ExpectError.h"

#include <map>
#include <random>

using namespace weft;
using weft::testing::expectError;

namespace {

using Values = std::map<std::string, int64_t, std::less<>>;

auto lookUpIn(const Values &values) {
  return [&values](std::string_view symbol) -> std::optional<int64_t> {
    auto found = values.find(symbol);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

int64_t floorOf(int64_t dividend, int64_t divisor) {
  int64_t quotient = dividend / divisor;
  return quotient * divisor > dividend ? quotient - 1 : quotient;
}

/// A random expression, as a size and as its value for some values of the symbols.
struct Sample {
  int64_t size;
  int64_t value;
};

class Samples {
public:
  explicit Samples(unsigned seed) : random(seed) {
    for (const char *name : {"n", "m", "height"})
      values[name] = below(12);
  }

  Sample draw(int depth) {
    if (depth == 0 || below(5) == 0)
      return leaf();
    Sample left = draw(depth - 1);
    switch (below(4)) {
    case 0: {
      int64_t divisor = 1 + below(6);
      return {floorDivideSize(left.size, divisor), floorOf(left.value, divisor)};
    }
    case 1: {
      Sample right = draw(depth - 1);
      return {addSizes(left.size, right.size), left.value + right.value};
    }
    case 2: {
      Sample right = draw(depth - 1);
      return {subtractSizes(left.size, right.size), left.value - right.value};
    }
    default: {
      Sample right = draw(depth / 2);
      return {multiplySizes(left.size, right.size), left.value * right.value};
    }
    }
  }

  int64_t below(int64_t end) { return static_cast<int64_t>(random() % end); }

  Values values;

private:
  Sample leaf() {
    if (below(3) == 0) {
      int64_t number = below(9);
      return {number, number};
    }
    auto chosen = std::next(values.begin(), below(3));
    return {symbolicSize(chosen->first), chosen->second};
  }

  std::mt19937 random;
};

TEST(SymbolicSize, ValuesOfRandomExpressionsAreThoseOfArithmetic) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Samples samples(seed);
    Sample sample = samples.draw(4);
    std::string text = sizeText(sample.size);
    EXPECT_EQ(evaluateCount(sample.size, lookUpIn(samples.values)),
              std::max<int64_t>(sample.value, 0))
        << text << ", seed " << seed;
    if (sample.value >= 0)
      EXPECT_EQ(evaluateSize(sample.size, lookUpIn(samples.values)), sample.value) << text;
    else
      expectError(Error::Kind::Value, "would be " + std::to_string(sample.value),
                  [&] { evaluateSize(sample.size, lookUpIn(samples.values)); });
    if (!mayBeNegative(sample.size))
      EXPECT_GE(sample.value, 0) << text << ", seed " << seed;
  }
}

TEST(SymbolicSize, TextsOfRandomExpressionsReadBack) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Sample sample = Samples(seed).draw(4);
    if (isSymbolicSize(sample.size) || sample.size >= 0)
      EXPECT_EQ(parseSize(sizeText(sample.size)), sample.size) << sizeText(sample.size);
  }
}

TEST(SymbolicSize, ExactQuotientsAreQuotients) {
  unsigned found = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Samples samples(seed);
    Sample left = samples.draw(3), right = samples.draw(1);
    Sample product = {multiplySizes(left.size, right.size), left.value * right.value};
    auto quotient = divideSizesExactly(product.size, right.size);
    if (!quotient || right.value == 0)
      continue;
    ++found;
    int64_t value =
        isSymbolicSize(*quotient) ? evaluateCount(*quotient, lookUpIn(samples.values)) : *quotient;
    EXPECT_EQ(std::max<int64_t>(value, 0), std::max<int64_t>(left.value, 0))
        << sizeText(product.size) << " / " << sizeText(right.size);
  }
  EXPECT_GT(found, 1000u);
}

TEST(SymbolicSize, EqualExpressionsHaveOneHandle) {
  auto expectEqual = [](const char *left, const char *right) {
    ASSERT_TRUE(parseSize(left)) << left;
    EXPECT_EQ(parseSize(left), parseSize(right)) << left << " and " << right;
  };
  expectEqual("n + m", "m + n");
  expectEqual("(n + 1)*(n - 1)", "n*n - 1");
  expectEqual("n - n", "0");
  expectEqual("floor((4*n + 2) / 2)", "2*n + 1");
  expectEqual("floor((h - 3) / 2) + 1", "floor((h - 1) / 2)");
  expectEqual("floor((floor(h / 2) + 1) / 3)", "floor((h + 2) / 6)");
  expectEqual("floor((2*h + 1) / 4)", "floor(h / 2)");
  expectEqual("floor((2*floor(h / 3) + 1) / 4)", "floor(h / 6)");
  EXPECT_NE(parseSize("n"), parseSize("m"));
  EXPECT_NE(parseSize("floor(n / 2)"), parseSize("floor((n + 1) / 2)"));
}

TEST(SymbolicSize, TextIsOrderedAndShort) {
  EXPECT_EQ(sizeText(784), "784");
  EXPECT_EQ(sizeText(*parseSize("1 + n*3 - m*n")), "3*n - m*n + 1");
  EXPECT_EQ(sizeText(*parseSize("2 * floor((n+1)/2) - 4")), "2*floor((n + 1) / 2) - 4");
}

TEST(SymbolicSize, MalformedTextIsNoSize) {
  for (const char *text : {"",
                           " ",
                           "n +",
                           "+ n",
                           "2n",
                           "n m",
                           "n / 2",
                           "floor(n)",
                           "floor(n / 0)",
                           "floor(n / m)",
                           "floor(n / 2",
                           "floor(n + 2 / 2)",
                           "(n",
                           "n)",
                           "n**2",
                           "1.5",
                           "n[0]",
                           "\xc3\xa9",
                           "floor",
                           "n - - 1",
                           "1152921504606846976",
                           "99999999999999999999",
                           "9223372036854775807*n*2"})
    EXPECT_FALSE(parseSize(text)) << text;
  EXPECT_FALSE(parseSize(std::string(100'000, '(')));
  std::string powers = "n";
  for (int i = 0; i < 1000; ++i)
    powers += "*n";
  EXPECT_FALSE(parseSize(powers));
}

TEST(SymbolicSize, NumbersThatOverflowAreErrors) {
  constexpr int64_t large = int64_t(1) << 59;
  auto overflows = [](auto action) {
    expectError(Error::Kind::Value, "overflows 64 bits", action);
  };
  overflows([] { addSizes(large, large); });
  overflows([] { multiplySizes(large, large); });
  overflows([] { subtractSizes(-large, large); });
  overflows([] { multiplySizes(multiplySizes(symbolicSize("n"), large), 2); });
  Values values{{"n", large}};
  overflows([&] { evaluateSize(*parseSize("n*n"), lookUpIn(values)); });
}

TEST(SymbolicSize, UnknownSymbolsAndNumbersThatAreNoHandlesAreErrors) {
  Values none;
  expectError(Error::Kind::Value, "the size n has no value",
              [&] { evaluateSize(symbolicSize("n"), lookUpIn(none)); });
  expectError(Error::Kind::Value, "is no name of a size", [] { symbolicSize("0.weight"); });
  expectError(Error::Kind::Value, "not known while compiling",
              [] { expressionOf(symbolicSize("n") + 1); });
}

TEST(SymbolicSize, SymbolsAreFoundInQuotientsToo) {
  EXPECT_EQ(symbolsIn(*parseSize("2*n*b + floor((h + n) / 2)")),
            (std::vector<std::string>{"b", "h", "n"}));
  EXPECT_TRUE(symbolsIn(784).empty());
}

} // namespace
