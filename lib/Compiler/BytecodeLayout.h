// What can be told of MLIR bytecode without MLIR's reader, which takes much on trust.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <vector>

namespace weft {

/// False if the table of attributes and types in a bytecode file lists more of them than it says
/// it has: the reader (MLIR 22, AttrTypeReader::initialize) writes the rest behind the end of its
/// memory. Other damage the reader finds itself. The format is that of MLIR's "MLIR Bytecode
/// Format"; alignment counts from where the file lies in memory, as in the reader.
bool hasFittingTable(llvm::MemoryBufferRef file);

/// The names of the dialects that a bytecode file lists, as far as it is well formed.
std::vector<llvm::StringRef> dialectsOf(llvm::MemoryBufferRef file);

} // namespace weft
