// Emits the functions of a model that its callers see, and what they need to know of it.
#include "codegen/CPU/EntryEmitter.h"
#include "codegen/CPU/SizeEmitter.h"

using namespace mlir;

namespace weft {

EntryEmitter::EntryEmitter(ModuleOp module, Location location, ModelSignature signature,
                           StringRef name, ThreadMode threads, bool canFail)
    : EntryBuilder(module, location),
      signature(std::move(signature)),
      name(name),
      threads(threads),
      canFail(canFail) {}

void EntryEmitter::emit() {
  emitMeasure();
  emitTable();
  emitCalls();
}

void EntryEmitter::emitMeasure() {
  auto function = begin("weft.measure", abi.i32, {abi.pointer, abi.pointer}, false);
  std::vector<std::string> symbols = signature.symbolNames();
  SizeEmitter sizes(builder, constants, location, function.getArgument(0), symbols,
                    /*checked=*/true);
  int64_t position = 0;
  for (const std::vector<ModelTensor> *tensors : {&signature.inputs, &signature.outputs})
    for (const ModelTensor &tensor : *tensors)
      for (int64_t size : tensor.shape)
        store(sizes.size(size), function.getArgument(1), position++);
  Value isGood = LLVM::ConstantOp::create(builder, location, builder.getI32IntegerAttr(1));
  if (Value overflow = sizes.isOverflowing()) {
    Value isBad = LLVM::ZExtOp::create(builder, location, abi.i32, overflow);
    isGood = LLVM::XOrOp::create(builder, location, isGood, isBad);
  }
  LLVM::ReturnOp::create(builder, location, isGood);
}

} // namespace weft
