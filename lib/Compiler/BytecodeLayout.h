// What MLIR's reader of bytecode takes on trust.
#pragma once

#include "llvm/Support/MemoryBufferRef.h"

namespace weft {

/// False if the table of attributes and types in a bytecode file lists more of them than it says
/// it has: the reader (MLIR 22, AttrTypeReader::initialize) writes the rest behind the end of its
/// memory. Other damage the reader finds itself. The format is that of MLIR's "MLIR Bytecode
/// Format"; alignment counts from where the file lies in memory, as in the reader.
bool hasFittingTable(llvm::MemoryBufferRef file);

} // namespace weft
