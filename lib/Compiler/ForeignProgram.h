// Programs of other systems, which Weft's Python package reads: the tools run it for them.
#pragma once

#include "lib/Compiler/OutputFiles.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <memory>
#include <optional>
#include <string>

namespace weft {

/// What other systems write.
enum class ForeignKind {
  Onnx,      ///< a model of ONNX
  Torch,     ///< what torch.export.save writes
  StableHlo, ///< text, MLIR's bytecode or a portable artifact
};

/// The kind of a file: by its first bytes and the dialects of its operations, or by the suffix of
/// its path (the buffer's name) where these can't tell, as of ONNX's. Nothing for Weft's own.
std::optional<ForeignKind> foreignKindOf(llvm::MemoryBufferRef file);

/// Makes a saved program (.weft) of the file at `path`, in a process that runs the importer of
/// Weft's Python package: of the Python that WEFT_PYTHON names, else of the first python3 beside
/// the running tool or on the path that has the package. `options` are the importer's own, as
/// "--size=batch=8". Its errors go to the standard error stream as they are; null then. Throws
/// weft::Error if there is no such Python, or if the importer ended by a signal.
std::unique_ptr<TemporaryFile> importProgram(llvm::StringRef path, ForeignKind kind,
                                             llvm::ArrayRef<std::string> options = {});

} // namespace weft
