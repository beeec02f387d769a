// Ways to plant a fault in a kernel's LLVM IR.
#include "Mutations.h"
#include "lib/Support/Error.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;

namespace weft::emulator {

static Function &kernelOf(Module &module) {
  for (Function &function : module)
    if (function.getCallingConv() == CallingConv::PTX_Kernel)
      return function;
  throw Error(Error::Kind::Value, "the module has no kernel");
}

template <typename Predicate>
static Instruction &findInstruction(Module &module, StringRef what, unsigned number,
                                    Predicate matches) {
  for (Function &function : module)
    for (Instruction &instruction : instructions(function))
      if (matches(instruction) && number-- == 0)
        return instruction;
  throw Error(Error::Kind::Value, "too few of " + what.str() + " to plant a fault");
}

CallBase &callOf(Module &module, StringRef name, unsigned number) {
  return cast<CallBase>(findInstruction(module, name, number, [&](Instruction &instruction) {
    auto *call = dyn_cast<CallBase>(&instruction);
    if (!call)
      return false;
    if (auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand()))
      return assembly->getAsmString().contains(name);
    return call->getCalledFunction()->getName().starts_with(("llvm.nvvm." + name).str());
  }));
}

Instruction &instructionOf(Module &module, StringRef opcode, unsigned number) {
  return findInstruction(module, opcode, number, [&](Instruction &instruction) {
    return opcode == instruction.getOpcodeName();
  });
}

Argument &parameterOf(Module &module, unsigned number) { return *kernelOf(module).getArg(number); }

void removeCall(CallBase &call, uint64_t result) {
  if (auto *fields = dyn_cast<StructType>(call.getType())) {
    IRBuilder<> builder(&call);
    Value *results = PoisonValue::get(fields);
    for (unsigned number = 0; number < fields->getNumElements(); ++number)
      results = builder.CreateInsertValue(results, call.getArgOperand(number), number);
    call.replaceAllUsesWith(results);
  } else if (!call.getType()->isVoidTy()) {
    call.replaceAllUsesWith(ConstantInt::get(call.getType(), result));
  }
  call.eraseFromParent();
}

void repeatCall(CallBase &call) { call.clone()->insertAfter(call.getIterator()); }

static Value *threadIndex(IRBuilder<> &builder) {
  return builder.CreateIntrinsic(Intrinsic::nvvm_read_ptx_sreg_tid_x, {});
}

void guardCall(CallBase &call, uint64_t threads) {
  IRBuilder<> builder(&call);
  Value *inside = builder.CreateICmpULT(threadIndex(builder), builder.getInt32(threads));
  if (!call.getType()->isVoidTy())
    call.replaceAllUsesWith(Constant::getNullValue(call.getType()));
  call.moveBefore(SplitBlockAndInsertIfThen(inside, call.getIterator(), false)->getIterator());
}

void setArgument(CallBase &call, unsigned argument, uint64_t value) {
  call.setArgOperand(argument, ConstantInt::get(call.getArgOperand(argument)->getType(), value));
}

void setArgumentByThread(CallBase &call, unsigned argument, uint64_t threads, uint64_t below,
                         uint64_t above) {
  IRBuilder<> builder(&call);
  Type *type = call.getArgOperand(argument)->getType();
  Value *inside = builder.CreateICmpULT(threadIndex(builder), builder.getInt32(threads));
  call.setArgOperand(argument, builder.CreateSelect(inside, ConstantInt::get(type, below),
                                                    ConstantInt::get(type, above)));
}

static Value *shifted(IRBuilder<> &builder, Value *value, int64_t amount) {
  if (value->getType()->isPointerTy())
    return builder.CreateConstGEP1_64(builder.getInt8Ty(), value, amount);
  return builder.CreateAdd(value, ConstantInt::getSigned(value->getType(), amount));
}

void shiftArgument(CallBase &call, unsigned argument, int64_t amount) {
  IRBuilder<> builder(&call);
  call.setArgOperand(argument, shifted(builder, call.getArgOperand(argument), amount));
}

void setOperand(Instruction &instruction, unsigned operand, uint64_t value) {
  instruction.setOperand(operand,
                         ConstantInt::get(instruction.getOperand(operand)->getType(), value));
}

void shiftAddress(Instruction &instruction, int64_t bytes) {
  IRBuilder<> builder(&instruction);
  const unsigned operand = isa<StoreInst>(instruction) ? 1 : 0;
  instruction.setOperand(operand, shifted(builder, instruction.getOperand(operand), bytes));
}

void replaceByNumber(Value &value, uint64_t number) {
  value.replaceAllUsesWith(ConstantInt::get(value.getType(), number));
}

void addTo(Value &value, int64_t amount) {
  auto *instruction = dyn_cast<Instruction>(&value);
  Function *function = instruction ? instruction->getFunction() : cast<Argument>(value).getParent();
  auto place = instruction ? std::next(instruction->getIterator())
                           : function->getEntryBlock().getFirstInsertionPt();
  IRBuilder<> builder(&*place);
  auto *sum = cast<Instruction>(shifted(builder, &value, amount));
  value.replaceUsesWithIf(sum, [&](Use &use) { return use.getUser() != sum; });
}

void replaceInAssembly(CallBase &call, StringRef from, StringRef to) {
  auto *assembly = cast<InlineAsm>(call.getCalledOperand());
  std::string text = assembly->getAsmString().str();
  const size_t place = text.find(from.str());
  if (place == std::string::npos)
    throw Error(Error::Kind::Value, "the assembly does not have " + from.str());
  text.replace(place, from.size(), to.str());
  call.setCalledOperand(InlineAsm::get(assembly->getFunctionType(), text,
                                       assembly->getConstraintString(),
                                       assembly->hasSideEffects()));
}

void exitEarly(Module &module, uint64_t thread) {
  Function &kernel = kernelOf(module);
  IRBuilder<> builder(&*kernel.getEntryBlock().getFirstInsertionPt());
  auto *leaves =
      cast<Instruction>(builder.CreateICmpEQ(threadIndex(builder), builder.getInt32(thread)));
  Instruction *end = SplitBlockAndInsertIfThen(leaves, std::next(leaves->getIterator()), true);
  IRBuilder<>(end).CreateRetVoid();
  end->eraseFromParent();
}

void makePlain(Instruction &instruction) {
  auto &atomic = cast<AtomicRMWInst>(instruction);
  IRBuilder<> builder(&atomic);
  Value *before = builder.CreateLoad(atomic.getType(), atomic.getPointerOperand());
  builder.CreateStore(builder.CreateAdd(before, atomic.getValOperand()),
                      atomic.getPointerOperand());
  atomic.replaceAllUsesWith(before);
  atomic.eraseFromParent();
}

} // namespace weft::emulator
