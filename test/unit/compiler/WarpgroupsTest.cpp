// Which of the two stages of a contraction by warpgroups has tasks.
#include "lib/Compiler/EmulatedDevice.h"
#include "test/unit/compiler/ParseProgram.h"
#include "test/unit/runtime/ExpectError.h"

using namespace weft;
using weft::testing::expectError;
using weft::testing::parseProgram;

namespace {

std::string matrix(int64_t rows, int64_t columns) {
  return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "xbf16>";
}

std::string product(int64_t rows, int64_t depth, int64_t columns) {
  std::string left = matrix(rows, depth), right = matrix(depth, columns),
              result = matrix(rows, columns);
  return "func.func @main(%x: " + left + ", %y: " + right + ") -> " + result + " {\n" +
         "%0 = weft.matmul %x, %y : " + left + ", " + right + " -> " + result + "\n" +
         "return %0 : " + result + "\n}";
}

TEST(Warpgroups, HaveTasksForSizesThatTensorMapsCanDescribe) {
  CompileOptions options;
  options.device = &EmulatedDevice::instance("sm_90a");
  struct Sizes {
    int64_t rows, depth, columns;
    bool suit;
  };
  for (auto [rows, depth, columns, suit] :
       {Sizes{640, 136, 1000, true}, Sizes{641, 136, 1000, true}, Sizes{640, 132, 1000, false},
        Sizes{640, 136, 1001, false}, Sizes{640, 0, 1000, false}}) {
    auto module = parseProgram(product(rows, depth, columns));
    auto executable = Compiler::instance().compile(*module, options);
    std::vector<const Launch *> launches = executable->plan.launches();
    ASSERT_EQ(launches.size(), 2u);
    const int64_t tiles = (rows + 127) / 128 * 8;
    EXPECT_EQ(launches[0]->deviceFunction->tensorMaps.size(), 2u);
    EXPECT_EQ(launches[0]->tasks, suit ? tiles : 0);
    EXPECT_FALSE(launches[0]->isAlternative);
    EXPECT_EQ(launches[1]->tasks, tiles);
    EXPECT_TRUE(launches[1]->isAlternative);
  }
}

TEST(Warpgroups, AreRefusedForAnotherGpu) {
  auto module = parseProgram(R"(
    func.func @main(%x: tensor<64x64xbf16>, %y: tensor<64x64xbf16>) -> tensor<64x64xbf16> {
      %0 = weft.launch @k(%x, %y) sizes [64, 64, 64] : (tensor<64x64xbf16>, tensor<64x64xbf16>) -> tensor<64x64xbf16>
      return %0 : tensor<64x64xbf16>
    }
    weft.kernel @k(%x: tensor<?x?xbf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xbf16, #weft.sizes<[1, 2]>>) -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
        attributes {schedule = #weft.warpgroup_contraction<columns = 128>} {
      %0 = weft.matmul %x, %y : tensor<?x?xbf16, #weft.sizes<[0, 1]>>, tensor<?x?xbf16, #weft.sizes<[1, 2]>> -> tensor<?x?xbf16, #weft.sizes<[0, 2]>>
      weft.yield %0 : tensor<?x?xbf16, #weft.sizes<[0, 2]>>
    })");
  expectError(Error::Kind::Unsupported,
              "_0 multiplies by warpgroups, which cuda:sm_80 does not have",
              [&] { Compiler::instance().lower(*module, "ptx", {.target = "cuda:sm_80"}); });
}

} // namespace
