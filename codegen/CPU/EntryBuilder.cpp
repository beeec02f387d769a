// Pieces of the functions of a model.
#include "codegen/CPU/EntryBuilder.h"

using namespace mlir;

namespace weft {

EntryBuilder::EntryBuilder(ModuleOp module, Location location)
    : module(module),
      builder(module.getContext()),
      location(location),
      constants(builder),
      abi(builder, module) {}

LLVM::LLVMFuncOp EntryBuilder::begin(const Twine &name, Type result, ArrayRef<Type> arguments,
                                     bool isPublic) {
  builder.setInsertionPointToEnd(module.getBody());
  auto function = LLVM::LLVMFuncOp::create(
      builder, location, name.str(), LLVM::LLVMFunctionType::get(result, arguments),
      isPublic ? LLVM::Linkage::External : LLVM::Linkage::Internal);
  builder.setInsertionPointToStart(function.addEntryBlock(builder));
  constants.enter();
  return function;
}

Value EntryBuilder::elementAddress(Value base, Type type, int64_t index) {
  return LLVM::GEPOp::create(builder, location, abi.pointer, type, base,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
}

Value EntryBuilder::byteAddress(Value base, Value offset) {
  return LLVM::GEPOp::create(builder, location, abi.pointer, builder.getI8Type(), base,
                             ArrayRef<LLVM::GEPArg>{offset});
}

/// Numbers are of 64 bits; of pointers the target tells.
static unsigned alignmentOf(Type type) { return isa<LLVM::LLVMPointerType>(type) ? 0 : 8; }

Value EntryBuilder::load(Value base, Type type, int64_t index) {
  return LLVM::LoadOp::create(builder, location, type, elementAddress(base, type, index),
                              alignmentOf(type));
}

void EntryBuilder::store(Value value, Value base, int64_t index) {
  LLVM::StoreOp::create(builder, location, value, elementAddress(base, value.getType(), index),
                        alignmentOf(value.getType()));
}

Value EntryBuilder::addressOf(StringRef symbol) {
  return LLVM::AddressOfOp::create(builder, location, abi.pointer, symbol);
}

Value EntryBuilder::allocate(Type type, int64_t count) {
  return LLVM::AllocaOp::create(builder, location, abi.pointer, type,
                                constant(std::max<int64_t>(1, count)), 8);
}

Value EntryBuilder::pack(ArrayRef<Value> values, Type type) {
  Value array = allocate(type, values.size());
  for (auto [number, value] : llvm::enumerate(values))
    store(value, array, number);
  return array;
}

Value EntryBuilder::globalNumbers(StringRef name, ArrayRef<int64_t> numbers) {
  if (numbers.empty())
    return none();
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(module.getBody());
    LLVM::GlobalOp::create(builder, location, LLVM::LLVMArrayType::get(abi.i64, numbers.size()),
                           /*isConstant=*/true, LLVM::Linkage::Internal, name,
                           builder.getI64TensorAttr(numbers), /*alignment=*/8);
  }
  return addressOf(name);
}

Value EntryBuilder::globalAddresses(StringRef name, ArrayRef<std::string> functions) {
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(module.getBody());
    auto type = LLVM::LLVMArrayType::get(abi.pointer, functions.size());
    auto table =
        LLVM::GlobalOp::create(builder, location, type, /*isConstant=*/true,
                               LLVM::Linkage::Internal, name, Attribute(), /*alignment=*/8);
    builder.createBlock(&table.getInitializerRegion());
    Value all = LLVM::UndefOp::create(builder, location, type);
    for (auto [number, function] : llvm::enumerate(functions))
      all = LLVM::InsertValueOp::create(builder, location, all, addressOf(function), number);
    LLVM::ReturnOp::create(builder, location, all);
  }
  return addressOf(name);
}

} // namespace weft
