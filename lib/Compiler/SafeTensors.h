// Files of named tensors in the format of the safetensors library.
//
// Eight bytes with the length of a header (little-endian), the header as JSON:
// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}, then the
// elements.
#pragma once

#include "lib/Runtime/TensorSignature.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <utility>
#include <vector>

namespace weft {

struct SafeTensor {
  std::string name;
  TensorSignature signature;
  /// Within the file's content; row-major. Aligned to the element, if the file is.
  llvm::ArrayRef<char> elements;
};

/// The tensors of a file, in the order of their elements. Throws weft::Error (IO), naming `path`
/// and the tensor, unless they have dtypes of weft and fill the file without gaps or overlaps.
std::vector<SafeTensor> readSafeTensors(llvm::StringRef content, llvm::StringRef path);

/// Writes a file of the tensors, whole or not at all. Throws weft::Error (IO).
void writeSafeTensors(llvm::StringRef path, llvm::ArrayRef<SafeTensor> tensors);

} // namespace weft
