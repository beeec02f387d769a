// A compiled kernel as the bytes of a file, sealed.
//
// Numbers are those of this processor, as the code is:
//
//     0  8 bytes  "weftkrn5"
//     8  16 bytes XXH3-128 of all that follows
//    24  16 bytes XXH3-128 of the compiler's identity, a zero and the kernel's name
//    40  4 int64  stages, temporaries, stages on a device, bytes of the code
//    72           the code; for each stage on a device threads, shared bytes, the numbers of words
//                 of its tensor maps and of its fault sites, those words, and for each site its
//                 dimension, the bytes of its text, all int64, and the text; the device's image
#pragma once

#include "lib/Compiler/KernelCode.h"

#include <optional>
#include <string>

namespace weft {

inline constexpr size_t kernelHeaderBytes = 72;

/// `identity` tells apart the compilers and targets whose code differs.
std::string encodeKernel(const KernelObject &object, llvm::StringRef identity);

/// The kernel of this name and compiler; nothing if the bytes are another's or not as they were
/// written.
std::optional<KernelObject> decodeKernel(llvm::StringRef bytes, const std::string &name,
                                         llvm::StringRef identity);

/// Puts the right checksum into bytes that are at least a header, whatever else they are.
void sealKernelFile(std::string &bytes);

} // namespace weft
