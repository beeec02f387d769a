// Programs in files: what weft.export saves and weftc compiles.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace weft {

/// Reads a program: a saved one (.weft), MLIR bytecode or MLIR text, told apart by their first
/// bytes. Types are as in the file: sizes that are not known are `?` with #weft.shape, see
/// weft-resolve-sizes. Weights in a file of their own are found beside the program, and both files
/// stay mapped as long as the module's constants are used. The module was verified. Throws
/// weft::Error (IO) with file, line and column.
mlir::OwningOpRef<mlir::ModuleOp> readProgram(llvm::StringRef path, mlir::MLIRContext &context);

/// Saves a program whose types are in the form of files, whole or not at all. If `weightsPath` is
/// not empty, the weights go there (as safetensors); it has to be in the folder of `path`. Changes
/// the module if so. Throws weft::Error (IO).
void writeProgram(mlir::ModuleOp module, llvm::StringRef path, llvm::StringRef weightsPath = "");

/// The module as text, large elements elided if wanted.
std::string programText(mlir::ModuleOp module, bool elideLargeConstants);

} // namespace weft
