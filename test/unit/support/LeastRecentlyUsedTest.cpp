// A bounded table.
#include "lib/Support/LeastRecentlyUsed.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

using namespace weft;

namespace {

using Value = std::shared_ptr<const int>;
using Table = LeastRecentlyUsed<std::string, Value>;

Value value(int number) { return std::make_shared<const int>(number); }

TEST(LeastRecentlyUsed, ForgetsWhatWasNotUsedForLongest) {
  Table table(3);
  for (int number : {1, 2, 3})
    EXPECT_EQ(*table.insert(std::to_string(number), value(number)), number);
  EXPECT_TRUE(table.find("1"));
  table.insert("2", value(20));
  table.insert("4", value(4));
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.find("3"), nullptr);
  EXPECT_EQ(*table.find("1"), 1);
  EXPECT_EQ(*table.find("2"), 20);
  EXPECT_EQ(*table.find("4"), 4);
}

TEST(LeastRecentlyUsed, KeepsItsBoundForAnyNumber) {
  for (size_t capacity : {1, 2, 64}) {
    Table table(capacity);
    std::weak_ptr<const int> first;
    for (int number = 0; number < 1000; ++number) {
      Value inserted = table.insert(std::to_string(number), value(number));
      if (number == 0)
        first = inserted;
      EXPECT_LE(table.size(), capacity);
      EXPECT_EQ(table.find(std::to_string(number)), inserted);
    }
    EXPECT_EQ(table.size(), capacity);
    EXPECT_TRUE(first.expired()) << "what was forgotten is released";
  }
}

TEST(LeastRecentlyUsed, KeepsItsWeight) {
  Table table(100, 10);
  for (int number : {1, 2, 3})
    table.insert(std::to_string(number), value(number), 4);
  EXPECT_EQ(table.find("1"), nullptr);
  EXPECT_TRUE(table.find("2") && table.find("3"));
  table.insert("2", value(2), 1);
  table.insert("4", value(4), 5);
  EXPECT_EQ(table.size(), 3u);
  table.insert("heavy", value(5), 50);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.find("heavy"));
  table.insert("light", value(6), 1);
  EXPECT_EQ(table.find("heavy"), nullptr);
}

/// Puts itself back, as a destructor does that runs a user's code.
struct ComesBack {
  LeastRecentlyUsed<int, std::shared_ptr<ComesBack>> *table;
  int rounds;
  ~ComesBack() {
    if (rounds > 0)
      table->insert(100 + rounds, std::make_shared<ComesBack>(table, rounds - 1));
  }
  ComesBack(decltype(table) table, int rounds) : table(table), rounds(rounds) {}
};

TEST(LeastRecentlyUsed, WhatIsForgottenMayUseTheTable) {
  LeastRecentlyUsed<int, std::shared_ptr<ComesBack>> table(1);
  table.insert(0, std::make_shared<ComesBack>(&table, 3));
  for (int number : {1, 2, 3}) {
    table.insert(number, std::make_shared<ComesBack>(&table, 0));
    EXPECT_EQ(table.size(), 1u);
  }
  EXPECT_EQ(table.find(101)->rounds, 0);
}

} // namespace
