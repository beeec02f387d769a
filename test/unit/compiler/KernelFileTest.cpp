// A kernel's file is its own as a whole, or it is nothing.
#include "lib/Compiler/KernelFile.h"

#include "lib/Compiler/DiskCache.h"
#include "lib/Support/Error.h"
#include "test/unit/compiler/TemporaryFolder.h"

#include <gtest/gtest.h>

#include <map>

using namespace weft;

namespace {

KernelObject forProcessor() {
  KernelObject object{"k", 2, 1, {}};
  object.code.assign({'c', 'o', 'd', 'e'});
  return object;
}

KernelObject forDevice() {
  KernelObject object = forProcessor();
  object.image = "image";
  object.deviceStages = {{"k_0", 128, 64}, {"k_1", 256, 0}};
  return object;
}

TEST(KernelFile, GivesWhatWasWritten) {
  for (const KernelObject &object : {forProcessor(), forDevice()}) {
    auto read = decodeKernel(encodeKernel(object, "compiler"), "k", "compiler");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->stages, 2);
    EXPECT_EQ(read->temporaries, 1);
    EXPECT_EQ(llvm::StringRef(read->code.data(), read->code.size()), "code");
    EXPECT_EQ(read->image, object.image);
    ASSERT_EQ(read->deviceStages.size(), object.deviceStages.size());
    for (size_t stage = 0; stage < object.deviceStages.size(); ++stage) {
      EXPECT_EQ(read->deviceStages[stage].entry, object.deviceStages[stage].entry);
      EXPECT_EQ(read->deviceStages[stage].threads, object.deviceStages[stage].threads);
      EXPECT_EQ(read->deviceStages[stage].sharedBytes, object.deviceStages[stage].sharedBytes);
    }
  }
}

TEST(KernelFile, AnotherKernelOrCompilerIsRefused) {
  std::string bytes = encodeKernel(forProcessor(), "compiler");
  EXPECT_FALSE(decodeKernel(bytes, "other", "compiler"));
  EXPECT_FALSE(decodeKernel(bytes, "k", "another"));
}

TEST(KernelFile, EveryBitIsSealed) {
  const std::string bytes = encodeKernel(forDevice(), "compiler");
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] ^= static_cast<char>(1u << bit % 8);
    EXPECT_FALSE(decodeKernel(damaged, "k", "compiler")) << "bit " << bit;
  }
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decodeKernel(bytes.substr(0, length), "k", "compiler")) << length;
  EXPECT_FALSE(decodeKernel(bytes + '\0', "k", "compiler"));
}

/// Numbers that the seal says are right are not believed either: what it counts has to be there.
TEST(KernelFile, SizesAreThoseOfTheFile) {
  const std::string bytes = encodeKernel(forDevice(), "compiler");
  constexpr size_t wordsOfFirstStage = kernelHeaderBytes + 4 + 16;
  for (size_t place : {size_t(40), size_t(48), size_t(56), size_t(64), wordsOfFirstStage})
    for (uint64_t number :
         {uint64_t(1) << 40, ~uint64_t(0), uint64_t(1) << 63, ~uint64_t(0) >> 1}) {
      std::string hostile = bytes;
      std::memcpy(&hostile[place], &number, sizeof(number));
      sealKernelFile(hostile);
      EXPECT_FALSE(decodeKernel(hostile, "k", "compiler")) << number << " at " << place;
    }
}

using Variables = std::map<std::string, std::string>;

class DiskCacheTest : public ::testing::Test, protected weft::testing::TemporaryFolder {
protected:
  DiskCache open(const Variables &variables) {
    return DiskCache("key", "", [variables](const std::string &name) {
      auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
  }
  /// Whether the cache keeps a kernel, and where.
  bool keeps(const Variables &variables) {
    DiskCache cache = open(variables);
    cache.store(forProcessor());
    return open(variables).find("k").has_value();
  }
};

TEST_F(DiskCacheTest, ChoosesItsFolder) {
  EXPECT_TRUE(keeps({{"WEFT_CACHE_DIR", path("a")}, {"XDG_CACHE_HOME", path("b")}}));
  EXPECT_TRUE(keeps({{"XDG_CACHE_HOME", path("b")}, {"HOME", path("c")}}));
  EXPECT_TRUE(keeps({{"HOME", path("c")}, {"XDG_CACHE_HOME", ""}}));
  EXPECT_TRUE(std::filesystem::exists(path("a")));
  EXPECT_TRUE(std::filesystem::exists(path("b/weft")));
  EXPECT_TRUE(std::filesystem::exists(path("c/.cache/weft")));
}

TEST_F(DiskCacheTest, WithoutAHomeThereIsNone) {
  std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(root);
  for (const Variables &variables :
       {Variables{}, {{"HOME", ""}}, {{"HOME", "."}}, {{"XDG_CACHE_HOME", "cache"}}}) {
    EXPECT_FALSE(keeps(variables));
    EXPECT_EQ(open(variables).failures(), 1);
  }
  EXPECT_FALSE(keeps({{"WEFT_CACHE_DIR", ""}}));
  EXPECT_EQ(open({{"WEFT_CACHE_DIR", ""}}).failures(), 0) << "it was turned off";
  std::filesystem::current_path(before);
  EXPECT_EQ(names(), std::set<std::string>());
}

TEST_F(DiskCacheTest, HasABound) {
  Variables none{{"WEFT_CACHE_DIR", path("a")}, {"WEFT_CACHE_BYTES", "0"}};
  EXPECT_FALSE(keeps(none));
  EXPECT_TRUE(keeps({{"WEFT_CACHE_DIR", path("a")}, {"WEFT_CACHE_BYTES", "1K"}}));
  EXPECT_THROW(open({{"WEFT_CACHE_BYTES", "many"}}), Error);
}

TEST_F(DiskCacheTest, ADamagedEntryIsReplaced) {
  Variables variables{{"WEFT_CACHE_DIR", path("a")}};
  ASSERT_TRUE(keeps(variables));
  for (const std::string &name : names())
    if (name.ends_with(".kernel"))
      write(name, "damaged");
  DiskCache cache = open(variables);
  EXPECT_FALSE(cache.find("k"));
  EXPECT_EQ(cache.failures(), 1);
  cache.store(forProcessor());
  EXPECT_TRUE(cache.find("k"));
  EXPECT_EQ(cache.failures(), 1);
}

} // namespace
