// Kernels in memory: each once, a bounded number of them, and their code goes with its last user.
#include "lib/Compiler/KernelCache.h"

#include "lib/Support/Error.h"
#include "test/unit/compiler/ParseProgram.h"
#include "test/unit/compiler/TemporaryFolder.h"

#include <gtest/gtest.h>

#include <cstdlib>

using namespace weft;

namespace {

/// What happened to the kernels of a backend.
struct Events {
  int loads = 0;
  int alive = 0;
  bool failsToLoad = false;
};

class CountingBackend : public KernelBackend {
public:
  explicit CountingBackend(Events &events) : events(events) {}

  std::string key() const override { return "counting"; }

  std::unique_ptr<TranslatedKernel> emit(KernelOp kernel) override {
    struct Emitted : TranslatedKernel {
      explicit Emitted(std::string name) : name(std::move(name)) {}
      KernelObject assemble() override { return {name, 1, 0, {'c'}}; }
      std::string name;
    };
    return std::make_unique<Emitted>(kernel.getSymName().str());
  }

  std::shared_ptr<const KernelCode> load(const KernelObject &) override {
    if (std::exchange(events.failsToLoad, false))
      throw Error(Error::Kind::Unsupported, "the object can't be linked");
    ++events.loads;
    ++events.alive;
    return {new KernelCode, [&events = events](const KernelCode *code) {
              delete code;
              --events.alive;
            }};
  }

private:
  Events &events;
};

class KernelCacheTest : public ::testing::Test, protected weft::testing::TemporaryFolder {
protected:
  KernelCacheTest() { setenv("WEFT_CACHE_DIR", path("cache").c_str(), 1); }
  ~KernelCacheTest() override { unsetenv("WEFT_CACHE_DIR"); }

  static mlir::OwningOpRef<mlir::ModuleOp> kernels(int count) {
    std::string text;
    for (int number = 0; number < count; ++number)
      text += "weft.kernel @k" + std::to_string(number) +
              "(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>> {\n"
              "  weft.yield %x : tensor<f32, #weft.sizes<>>\n}\n";
    return weft::testing::parseProgram(text);
  }
  static std::vector<KernelOp> kernelsOf(mlir::ModuleOp module) {
    return {module.getOps<KernelOp>().begin(), module.getOps<KernelOp>().end()};
  }

  KernelCache open(size_t capacity) {
    return {std::make_unique<CountingBackend>(events), "", capacity};
  }

  Events events;
  Statistics statistics;
};

TEST_F(KernelCacheTest, KeepsAsManyAsItMay) {
  auto module = kernels(10);
  std::vector<KernelOp> all = kernelsOf(*module);
  KernelCache cache = open(3);
  for (KernelOp kernel : all)
    cache.get(kernel, statistics);
  EXPECT_EQ(events.alive, 3);
  EXPECT_EQ(statistics.kernelsCompiled, 10);
  // The last ones are in memory, the others on disk.
  cache.get(all[9], statistics);
  EXPECT_EQ(events.loads, 10);
  cache.get(all[0], statistics);
  EXPECT_EQ(events.loads, 11);
  EXPECT_EQ(events.alive, 3);
  EXPECT_EQ(statistics.kernelsCompiled, 10);
  EXPECT_EQ(statistics.diskHits, 1);
}

TEST_F(KernelCacheTest, WhatAProgramHoldsStays) {
  auto module = kernels(10);
  KernelCache cache = open(3);
  {
    auto held = cache.get(kernelsOf(*module), statistics);
    ASSERT_EQ(held.size(), 10u);
    EXPECT_TRUE(llvm::all_of(held, [](const auto &code) { return code != nullptr; }));
    EXPECT_EQ(events.alive, 10);
  }
  EXPECT_EQ(events.alive, 3);
}

TEST_F(KernelCacheTest, GivesBackWhatNobodyHolds) {
  auto module = kernels(5);
  std::vector<KernelOp> all = kernelsOf(*module);
  KernelCache cache = open(10);
  cache.get(all, statistics);
  {
    auto held = cache.get(all[2], statistics);
    cache.trim();
    EXPECT_EQ(events.alive, 1);
    EXPECT_EQ(cache.get(all[2], statistics), held);
  }
  cache.get(all, statistics);
  EXPECT_EQ(events.alive, 5);
  cache.trim();
  EXPECT_EQ(events.alive, 0);
}

TEST_F(KernelCacheTest, AnObjectThatCannotBeLinkedIsCompiledAgain) {
  auto module = kernels(1);
  open(1).get(kernelsOf(*module), statistics);
  events.failsToLoad = true;
  EXPECT_NE(open(1).get(kernelsOf(*module), statistics)[0], nullptr);
  EXPECT_EQ(statistics.kernelsCompiled, 2);
  EXPECT_EQ(statistics.diskFailures, 1);
  EXPECT_EQ(events.alive, 0);
}

} // namespace
