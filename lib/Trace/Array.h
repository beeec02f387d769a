// A concrete tensor value: shared memory with a dtype and a shape.
#pragma once

#include "lib/Runtime/Storage.h"
#include "lib/Support/DType.h"
#include "lib/Support/SymbolicSize.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <string>

namespace weft {

using Shape = llvm::SmallVector<int64_t, 4>;

/// An immutable dense row-major array.
struct Array {
  StorageRef storage;
  DType dtype = DType::Float32;
  Shape shape;
};

/// The number of elements, symbolic if a dimension is.
inline int64_t elementCount(llvm::ArrayRef<int64_t> shape) {
  return multiplySizes(shape.begin(), shape.end());
}

inline bool hasSymbolicSize(llvm::ArrayRef<int64_t> shape) {
  return llvm::any_of(shape, isSymbolicSize);
}

/// "float32[2, 3]", for messages.
std::string describe(DType dtype, llvm::ArrayRef<int64_t> shape);

/// "(2, 3)", as Python prints a shape.
std::string shapeTuple(llvm::ArrayRef<int64_t> shape);

} // namespace weft
