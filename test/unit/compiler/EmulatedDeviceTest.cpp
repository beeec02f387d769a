// Faults of kernels that the compiler made: what the emulator says of them.
#include "lib/Compiler/EmulatedDevice.h"
#include "lib/Runtime/Executor.h"
#include "test/unit/compiler/ParseProgram.h"
#include "test/unit/runtime/ExpectError.h"

using namespace weft;
using weft::testing::expectError;
using weft::testing::parseProgram;

namespace {

TEST(EmulatedDevice, NamesTheUsersLineOfAFault) {
  auto module = parseProgram(R"(
    func.func @main(%x: tensor<4096xf32>, %y: tensor<4096xf32>) -> tensor<4096xf32> {
      %0 = weft.multiply %x, %y : tensor<4096xf32> loc("model.py":7:0)
      return %0 : tensor<4096xf32>
    })");
  EmulatedDevice &device = EmulatedDevice::instance("sm_80");
  CompileOptions options;
  options.device = &device;
  auto executable = Compiler::instance().compile(*module, options);
  std::vector<float> values(4096, 2.0f);
  uint64_t bytes = values.size() * sizeof(float);
  auto filled = [&](uint64_t count) {
    StorageRef storage = device.allocate(count);
    device.write(*storage, values.data(), count);
    return storage;
  };
  std::vector<StorageRef> inputs = {filled(bytes), filled(bytes)};
  EXPECT_EQ(execute(executable->plan, inputs).size(), 1u);
  // One input is shorter than the plan was made for.
  inputs[1] = filled(bytes / 2);
  expectError(Error::Kind::Unsupported, "model.py:7", [&] { execute(executable->plan, inputs); });
}

} // namespace
