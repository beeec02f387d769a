// Every planted fault is reported, as what it is.
#include "PlantedFaults.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace weft::emulator;

namespace {

class PlantedFaultTest : public testing::TestWithParam<PlantedFault> {};

TEST_P(PlantedFaultTest, IsReported) {
  const PlantedFault &planted = GetParam();
  // Each seed alone must show it.
  for (uint64_t seed : {0, 1, 2, 3}) {
    const Outcome outcome = runKernel(planted.kernel, {seed}, planted.plant, planted.changes);
    const bool isRight = std::find(planted.kinds.begin(), planted.kinds.end(), outcome.kind()) !=
                         planted.kinds.end();
    EXPECT_TRUE(isRight) << "seed " << seed << ": " << outcome.kind() << ": " << outcome.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Emulator, PlantedFaultTest, testing::ValuesIn(plantedFaults()),
                         [](const testing::TestParamInfo<PlantedFault> &info) {
                           return std::string(info.param.name);
                         });

} // namespace
