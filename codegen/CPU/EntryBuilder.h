// Pieces of the functions of a model: functions, arrays, loads and stores of the LLVM dialect.
#pragma once

#include "codegen/CPU/ArtifactABI.h"
#include "codegen/CPU/Constants.h"
#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// What emitters of a model's functions have in common.
class EntryBuilder {
protected:
  EntryBuilder(mlir::ModuleOp module, mlir::Location location);

  mlir::LLVM::LLVMFuncOp begin(const llvm::Twine &name, mlir::Type result,
                               llvm::ArrayRef<mlir::Type> arguments, bool isPublic);
  /// An array on the stack, of at least one element.
  mlir::Value allocate(mlir::Type type, int64_t count);
  /// One with the values.
  mlir::Value pack(llvm::ArrayRef<mlir::Value> values, mlir::Type type);
  mlir::Value elementAddress(mlir::Value base, mlir::Type type, int64_t index);
  mlir::Value byteAddress(mlir::Value base, mlir::Value offset);
  mlir::Value load(mlir::Value base, mlir::Type type, int64_t index);
  void store(mlir::Value value, mlir::Value base, int64_t index);
  mlir::Value addressOf(llvm::StringRef symbol);
  mlir::Value constant(int64_t value) { return constants.get(location, value); }
  mlir::Value none() { return mlir::LLVM::ZeroOp::create(builder, location, abi.pointer); }
  /// A constant array of the module; null if there are no numbers.
  mlir::Value globalNumbers(llvm::StringRef name, llvm::ArrayRef<int64_t> numbers);

  /// One of the addresses of functions.
  mlir::Value globalAddresses(llvm::StringRef name, llvm::ArrayRef<std::string> functions);

  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  mlir::Location location;
  Constants constants;
  ArtifactABI abi;
};

} // namespace weft
