// Emits the table that describes a model, and the functions that its callers see.
#include "codegen/CPU/EntryEmitter.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

static int64_t numberOf(DictionaryAttr dictionary, StringRef key) {
  return dictionary ? cast<IntegerAttr>(dictionary.get(key)).getInt() : 0;
}

/// `struct weft_model` of lib/Runtime/artifact/artifact.h.
void EntryEmitter::emitTable() {
  SmallVector<int64_t> tensors, dimensions, bindings;
  for (const std::vector<ModelTensor> *list : {&signature.inputs, &signature.outputs})
    for (const ModelTensor &tensor : *list) {
      tensors.push_back(static_cast<int64_t>(tensor.dtype));
      tensors.push_back(tensor.shape.size());
      for (int64_t size : tensor.shape)
        dimensions.push_back(isSymbolicSize(size) ? -1 : size);
    }
  for (const ModelSymbol &symbol : signature.symbols)
    bindings.append({symbol.input, symbol.dimension});
  auto weights = module->getAttrOfType<DictionaryAttr>(weightsAttribute);
  LLVM::LLVMFuncOp pool = threads == ThreadMode::Pool ? abi.poolParallelFor() : nullptr;
  LLVM::LLVMFuncOp keeper = canFail ? abi.keepFailure() : nullptr;

  Type pointer = abi.pointer, integer = abi.i64;
  auto type = LLVM::LLVMStructType::getLiteral(
      builder.getContext(),
      {integer, integer, integer, pointer, pointer, integer, pointer, pointer, pointer, pointer,
       integer, pointer, integer, integer, integer, pointer});
  builder.setInsertionPointToEnd(module.getBody());
  auto table = LLVM::GlobalOp::create(builder, location, type, /*isConstant=*/true,
                                      LLVM::Linkage::Internal, "weft.model", Attribute(),
                                      /*alignment=*/8);
  builder.createBlock(&table.getInitializerRegion());
  constants.enter();
  Value nothing = none();
  Value fields[] = {constant(signature.symbols.size()),
                    constant(signature.inputs.size()),
                    constant(signature.outputs.size()),
                    globalNumbers("weft.tensors", tensors),
                    globalNumbers("weft.dimensions", dimensions),
                    constant(dimensions.size()),
                    globalNumbers("weft.bindings", bindings),
                    addressOf("weft.measure"),
                    addressOf("weft.workspace"),
                    addressOf("weft.execute"),
                    constant(threads != ThreadMode::None),
                    pool ? addressOf(pool.getSymName()) : nothing,
                    constant(numberOf(weights, "bytes")),
                    constant(numberOf(weights, "header_bytes")),
                    constant(numberOf(weights, "hash")),
                    keeper ? addressOf(keeper.getSymName()) : nothing};
  Value value = LLVM::UndefOp::create(builder, location, type);
  for (auto [number, field] : llvm::enumerate(fields))
    value = LLVM::InsertValueOp::create(builder, location, value, field, number);
  LLVM::ReturnOp::create(builder, location, value);
}

void EntryEmitter::emitRun() {
  size_t symbolCount = signature.symbols.size();
  size_t bufferCount = signature.inputs.size() + signature.outputs.size();
  SmallVector<Type> arguments(symbolCount, abi.i64);
  arguments.append(bufferCount + 1, abi.pointer);
  auto run = begin(name + "_run", abi.i32, arguments, true);
  auto values = llvm::to_vector_of<Value>(run.getArguments());
  ArrayRef<Value> all = values;
  Value symbols = pack(all.take_front(symbolCount), abi.i64);
  Value buffers = pack(all.slice(symbolCount, bufferCount), abi.pointer);
  auto call =
      LLVM::CallOp::create(builder, location, abi.run(),
                           ValueRange{addressOf("weft.model"), symbols, buffers, all.back()});
  LLVM::ReturnOp::create(builder, location, call.getResult());

  auto measure =
      begin(name + "_workspace_bytes", abi.i64, SmallVector<Type>(symbolCount, abi.i64), true);
  values = llvm::to_vector_of<Value>(measure.getArguments());
  symbols = pack(values, abi.i64);
  call = LLVM::CallOp::create(builder, location, abi.workspaceBytes(),
                              ValueRange{addressOf("weft.model"), symbols});
  LLVM::ReturnOp::create(builder, location, call.getResult());
}

/// The functions that a caller sees hand everything to those written in C.
void EntryEmitter::emitCalls() {
  emitRun();
  auto forward = [&](StringRef suffix, LLVM::LLVMFuncOp target, bool takesModel) {
    ArrayRef<Type> types = target.getFunctionType().getParams();
    auto function = begin(name + suffix, target.getFunctionType().getReturnType(),
                          takesModel ? types.drop_front() : types, true);
    SmallVector<Value> arguments;
    if (takesModel)
      arguments.push_back(addressOf("weft.model"));
    llvm::append_range(arguments, function.getArguments());
    auto call = LLVM::CallOp::create(builder, location, target, arguments);
    LLVM::ReturnOp::create(builder, location, call.getResults());
  };
  forward("_invoke", abi.invoke(), true);
  forward("_error_text", canFail ? abi.failureText() : abi.errorText(), false);
  if (module->hasAttr(weightsAttribute)) {
    forward("_check_weights", abi.checkWeights(), true);
    forward("_map_weights", abi.mapWeights(), true);
    forward("_unmap_weights", abi.unmapWeights(), false);
  }
}

} // namespace weft
