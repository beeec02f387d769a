#include "lib/Runtime/RuntimeOptions.h"
#include "test/unit/runtime/ExpectError.h"

#include <map>

using namespace weft;
using weft::testing::expectError;

namespace {

Environment environmentOf(std::map<std::string, std::string> variables) {
  return [variables](const std::string &name) -> std::optional<std::string> {
    auto found = variables.find(name);
    if (found == variables.end())
      return std::nullopt;
    return found->second;
  };
}

RuntimeOptions threadsOption(const std::string &text) {
  return RuntimeOptions::fromEnvironment(environmentOf({{"WEFT_NUM_THREADS", text}}));
}

RuntimeOptions cacheOption(const std::string &text) {
  return RuntimeOptions::fromEnvironment(environmentOf({{"WEFT_ALLOCATOR_CACHE_BYTES", text}}));
}

TEST(Options, UnsetAndEmptyVariablesLeaveTheDefaults) {
  for (const RuntimeOptions &options :
       {RuntimeOptions::fromEnvironment(environmentOf({})), threadsOption(""), cacheOption("")}) {
    EXPECT_FALSE(options.threadCount);
    EXPECT_FALSE(options.allocatorCacheBytes);
  }
}

TEST(Options, ThreadCountIsBoundedByTheCores) {
  EXPECT_EQ(threadsOption("3").resolveThreadCount(8), 3);
  EXPECT_EQ(threadsOption("3").resolveThreadCount(2), 2);
  EXPECT_EQ(RuntimeOptions().resolveThreadCount(8), 8);
  EXPECT_EQ(RuntimeOptions().resolveThreadCount(0), 1);
}

TEST(Options, MalformedThreadCountsNameTheVariable) {
  for (const char *text : {"0", "-2", "four", "4x", " 4", "1.5", "99999999999999999999", "1025"})
    expectError(Error::Kind::Option,
                "WEFT_NUM_THREADS is '" + std::string(text) +
                    "', but must be an integer from 1 to 1024",
                [&] { threadsOption(text); });
}

TEST(Options, CacheBytesTakeSuffixes) {
  EXPECT_EQ(cacheOption("0").allocatorCacheBytes, 0u);
  EXPECT_EQ(cacheOption("12345").allocatorCacheBytes, 12345u);
  EXPECT_EQ(cacheOption("3K").allocatorCacheBytes, uint64_t(3) << 10);
  EXPECT_EQ(cacheOption("3M").allocatorCacheBytes, uint64_t(3) << 20);
  EXPECT_EQ(cacheOption("3G").allocatorCacheBytes, uint64_t(3) << 30);
  EXPECT_EQ(cacheOption("3T").allocatorCacheBytes, uint64_t(3) << 40);
}

TEST(Options, MalformedCacheBytesNameTheVariable) {
  for (const char *text : {"-1", "M", "3X", "3 M", "3MB", "99999999999T"})
    expectError(Error::Kind::Option, "WEFT_ALLOCATOR_CACHE_BYTES is '" + std::string(text) + "'",
                [&] { cacheOption(text); });
}

TEST(Options, CacheDefaultsToAGibibyteOrAQuarterOfTheMemory) {
  EXPECT_EQ(RuntimeOptions().resolveAllocatorCacheBytes(uint64_t(64) << 30), uint64_t(1) << 30);
  EXPECT_EQ(RuntimeOptions().resolveAllocatorCacheBytes(uint64_t(1) << 30), uint64_t(1) << 28);
  EXPECT_EQ(cacheOption("7").resolveAllocatorCacheBytes(uint64_t(64) << 30), 7u);
}

TEST(Options, PreparedBytesAreHalfOfTheMemoryOrWhatIsAsked) {
  auto option = [](const std::string &text) {
    return RuntimeOptions::fromEnvironment(environmentOf({{"WEFT_PREPARED_BYTES", text}}));
  };
  EXPECT_EQ(option("").resolvePreparedBytes(uint64_t(1) << 30), uint64_t(1) << 29);
  EXPECT_EQ(option("0").resolvePreparedBytes(uint64_t(1) << 30), 0u);
  EXPECT_EQ(option("3M").resolvePreparedBytes(uint64_t(1) << 30), uint64_t(3) << 20);
  expectError(Error::Kind::Option, "WEFT_PREPARED_BYTES is 'much'", [&] { option("much"); });
}

TEST(Options, ProcessEnvironmentIsRead) {
  setenv("WEFT_TEST_VARIABLE", "17", 1);
  EXPECT_EQ(integerOption(processEnvironment, "WEFT_TEST_VARIABLE", 0, 20), 17);
  unsetenv("WEFT_TEST_VARIABLE");
  EXPECT_FALSE(integerOption(processEnvironment, "WEFT_TEST_VARIABLE", 0, 20));
}

} // namespace
