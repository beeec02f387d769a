#include "lib/Support/TensorMapShape.h"

namespace weft {

uint64_t SizeProduct::in(std::span<const int64_t> launchSizes) const {
  auto value = static_cast<uint64_t>(factor);
  for (int64_t number : sizes)
    value *= static_cast<uint64_t>(launchSizes[static_cast<size_t>(number)]);
  return value;
}

namespace {

void pack(std::vector<int64_t> &words, const SizeProduct &product) {
  words.insert(words.end(), {product.factor, static_cast<int64_t>(product.sizes.size())});
  words.insert(words.end(), product.sizes.begin(), product.sizes.end());
}

/// Reads numbers one after the other; zeros from where they end.
class Reader {
public:
  explicit Reader(std::span<const int64_t> words) : words(words) {}

  int64_t next() {
    if (position < words.size())
      return words[position++];
    isDamaged = true;
    return 0;
  }

  /// A number of things that follow.
  size_t count() {
    int64_t value = next();
    isDamaged |= value < 0 || static_cast<size_t>(value) > words.size();
    return isDamaged ? 0 : static_cast<size_t>(value);
  }

  SizeProduct product() {
    SizeProduct product{next(), {}};
    for (size_t rest = count(); rest > 0; --rest)
      product.sizes.push_back(next());
    return product;
  }

  bool isWhole() const { return !isDamaged && position == words.size(); }

private:
  std::span<const int64_t> words;
  size_t position = 0;
  bool isDamaged = false;
};

} // namespace

std::vector<int64_t> packTensorMaps(std::span<const TensorMapShape> shapes) {
  std::vector<int64_t> words = {static_cast<int64_t>(shapes.size())};
  for (const TensorMapShape &shape : shapes) {
    words.insert(words.end(), {shape.buffer, static_cast<int64_t>(shape.element),
                               shape.swizzleBytes, static_cast<int64_t>(shape.dimensions.size())});
    for (const TensorMapShape::Dimension &dimension : shape.dimensions) {
      pack(words, dimension.size);
      pack(words, dimension.stride);
      words.push_back(dimension.box);
    }
  }
  return words;
}

bool unpackTensorMaps(std::span<const int64_t> words, std::vector<TensorMapShape> &shapes) {
  Reader reader(words);
  for (size_t rest = reader.count(); rest > 0; --rest) {
    TensorMapShape &shape = shapes.emplace_back();
    shape.buffer = static_cast<uint32_t>(reader.next());
    shape.element = static_cast<DType>(reader.next());
    shape.swizzleBytes = static_cast<uint32_t>(reader.next());
    for (size_t dimensions = reader.count(); dimensions > 0; --dimensions) {
      SizeProduct size = reader.product(), stride = reader.product();
      shape.dimensions.push_back(
          {std::move(size), std::move(stride), static_cast<uint32_t>(reader.next())});
    }
  }
  return reader.isWhole();
}

} // namespace weft
