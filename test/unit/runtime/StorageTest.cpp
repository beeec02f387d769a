#include "lib/Runtime/Storage.h"
#include "lib/Runtime/Allocator.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

using namespace weft;

namespace {

TEST(Storage, ForeignMemoryIsDeletedOnce) {
  int deleted = 0;
  int value = 7;
  auto countDeletion = [](void *context) { ++*static_cast<int *>(context); };
  {
    StorageRef storage = Storage::wrap(&value, sizeof value, countDeletion, &deleted);
    EXPECT_EQ(storage->data(), &value);
    EXPECT_EQ(storage->bytes(), sizeof value);
    EXPECT_TRUE(storage->isForeign());
    StorageRef copy = storage;
    storage = StorageRef();
    EXPECT_EQ(deleted, 0);
  }
  EXPECT_EQ(deleted, 1);
}

TEST(Storage, ForeignMemoryNeedsNoDeleter) {
  int value = 7;
  StorageRef storage = Storage::wrap(&value, sizeof value, nullptr, nullptr);
  storage = StorageRef();
  EXPECT_EQ(value, 7);
}

TEST(Storage, UniqueOwnershipFollowsTheReferences) {
  StorageRef first = Allocator::process().allocate(16);
  EXPECT_FALSE(first->isForeign());
  EXPECT_TRUE(first->uniquelyOwned());
  StorageRef second = first;
  EXPECT_FALSE(first->uniquelyOwned());
  EXPECT_EQ(first, second);
  second = StorageRef();
  EXPECT_TRUE(first->uniquelyOwned());
  StorageRef moved = std::move(first);
  EXPECT_TRUE(moved->uniquelyOwned());
  EXPECT_FALSE(first);
}

TEST(Storage, SelfAssignmentKeepsTheBlock) {
  StorageRef storage = Allocator::process().allocate(16);
  const StorageRef &same = storage;
  storage = same;
  ASSERT_TRUE(storage);
  EXPECT_TRUE(storage->uniquelyOwned());
}

TEST(Storage, DetachAndAdoptKeepTheCount) {
  StorageRef storage = Allocator::process().allocate(16);
  Storage *raw = storage.detach();
  EXPECT_FALSE(storage);
  raw->retain();
  StorageRef adopted = StorageRef::adopt(raw);
  EXPECT_FALSE(adopted->uniquelyOwned());
  raw->release();
  EXPECT_TRUE(adopted->uniquelyOwned());
}

TEST(Storage, ReferencesAreCountedAcrossThreads) {
  int deleted = 0;
  StorageRef storage = Storage::wrap(
      &deleted, sizeof deleted, [](void *context) { ++*static_cast<int *>(context); }, &deleted);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([copy = storage] {
      for (int round = 0; round < 1000; ++round)
        StorageRef another = copy;
    });
  storage = StorageRef();
  for (std::thread &thread : threads)
    thread.join();
  threads.clear();
  EXPECT_EQ(deleted, 1);
}

} // namespace
