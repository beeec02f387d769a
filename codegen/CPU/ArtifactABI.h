// The generated half of lib/Runtime/artifact/artifact.h: names and types of LLVM for what is there.
#pragma once

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <string>
#include <vector>

namespace weft {

/// How a compiled model runs its launches.
enum class ThreadMode { None, Hook, Pool };

/// The file of weights that a module needs, an attribute of the module:
/// `weft.weights_file = {bytes = ..., header_bytes = ..., hash = ...}`, the hash being XXH64 of
/// all. Constants in the file have the attribute `weft.weight_offset`, from the first element of
/// the file.
inline constexpr llvm::StringLiteral weightsAttribute = "weft.weights_file";
inline constexpr llvm::StringLiteral weightOffsetAttribute = "weft.weight_offset";

/// What a model's file of weights is read by: nothing, where there is none; the program, where the
/// target has no files; functions of the object.
enum class WeightsReader { Nothing, Program, Object };

/// The functions that an object of a model called `name` shows.
std::vector<std::string> entryNames(llvm::StringRef name, WeightsReader reader);

/// Declares the functions and types of the part written in C, each when it is first asked for.
class ArtifactABI {
public:
  explicit ArtifactABI(mlir::OpBuilder &builder, mlir::Operation *module);

  mlir::LLVM::LLVMFuncOp function(llvm::StringRef name, mlir::Type result,
                                  llvm::ArrayRef<mlir::Type> arguments);
  mlir::LLVM::LLVMFuncOp run();
  mlir::LLVM::LLVMFuncOp invoke();
  mlir::LLVM::LLVMFuncOp workspaceBytes();
  mlir::LLVM::LLVMFuncOp errorText();
  mlir::LLVM::LLVMFuncOp failureText();
  mlir::LLVM::LLVMFuncOp keepFailure();
  mlir::LLVM::LLVMFuncOp refuse();
  mlir::LLVM::LLVMFuncOp checkWeights();
  mlir::LLVM::LLVMFuncOp mapWeights();
  mlir::LLVM::LLVMFuncOp unmapWeights();
  mlir::LLVM::LLVMFuncOp launch();
  mlir::LLVM::LLVMFuncOp loop();
  mlir::LLVM::LLVMFuncOp branch();
  mlir::LLVM::LLVMFuncOp poolParallelFor();

  mlir::Type pointer, i1, i32, i64, nothing;

private:
  mlir::OpBuilder &builder;
  mlir::Operation *module;
};

} // namespace weft
