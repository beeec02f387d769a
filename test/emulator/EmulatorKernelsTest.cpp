// Correct kernels give the right result under every schedule, and no report.
#include "KernelCases.h"

#include <gtest/gtest.h>

using namespace weft::emulator;

namespace {

class CorrectKernel : public testing::TestWithParam<KernelCase> {};

TEST_P(CorrectKernel, IsRightUnderEverySchedule) {
  const Outcome outcome = runKernel(GetParam().name, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(outcome.kind(), "correct") << outcome.text();
}

INSTANTIATE_TEST_SUITE_P(Emulator, CorrectKernel, testing::ValuesIn(kernelCases()),
                         [](const testing::TestParamInfo<KernelCase> &info) {
                           return std::string(info.param.name);
                         });

} // namespace
