#include "passes/plan/LaunchArguments.h"
#include "lib/Support/SymbolicSize.h"
#include "test/unit/compiler/ParseProgram.h"

#include <bit>

using namespace mlir;
using namespace weft;
using weft::testing::parseProgram;

namespace {

OwningOpRef<ModuleOp> plannedProgram(const std::string &text) {
  OwningOpRef<ModuleOp> module = parseProgram(text);
  PassManager passes(module->getContext());
  passes.addPass(createFuse());
  passes.addPass(createCollapseDimensions());
  passes.addPass(createSchedule());
  passes.addPass(createPlanMemory());
  EXPECT_TRUE(succeeded(passes.run(*module)));
  return module;
}

const char *const scaled = R"(
  func.func @main(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>)
      -> tensor<?x4xf32, #weft.shape<["n", 4]>> {
    %half = weft.constant dense<0.5> : tensor<f32> : tensor<?x4xf32, #weft.shape<["n", 4]>>
    %count = weft.size "n - 1" : tensor<?x4xf32, #weft.shape<["n", 4]>>
    %number = weft.size "n" : tensor<?x4xi32, #weft.shape<["n", 4]>>
    %0 = weft.multiply %x, %half : tensor<?x4xf32, #weft.shape<["n", 4]>>
    %1 = weft.divide %0, %count : tensor<?x4xf32, #weft.shape<["n", 4]>>
    %2 = weft.cast %number
        : tensor<?x4xi32, #weft.shape<["n", 4]>> -> tensor<?x4xf32, #weft.shape<["n", 4]>>
    %3 = weft.add %1, %2 : tensor<?x4xf32, #weft.shape<["n", 4]>>
    return %3 : tensor<?x4xf32, #weft.shape<["n", 4]>>
  })";

TEST(LaunchArguments, AreTheSizesAndThenTheParameters) {
  auto module = plannedProgram(scaled);
  auto main = module->lookupSymbol<func::FuncOp>("main");
  LaunchOp launch = *main.getOps<LaunchOp>().begin();
  auto kernel = module->lookupSymbol<KernelOp>(launch.getKernel());
  int64_t n = symbolicSize("n");
  using Kind = LaunchArgument::Kind;
  SmallVector<LaunchArgument> expected{{Kind::Size, multiplySizes(n, 4)},
                                       {Kind::Bits, std::bit_cast<int64_t>(0.5)},
                                       {Kind::SizeAsDouble, subtractSizes(n, 1)},
                                       {Kind::Size, n}};
  EXPECT_EQ(launchArguments(launch, kernel), expected);
}

TEST(LaunchArguments, BitsOfKnownSizes) {
  using Kind = LaunchArgument::Kind;
  EXPECT_EQ(bitsOf({Kind::Bits, -7}), -7);
  EXPECT_EQ(bitsOf({Kind::Size, 12}), 12);
  EXPECT_EQ(bitsOf({Kind::Size, -1}), 0);
  EXPECT_EQ(bitsOf({Kind::SizeAsDouble, 12}), std::bit_cast<int64_t>(12.0));
  EXPECT_EQ(bitsOf({Kind::SizeAsDouble, -1}), std::bit_cast<int64_t>(0.0));
}

TEST(LaunchArguments, SlotsAndConditionsAreReadBack) {
  auto module = plannedProgram(R"(
    func.func @main(%x: tensor<?xf32, #weft.shape<["n"]>>) -> tensor<f32> {
      %0 = weft.slice %x starts [2] steps [1]
          : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?xf32, #weft.shape<["n - 2"]>>
      %1 = weft.sum %0 [0] : tensor<?xf32, #weft.shape<["n - 2"]>> -> tensor<f32>
      %2 = weft.broadcast %1 [] : tensor<f32> -> tensor<2x?xf32, #weft.shape<[2, "n"]>>
      %3 = weft.max %2 [1] : tensor<2x?xf32, #weft.shape<[2, "n"]>> -> tensor<2xf32>
      %4 = weft.sum %3 [0] : tensor<2xf32> -> tensor<f32>
      return %4 : tensor<f32>
    })");
  auto main = module->lookupSymbol<func::FuncOp>("main");
  EXPECT_TRUE(hasSymbolicSizes(main));
  EXPECT_EQ(sizeConditions(main), (SmallVector<int64_t>{subtractSizes(symbolicSize("n"), 2)}));
  EXPECT_EQ(slotSizes(main), (SmallVector<SmallVector<int64_t>>{{4}, {8}}));
}

TEST(LaunchArguments, AFunctionOfKnownSizesHasAnArena) {
  auto module = plannedProgram("func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                               "%0 = weft.exp %x : tensor<4xf32>\n"
                               "return %0 : tensor<4xf32>\n}");
  auto main = module->lookupSymbol<func::FuncOp>("main");
  EXPECT_FALSE(hasSymbolicSizes(main));
  EXPECT_TRUE(main->hasAttr("weft.arena"));
  EXPECT_TRUE(slotSizes(main).empty());
}

} // namespace
