// Tensor maps before the sizes are known.
#include "lib/Support/TensorMapShape.h"

#include <gtest/gtest.h>

using namespace weft;

namespace {

std::vector<TensorMapShape> someShapes() {
  TensorMapShape matrix{
      0, DType::BFloat16, 128, {{{1, {2}}, {2, {}}, 64}, {{1, {0, 1}}, {2, {2}}, 256}}};
  TensorMapShape batch{3, DType::Float16, 64, {{{1, {2}}, {2, {}}, 32}, {{3, {}}, {6, {2, 1}}, 1}}};
  return {matrix, batch};
}

TEST(TensorMapShape, ProductsAreOfTheLaunchsSizes) {
  std::vector<int64_t> sizes = {5, 7, 100000};
  EXPECT_EQ((SizeProduct{2, {}}).in(sizes), 2u);
  EXPECT_EQ((SizeProduct{2, {1, 2, 2}}).in(sizes), uint64_t(140000000000));
}

TEST(TensorMapShape, IsTheSameAfterAFile) {
  for (const std::vector<TensorMapShape> &shapes : {std::vector<TensorMapShape>(), someShapes()}) {
    std::vector<TensorMapShape> read;
    EXPECT_TRUE(unpackTensorMaps(packTensorMaps(shapes), read));
    EXPECT_EQ(read, shapes);
  }
}

TEST(TensorMapShape, DamagedNumbersAreSeen) {
  const std::vector<int64_t> words = packTensorMaps(someShapes());
  for (size_t length = 0; length < words.size(); ++length) {
    std::vector<TensorMapShape> read;
    EXPECT_FALSE(unpackTensorMaps(std::span(words).first(length), read)) << length;
  }
  for (int64_t count : {int64_t(-1), int64_t(1) << 40}) {
    std::vector<int64_t> damaged = words;
    damaged[0] = count;
    std::vector<TensorMapShape> read;
    EXPECT_FALSE(unpackTensorMaps(damaged, read));
  }
}

} // namespace
