#include "lib/Compiler/Instantiate.h"
#include "lib/Support/SymbolicSize.h"
#include "test/unit/compiler/ParseProgram.h"
#include "test/unit/runtime/ExpectError.h"

using namespace mlir;
using namespace weft;
using weft::testing::expectError;
using weft::testing::parseProgram;

namespace {

/// "tensor<?x4xf32, #weft.shape<["n", 4]>>" or, with numbers, "tensor<2x4xf32>".
std::string tensor(std::vector<std::string> sizes, const SizeBindings *numbers,
                   const std::string &element = "f32") {
  std::string shape, names;
  bool isSymbolic = false;
  for (const std::string &text : sizes) {
    int64_t size = *parseSize(text);
    if (isSymbolicSize(size) && numbers)
      size = evaluateSize(size,
                          [&](std::string_view symbol) { return numbers->find(symbol)->second; });
    isSymbolic |= isSymbolicSize(size);
    shape += (isSymbolicSize(size) ? "?" : std::to_string(size)) + "x";
    names += (names.empty() ? "" : ", ") + std::string("\"") + sizeText(size) + "\"";
  }
  return "tensor<" + shape + element + (isSymbolic ? ", #weft.shape<[" + names + "]>>" : ">");
}

/// A program with constants, reshapes, slices and a size, symbolic or for given numbers.
std::string program(const SizeBindings *numbers) {
  std::string x = tensor({"n", "m", "4"}, numbers), flat = tensor({"n*m", "4"}, numbers);
  std::string tail = tensor({"n*m - 1", "4"}, numbers);
  std::string scalar = numbers ? x : "tensor<f32>";
  std::string count = numbers ? "weft.constant dense<" +
                                    std::to_string(2 * numbers->find("n")->second + 1) +
                                    "> : tensor<i64> : tensor<i64>"
                              : "weft.size \"2*n + 1\" : tensor<i64>";
  return "func.func @main(%x: " + x + ") -> (" + tail + ", tensor<i64>) {\n" +
         "%0 = weft.constant dense<2.0> : " + scalar + " : " + x + "\n" +
         "%1 = weft.multiply %x, %0 : " + x + "\n" + "%2 = weft.reshape %1 : " + x + " -> " + flat +
         "\n" + "%3 = weft.slice %2 starts [1, 0] steps [1, 1] : " + flat + " -> " + tail + "\n" +
         "%4 = " + count + "\n" + "return %3, %4 : " + tail + ", tensor<i64>\n}";
}

std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

TEST(Instantiate, GivesTheProgramThatIsWrittenForTheSizes) {
  auto symbolic = parseProgram(program(nullptr));
  for (auto [n, m] : {std::pair(1, 1), std::pair(2, 3), std::pair(64, 7)}) {
    SizeBindings numbers{{"n", n}, {"m", m}};
    auto fixed = parseProgram(program(&numbers));
    EXPECT_EQ(textOf(*instantiate(*symbolic, numbers)), textOf(*fixed));
  }
}

TEST(Instantiate, LeavesTheProgramAsItWas) {
  auto symbolic = parseProgram(program(nullptr));
  std::string before = textOf(*symbolic);
  instantiate(*symbolic, {{"n", 2}, {"m", 2}});
  EXPECT_EQ(textOf(*symbolic), before);
}

TEST(Instantiate, ReportsSymbolsWithoutAValue) {
  auto symbolic = parseProgram(program(nullptr));
  expectError(Error::Kind::Value, "the size m has no value",
              [&] { instantiate(*symbolic, {{"n", 2}}); });
}

TEST(Instantiate, ReportsSizesThatOverflowOrAreNegative) {
  auto symbolic = parseProgram(program(nullptr));
  constexpr int64_t large = int64_t(1) << 40;
  expectError(Error::Kind::Value, "overflows 64 bits",
              [&] { instantiate(*symbolic, {{"n", large}, {"m", large}}); });
  expectError(Error::Kind::Value, "the size m*n - 1 would be -1",
              [&] { instantiate(*symbolic, {{"n", 0}, {"m", 3}}); });
}

TEST(Instantiate, ReportsOpsThatAreNotDefinedForTheSizes) {
  auto table =
      parseProgram("func.func @main(%x: tensor<512xf32>) -> tensor<?xf32, #weft.shape<[\"n\"]>> {\n"
                   "%0 = weft.slice %x starts [0] steps [1] : tensor<512xf32> -> "
                   "tensor<?xf32, #weft.shape<[\"n\"]>>\n"
                   "return %0 : tensor<?xf32, #weft.shape<[\"n\"]>>\n}");
  EXPECT_TRUE(instantiate(*table, {{"n", 512}}));
  expectError(Error::Kind::Value, "reads elements 0 to 512 of dimension 0, whose size is 512",
              [&] { instantiate(*table, {{"n", 513}}); });
}

TEST(Instantiate, ANegativeNumberOfElementsIsNone) {
  auto symbolic = parseProgram("func.func @main() -> tensor<f32> {\n"
                               "%0 = weft.size \"n - 5\" : tensor<f32>\n"
                               "return %0 : tensor<f32>\n}");
  EXPECT_NE(textOf(*instantiate(*symbolic, {{"n", 2}})).find("dense<0.000000e+00>"),
            std::string::npos);
}

} // namespace
