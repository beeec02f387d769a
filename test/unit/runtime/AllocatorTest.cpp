#include "lib/Runtime/Allocator.h"
#include "test/unit/runtime/ExpectError.h"
#include "test/unit/runtime/InChild.h"

#include <cstring>
#include <limits>
#include <thread>
#include <vector>

using namespace weft;
using weft::testing::expectError;
using weft::testing::holdsInChild;

namespace {

constexpr uint64_t mebibyte = uint64_t(1) << 20;

/// Each test starts with an empty, roomy cache and leaves the limit as it was.
class AllocatorTest : public ::testing::Test {
protected:
  void SetUp() override {
    allocator.setCacheLimit(1024 * mebibyte);
    allocator.trim();
  }
  void TearDown() override { allocator.setCacheLimit(limit); }

  Allocator &allocator = Allocator::process();
  uint64_t limit = allocator.cacheLimit();
};

bool aligned(const StorageRef &storage, uint64_t alignment) {
  return reinterpret_cast<uintptr_t>(storage->data()) % alignment == 0;
}

TEST(SizeClass, CapacitiesAreTightAndIndicesDense) {
  uint32_t lastIndex = 0;
  for (uint64_t bytes = 0; bytes < 70000; ++bytes) {
    SizeClass sizeClass = SizeClass::of(bytes);
    ASSERT_GE(sizeClass.capacity, bytes);
    ASSERT_EQ(sizeClass.capacity % 64, 0u);
    ASSERT_LE(sizeClass.capacity, std::max<uint64_t>(bytes + 64, bytes + bytes / 8));
    ASSERT_TRUE(sizeClass.index == lastIndex || sizeClass.index == lastIndex + 1) << bytes;
    ASSERT_EQ(SizeClass::of(sizeClass.capacity).index, sizeClass.index);
    lastIndex = sizeClass.index;
  }
  for (int shift = 6; shift <= 47; ++shift)
    EXPECT_EQ(SizeClass::of(uint64_t(1) << shift).capacity, uint64_t(1) << shift);
}

TEST_F(AllocatorTest, BlocksAreAlignedAndWritable) {
  std::vector<StorageRef> blocks;
  for (uint64_t bytes : {uint64_t(0), uint64_t(1), uint64_t(64), uint64_t(65), uint64_t(40000),
                         mebibyte - 1, mebibyte, 2 * mebibyte, 5 * mebibyte + 3}) {
    StorageRef block = allocator.allocate(bytes);
    EXPECT_EQ(block->bytes(), bytes);
    ASSERT_NE(block->data(), nullptr);
    EXPECT_TRUE(aligned(block, bytes >= mebibyte ? 4096 : 64));
    EXPECT_TRUE(bytes < 2 * mebibyte || aligned(block, 2 * mebibyte));
    std::memset(block->data(), 0x5a, bytes);
    blocks.push_back(block);
  }
  for (const StorageRef &block : blocks)
    for (uint64_t byte = 0; byte < block->bytes(); byte += 61)
      ASSERT_EQ(static_cast<unsigned char *>(block->data())[byte], 0x5a);
}

TEST_F(AllocatorTest, FreedBlocksAreReused) {
  for (uint64_t bytes : {uint64_t(64), uint64_t(50000), 3 * mebibyte}) {
    void *first = allocator.allocate(bytes)->data();
    uint64_t requests = allocator.statistics().systemAllocations;
    EXPECT_EQ(allocator.allocate(bytes - 1)->data(), first);
    EXPECT_EQ(allocator.statistics().systemAllocations, requests);
  }
}

TEST_F(AllocatorTest, StatisticsFollowTheBlocks) {
  allocator.resetPeak();
  AllocatorStatistics before = allocator.statistics();
  EXPECT_EQ(before.bytesCached, 0u);
  EXPECT_EQ(before.peakBytesInUse, before.bytesInUse);
  {
    StorageRef small = allocator.allocate(100);
    StorageRef large = allocator.allocate(mebibyte);
    EXPECT_EQ(allocator.statistics().bytesInUse, before.bytesInUse + 128 + mebibyte);
  }
  AllocatorStatistics after = allocator.statistics();
  EXPECT_EQ(after.bytesInUse, before.bytesInUse);
  EXPECT_EQ(after.peakBytesInUse, before.bytesInUse + 128 + mebibyte);
  EXPECT_EQ(after.bytesCached, 128 + mebibyte);
  allocator.trim();
  EXPECT_EQ(allocator.statistics().bytesCached, 0u);
}

TEST_F(AllocatorTest, TheCacheKeepsTheBlocksFreedLast) {
  allocator.setCacheLimit(3 * mebibyte);
  {
    std::vector<StorageRef> blocks;
    for (uint64_t count = 1; count <= 3; ++count)
      blocks.push_back(allocator.allocate(count * mebibyte));
    for (StorageRef &block : blocks)
      block = StorageRef();
  }
  EXPECT_EQ(allocator.statistics().bytesCached, 3 * mebibyte);
  uint64_t requests = allocator.statistics().systemAllocations;
  StorageRef newest = allocator.allocate(3 * mebibyte);
  EXPECT_EQ(allocator.statistics().systemAllocations, requests);
  StorageRef evicted = allocator.allocate(mebibyte);
  EXPECT_EQ(allocator.statistics().systemAllocations, requests + 1);
}

TEST_F(AllocatorTest, ABlockOverTheLimitDrivesNothingOut) {
  allocator.setCacheLimit(2 * mebibyte);
  allocator.allocate(mebibyte);
  allocator.allocate(8 * mebibyte);
  EXPECT_EQ(allocator.statistics().bytesCached, mebibyte);
}

TEST_F(AllocatorTest, ALimitOfZeroKeepsNothing) {
  allocator.allocate(64);
  allocator.setCacheLimit(0);
  allocator.allocate(64);
  allocator.allocate(mebibyte);
  EXPECT_EQ(allocator.statistics().bytesCached, 0u);
}

TEST_F(AllocatorTest, ErrorsNameTheShapeAndTheBytes) {
  constexpr int64_t huge = int64_t(1) << 40;
  expectError(Error::Kind::Memory, "float32(1099511627776, 1099511627776)",
              [&] { allocator.allocate(TensorSignature{DType::Float32, {huge, huge}}); });
  expectError(Error::Kind::Memory, "int8(1099511627776, 1024) of 1125899906842624 bytes",
              [&] { allocator.allocate(TensorSignature{DType::Int8, {huge, 1024}}); });
  expectError(Error::Kind::Memory, "cannot allocate 18446744073709551615 bytes",
              [&] { allocator.allocate(std::numeric_limits<uint64_t>::max()); });
  expectError(Error::Kind::Memory, "cannot allocate 70368744177664 bytes",
              [&] { allocator.allocate(uint64_t(1) << 46); });
  expectError(Error::Kind::Value, "bool(3, -1) has a negative dimension",
              [&] { allocator.allocate(TensorSignature{DType::Bool, {3, -1}}); });
}

TEST(TensorSignature, BytesOfScalarsAndEmptyTensors) {
  constexpr int64_t huge = int64_t(1) << 40;
  EXPECT_EQ((TensorSignature{DType::Float64, {}}).bytes(), 8u);
  EXPECT_EQ((TensorSignature{DType::Float16, {3, 5}}).bytes(), 30u);
  EXPECT_EQ((TensorSignature{DType::Float64, {huge, huge, 0}}).bytes(), 0u);
  EXPECT_EQ((TensorSignature{DType::Float64, {0, huge, huge}}).bytes(), 0u);
}

TEST_F(AllocatorTest, BlocksMoveBetweenThreads) {
  uint64_t inUse = allocator.statistics().bytesInUse;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([this, thread] {
      for (uint64_t round = 0; round < 300; ++round) {
        StorageRef block = allocator.allocate((round * 7919) % 100000 + thread);
        std::memset(block->data(), thread, block->bytes());
        if (round % 100 == 0)
          std::thread([moved = std::move(block)] {}).join();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(allocator.statistics().bytesInUse, inUse);
}

TEST_F(AllocatorTest, AnEndedThreadLeavesItsBlocksToTheOthers) {
  void *data = nullptr;
  std::thread([&] { data = allocator.allocate(200)->data(); }).join();
  EXPECT_EQ(allocator.allocate(200)->data(), data);
}

TEST_F(AllocatorTest, WorksInTheChildOfAFork) {
  StorageRef block = allocator.allocate(64);
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop)
      allocator.allocate(100000);
  });
  for (int round = 0; round < 20; ++round)
    EXPECT_TRUE(holdsInChild([&] {
      StorageRef inChild = allocator.allocate(100000);
      return inChild->data() && allocator.statistics().bytesInUse >= 100000;
    }));
  stop = true;
  busy.join();
}

} // namespace
