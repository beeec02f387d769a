// The generated half of lib/Runtime/artifact/artifact.h.
#include "codegen/CPU/ArtifactABI.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace weft {

std::vector<std::string> entryNames(StringRef name, WeightsReader reader) {
  SmallVector<StringRef> suffixes = {"_run", "_invoke", "_workspace_bytes", "_error_text"};
  if (reader != WeightsReader::Nothing)
    suffixes.push_back("_check_weights");
  if (reader == WeightsReader::Object)
    suffixes.append({"_map_weights", "_unmap_weights"});
  std::vector<std::string> names;
  for (StringRef suffix : suffixes)
    names.push_back((name + suffix).str());
  return names;
}

ArtifactABI::ArtifactABI(OpBuilder &builder, Operation *module)
    : pointer(LLVM::LLVMPointerType::get(builder.getContext())),
      i1(builder.getI1Type()),
      i32(builder.getI32Type()),
      i64(builder.getI64Type()),
      nothing(LLVM::LLVMVoidType::get(builder.getContext())),
      builder(builder),
      module(module) {}

LLVM::LLVMFuncOp ArtifactABI::function(StringRef name, Type result, ArrayRef<Type> arguments) {
  if (auto known = SymbolTable::lookupSymbolIn(module, name))
    return cast<LLVM::LLVMFuncOp>(known);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(cast<ModuleOp>(module).getBody());
  return LLVM::LLVMFuncOp::create(builder, module->getLoc(), name,
                                  LLVM::LLVMFunctionType::get(result, arguments));
}

LLVM::LLVMFuncOp ArtifactABI::run() {
  return function("weft_model_run", i32, {pointer, pointer, pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::invoke() {
  return function("weft_model_invoke", i32, {pointer, pointer, i64, pointer, i64, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::workspaceBytes() {
  return function("weft_model_workspace_bytes", i64, {pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::errorText() {
  return function("weft_model_error_text", pointer, {i32});
}

LLVM::LLVMFuncOp ArtifactABI::failureText() {
  return function("weft_model_failure_text", pointer, {i32});
}

LLVM::LLVMFuncOp ArtifactABI::keepFailure() {
  return function("weft_model_keep_failure", nothing, {pointer});
}

LLVM::LLVMFuncOp ArtifactABI::refuse() {
  return function("weft_model_refuse", nothing, {pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::checkWeights() {
  return function("weft_model_check_weights", i32, {pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::mapWeights() {
  return function("weft_model_map_weights", i32, {pointer, pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::unmapWeights() {
  return function("weft_model_unmap_weights", nothing, {pointer});
}

LLVM::LLVMFuncOp ArtifactABI::launch() {
  return function("weft_model_launch", nothing, {pointer, pointer, pointer, pointer, i64, i64});
}

LLVM::LLVMFuncOp ArtifactABI::loop() {
  return function("weft_model_loop", nothing,
                  {pointer, pointer, pointer, pointer, pointer, i64, pointer, pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::branch() {
  return function("weft_model_branch", nothing,
                  {pointer, pointer, pointer, i64, pointer, pointer, pointer});
}

LLVM::LLVMFuncOp ArtifactABI::poolParallelFor() {
  return function("weft_pool_parallel_for", nothing, {pointer, i64, i64, pointer, pointer});
}

} // namespace weft
