// One application of an op, apart from its operands.
#pragma once

#include "lib/Trace/Array.h"
#include "lib/Trace/OpTable.h"

#include <variant>

namespace weft {

/// A list of integers, an integer, a float or a bool: what attributes of ops are.
using AttributeValue = std::variant<int64_t, double, bool, Shape>;

struct NamedValue {
  /// Interned by `internAttributeName`: equal names have equal addresses.
  const char *name;
  AttributeValue value;
};

/// The one copy of `name`, which lives forever.
const char *internAttributeName(llvm::StringRef name);

/// A key of words: what executables are found by.
using Key = llvm::SmallVector<int64_t, 32>;

uint64_t hashKey(llvm::ArrayRef<int64_t> key);

/// Appends dtype and shape, in a form that no two signatures share.
inline void appendSignature(Key &key, DType dtype, llvm::ArrayRef<int64_t> shape) {
  key.push_back(static_cast<int64_t>(dtype) | static_cast<int64_t>(shape.size()) << 8);
  key.append(shape.begin(), shape.end());
}

struct OpCall {
  const OpInfo *op = nullptr;
  llvm::SmallVector<NamedValue, 2> attributes;
  /// Only for ops whose result type is explicit.
  DType resultDType = DType::Float32;
  Shape resultShape;
  /// Where an op without tensors among its operands is executed; null for the host. No part of the
  /// key: that of an executable begins with the device that it is for.
  Device *device = nullptr;

  OpCall() = default;
  explicit OpCall(const OpInfo &op) : op(&op) {}

  OpCall &set(llvm::StringRef name, AttributeValue value) {
    attributes.push_back({internAttributeName(name), std::move(value)});
    return *this;
  }

  /// The list that is the attribute `name`. Throws if there is none.
  const Shape &list(llvm::StringRef name) const;

  void appendKey(Key &key) const;
};

} // namespace weft
