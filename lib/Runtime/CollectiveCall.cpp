#include "lib/Runtime/CollectiveCall.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace weft {

CollectiveCall::CollectiveCall(const char *name, const int64_t *numbers)
    : name(name),
      dtype(static_cast<DType>(numbers[0])),
      group(numbers[1]),
      members(numbers[2]),
      programCount(numbers[3]),
      programHash(numbers[4]),
      options(numbers + 6),
      optionCount(numbers[5]),
      sizes(options + optionCount + 1),
      rank(options[optionCount]) {}

int64_t CollectiveCall::elements(int64_t from) const {
  int64_t count = 1;
  for (int64_t d = from; d < rank; ++d)
    count *= sizes[d];
  return count;
}

int64_t CollectiveCall::partsBytes() const {
  return (elements() + members - 1) / members * members * elementBytes();
}

std::string CollectiveCall::text() const {
  std::string result = std::string(name) + " of " + std::string(dtypeName(dtype)) + "[";
  for (int64_t d = 0; d < rank; ++d)
    result += (d ? ", " : "") + std::to_string(sizes[d]);
  result += "]";
  for (int64_t i = 0; i < optionCount; ++i)
    result += (i ? ", " : " with ") + std::to_string(options[i]);
  return result;
}

namespace {

template <typename T> T combined(T before, T next, Reduction reduction) {
  if (reduction == Reduction::Sum) {
    if constexpr (std::is_integral_v<T>) // wraps around
      return static_cast<T>(static_cast<uint64_t>(before) + static_cast<uint64_t>(next));
    else
      return before + next;
  }
  // A NaN stays.
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(before) || std::isnan(next))
      return std::isnan(before) ? before : next;
  return (reduction == Reduction::Largest ? next > before : next < before) ? next : before;
}

template <typename T>
void reduceTyped(const void *parts, void *result, int64_t members, int64_t count,
                 Reduction reduction) {
  const T *from = static_cast<const T *>(parts);
  T *to = static_cast<T *>(result);
  std::copy_n(from, count, to);
  for (int64_t member = 1; member < members; ++member)
    for (int64_t i = 0; i < count; ++i)
      to[i] = combined(to[i], from[member * count + i], reduction);
}

using Reduce = void (*)(const void *, void *, int64_t, int64_t, Reduction);

Reduce reduceFor(DType dtype) {
  switch (dtype) {
  case DType::Int8:
    return reduceTyped<int8_t>;
  case DType::Int16:
    return reduceTyped<int16_t>;
  case DType::Int32:
    return reduceTyped<int32_t>;
  case DType::Int64:
    return reduceTyped<int64_t>;
  case DType::UInt8:
    return reduceTyped<uint8_t>;
  case DType::UInt16:
    return reduceTyped<uint16_t>;
  case DType::UInt32:
    return reduceTyped<uint32_t>;
  case DType::UInt64:
    return reduceTyped<uint64_t>;
  case DType::Float64:
    return reduceTyped<double>;
  default:
    return reduceTyped<float>;
  }
}

} // namespace

void reduceParts(DType dtype, const void *parts, void *result, int64_t members, int64_t count,
                 Reduction reduction) {
  reduceFor(dtype)(parts, result, members, count, reduction);
}

} // namespace weft
