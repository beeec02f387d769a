// nvJitLink, where it is installed.
#include "codegen/NVPTX/JitLink.h"

#include "test/unit/runtime/ExpectError.h"

#include <gtest/gtest.h>

using namespace weft;

namespace {

constexpr const char *emptyKernel = R"(
.version 7.8
.target sm_80
.address_size 64
.visible .entry nothing(.param .u64 tasks) { ret; }
)";

class JitLinkTest : public ::testing::Test {
protected:
  void SetUp() override {
    if (!canLinkInProcess())
      GTEST_SKIP() << "libnvJitLink is not installed; WEFT_NVJITLINK can name it";
  }
  const GpuTarget &target = *GpuTarget::byName("cuda:sm_80");
};

TEST_F(JitLinkTest, PtxBecomesMachineCode) {
  std::string cubin = linkInProcess(emptyKernel, target);
  EXPECT_EQ(cubin.substr(0, 4), "\x7f"
                                "ELF");
  EXPECT_NE(cubin.find("nothing"), std::string::npos);
}

TEST_F(JitLinkTest, BadTextIsRefusedWithTheReason) {
  weft::testing::expectError(Error::Kind::Unsupported, "nvJitLink refuses the code for cuda:sm_80",
                             [&] { linkInProcess("nonsense", target); });
}

} // namespace
