#include "lib/Compiler/PlanBuilder.h"
#include "test/unit/compiler/ParseProgram.h"
#include "test/unit/runtime/ExpectError.h"

using namespace mlir;
using namespace weft;
using weft::testing::expectError;
using weft::testing::parseProgram;

namespace {

TEST(PlanBuilder, RefusesWhatObjectsAloneHave) {
  const char *const programs[] = {R"(
    func.func @main(%x: tensor<4xf32>, %p: tensor<64xui8>) -> tensor<4xf32> {
      %0 = weft.launch @k(%x) prepared(%p : tensor<64xui8>) sizes [4]
          {offsets = array<i64: -1>, temporaries = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
      return %0 : tensor<4xf32>
    })",
                                  R"(
    func.func @main() -> tensor<4xf32> {
      %x = ub.poison : tensor<4xf32>
      %0 = weft.launch @k(%x) sizes [4] {offsets = array<i64: -1>}
          : (tensor<4xf32>) -> tensor<4xf32>
      return %0 : tensor<4xf32>
    })"};
  const std::string kernel = R"(
    weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
        attributes {schedule = #weft.elementwise<lanes = 16>} {
      %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
      weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
    })";
  for (const char *program : programs) {
    OwningOpRef<ModuleOp> module = parseProgram(program + kernel);
    auto main = module->lookupSymbol<func::FuncOp>("main");
    expectError(Error::Kind::Unsupported, "launches of compiled objects alone",
                [&] { buildPlan(main, {}, /*device=*/nullptr, /*prepares=*/false); });
  }
}

} // namespace
