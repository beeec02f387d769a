// A first reading of a module where a crash does no harm.
#pragma once

#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <optional>
#include <string>

namespace weft {

/// MLIR's readers trust their input: damaged bytecode, or text that is nested without end, can
/// crash them. This reads and prints `file` once in a child process with bounded memory, stack and
/// time. Returns why it must not be read here, without the file's name; nothing if it is safe to
/// read, which may still end in errors of the reader.
std::optional<std::string> damageOf(llvm::MemoryBufferRef file,
                                    const mlir::DialectRegistry &registry);

} // namespace weft
