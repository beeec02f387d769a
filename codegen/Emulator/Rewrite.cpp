// Rewrites a module for NVPTX so that it runs on the host under the emulator.
#include "codegen/Emulator/Rewrite.h"
#include "codegen/Emulator/Accumulators.h"
#include "codegen/Emulator/Spellings.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/AttributeMask.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/ReplaceConstant.h"

using namespace llvm;

namespace weft::emulator {

static constexpr unsigned globalSpace = 1, sharedSpace = 3, constantSpace = 4, localSpace = 5,
                          clusterSpace = 7;

/// The distance between variables in shared memory, so that an index beyond one is not in the next.
static constexpr uint32_t sharedGap = 128;
/// What the hardware keeps for itself at the start of shared memory.
static constexpr uint32_t sharedReserve = 1024;

static StringRef afterNvvm(StringRef name) {
  name.consume_front("llvm.nvvm.");
  return name;
}

static bool isNvvm(const Function *function) {
  return function && function->getName().starts_with("llvm.nvvm.");
}

namespace {

/// The rewriting of one function.
class FunctionRewriter {
public:
  FunctionRewriter(Function &function, Program &program, Meanings &meanings,
                   std::optional<Fault> &fault)
      : function(function),
        module(*function.getParent()),
        program(program),
        meanings(meanings),
        fault(fault),
        context(module.getContext()),
        word(Type::getInt32Ty(context)),
        slot(Type::getInt64Ty(context)),
        pointer(PointerType::get(context, 0)),
        nothing(Type::getVoidTy(context)) {}

  void run();

private:
  void collect();
  void checkAccumulators(const CallBase &call);
  void rewriteCall(CallBase &call);
  void rewriteRegister(CallBase &call);
  void perform(CallBase &call, Meaning meaning, StringRef name);
  void watchAccess(Instruction &instruction);
  void watchIntrinsic(MemIntrinsic &instruction);
  void countSteps();

  bool isWatched(const Value *address) const;
  uint32_t addOperation(Operation operation, const Instruction &instruction);
  Location locationOf(const Instruction &instruction) const;
  void refuse(const Instruction &instruction, const Twine &what);
  Value *toSlot(IRBuilder<> &builder, Value *value);
  Value *fromSlot(IRBuilder<> &builder, Value *slots, unsigned number, Type *type);
  Value *resultOf(IRBuilder<> &builder, Value *slots, Type *type);
  AllocaInst *slotsFor(AllocaInst *&slots, unsigned count);
  Value *genericPointer(IRBuilder<> &builder, Value *address);
  FunctionCallee callee(const char *name, Type *result, ArrayRef<Type *> arguments) {
    return module.getOrInsertFunction(name, FunctionType::get(result, arguments, false));
  }

  Function &function;
  Module &module;
  Program &program;
  Meanings &meanings;
  std::optional<Fault> &fault;
  LLVMContext &context;
  Type *word, *slot, *pointer, *nothing;
  AllocaInst *argumentSlots = nullptr, *resultSlots = nullptr;
  DenseMap<const Instruction *, uint32_t> numbers;
  SmallVector<CallBase *> calls;
  SmallVector<Instruction *> accesses;
  SmallVector<MemIntrinsic *> ranges;
};

} // namespace

// What an instruction is.

void FunctionRewriter::collect() {
  uint32_t number = 0;
  for (Instruction &instruction : instructions(function)) {
    numbers[&instruction] = number++;
    if (auto *range = dyn_cast<MemIntrinsic>(&instruction)) {
      ranges.push_back(range);
    } else if (auto *call = dyn_cast<CallBase>(&instruction)) {
      if (call->isInlineAsm() || isNvvm(call->getCalledFunction()))
        calls.push_back(call);
      else if (Function *target = call->getCalledFunction();
               !target || (target->isDeclaration() && !target->isIntrinsic()))
        refuse(instruction, target ? "a call of " + target->getName() + ", which is not there"
                                   : Twine("a call through a pointer"));
      else if (target->getName().starts_with("llvm.masked."))
        refuse(instruction, "the intrinsic " + target->getName());
    } else if (isa<LoadInst, StoreInst, AtomicRMWInst, AtomicCmpXchgInst>(instruction)) {
      accesses.push_back(&instruction);
    } else if (instruction.getOpcode() == Instruction::FRem) {
      refuse(instruction, "the remainder of floats, which a GPU only approximates");
    }
  }
}

Location FunctionRewriter::locationOf(const Instruction &instruction) const {
  Location location;
  location.function = function.getName().str();
  location.instruction = numbers.lookup(&instruction);
  if (const DebugLoc &debug = instruction.getDebugLoc(); debug && debug.getLine() != 0) {
    location.file = cast<DIScope>(debug.getScope())->getFilename().str();
    location.line = debug.getLine();
  } else if (DISubprogram *whole = function.getSubprogram(); whole && whole->getLine() != 0) {
    location.file = whole->getFilename().str();
    location.line = whole->getLine();
  }
  return location;
}

void FunctionRewriter::refuse(const Instruction &instruction, const Twine &what) {
  if (fault)
    return;
  fault.emplace();
  fault->message = "the emulator does not know " + what.str();
  fault->kernel = function.getName().str();
  fault->location = locationOf(instruction);
}

uint32_t FunctionRewriter::addOperation(Operation operation, const Instruction &instruction) {
  operation.location = locationOf(instruction);
  program.operations.push_back(std::move(operation));
  return static_cast<uint32_t>(program.operations.size() - 1);
}

// Values in slots of eight bytes.

Value *FunctionRewriter::toSlot(IRBuilder<> &builder, Value *value) {
  Type *type = value->getType();
  if (type->isPointerTy())
    return builder.CreatePtrToInt(value, slot);
  if (!type->isIntegerTy())
    value = builder.CreateBitCast(
        value, builder.getIntNTy(module.getDataLayout().getTypeSizeInBits(type).getFixedValue()));
  return builder.CreateZExtOrTrunc(value, slot);
}

Value *FunctionRewriter::fromSlot(IRBuilder<> &builder, Value *slots, unsigned number, Type *type) {
  Value *place = builder.CreateConstGEP1_32(slot, slots, number);
  Value *value = builder.CreateLoad(slot, place);
  if (type->isPointerTy())
    return builder.CreateIntToPtr(value, type);
  const uint64_t bits = module.getDataLayout().getTypeSizeInBits(type).getFixedValue();
  value = builder.CreateZExtOrTrunc(value, builder.getIntNTy(bits));
  return builder.CreateBitCast(value, type);
}

Value *FunctionRewriter::resultOf(IRBuilder<> &builder, Value *slots, Type *type) {
  auto *fields = dyn_cast<StructType>(type);
  if (!fields)
    return fromSlot(builder, slots, 0, type);
  Value *result = PoisonValue::get(type);
  for (unsigned number = 0; number < fields->getNumElements(); ++number)
    result = builder.CreateInsertValue(
        result, fromSlot(builder, slots, number, fields->getElementType(number)), number);
  return result;
}

/// Slots that all calls of the function share, `count` or more.
AllocaInst *FunctionRewriter::slotsFor(AllocaInst *&slots, unsigned count) {
  constexpr unsigned least = 16;
  count = std::max(count, least);
  auto *type = ArrayType::get(slot, count);
  if (!slots)
    slots =
        IRBuilder<>(&function.getEntryBlock(), function.getEntryBlock().begin()).CreateAlloca(type);
  else if (cast<ArrayType>(slots->getAllocatedType())->getNumElements() < count)
    slots->setAllocatedType(type);
  return slots;
}

Value *FunctionRewriter::genericPointer(IRBuilder<> &builder, Value *address) {
  return builder.CreateAddrSpaceCast(address, pointer);
}

// Calls.

/// What a call is named in messages.
static std::string nameOf(const CallBase &call) {
  if (const auto *assembly = dyn_cast<InlineAsm>(call.getCalledOperand()))
    return assembly->getAsmString().str();
  return call.getCalledFunction()->getName().str();
}

void FunctionRewriter::rewriteCall(CallBase &call) {
  const std::string name = nameOf(call);
  if (afterNvvm(name).starts_with("read.ptx.sreg."))
    return rewriteRegister(call);
  if (name == "llvm.nvvm.wgmma.wait_group.sync.aligned") {
    const auto most = cast<ConstantInt>(call.getArgOperand(0))->getSExtValue();
    return perform(call, {waitWarpgroup, {most, 0}}, name);
  }
  if (const std::optional<Meaning> &meaning = meanings.of(call))
    return perform(call, *meaning, name);
  refuse(call, (call.isInlineAsm() ? "the assembly \"" : "the intrinsic \"") + name + "\"");
}

void FunctionRewriter::checkAccumulators(const CallBase &call) {
  if (fault || !call.isInlineAsm())
    return;
  const std::optional<Meaning> &meaning = meanings.of(call);
  if (meaning && meaning->handler == multiplyWarpgroup)
    fault = earlyReadOfAccumulators(call, meanings,
                                    [&](const Instruction &where) { return locationOf(where); });
}

void FunctionRewriter::rewriteRegister(CallBase &call) {
  StringRef name = afterNvvm(call.getCalledFunction()->getName());
  name.consume_front("read.ptx.sreg.");
  std::optional<Register> which = registerByName(name);
  if (!which)
    return refuse(call, "the special register " + name);
  IRBuilder<> builder(&call);
  FunctionCallee read = callee(callback::registers, word, {word});
  CallInst *value = builder.CreateCall(read, builder.getInt32(static_cast<uint32_t>(*which)));
  value->setDoesNotAccessMemory();
  call.replaceAllUsesWith(builder.CreateZExtOrTrunc(value, call.getType()));
  call.eraseFromParent();
}

void FunctionRewriter::perform(CallBase &call, Meaning meaning, StringRef name) {
  auto *fields = dyn_cast<StructType>(call.getType());
  AllocaInst *arguments = slotsFor(argumentSlots, call.arg_size());
  AllocaInst *results = slotsFor(resultSlots, fields ? fields->getNumElements() : 1);
  Operation operation;
  operation.handler = meaning.handler;
  operation.name = name.take_until([](char character) { return character == '\n'; }).str();
  operation.parameters = std::move(meaning.parameters);
  const uint32_t site = addOperation(std::move(operation), call);
  IRBuilder<> builder(&call);
  for (unsigned number = 0; number < call.arg_size(); ++number)
    builder.CreateStore(toSlot(builder, call.getArgOperand(number)),
                        builder.CreateConstGEP1_32(slot, arguments, number));
  builder.CreateCall(callee(callback::perform, nothing, {word, pointer, pointer}),
                     {builder.getInt32(site), arguments, results});
  if (!call.getType()->isVoidTy())
    call.replaceAllUsesWith(resultOf(builder, results, call.getType()));
  call.eraseFromParent();
}

// Accesses.

/// Memory that no other thread sees, and constants, are not watched.
bool FunctionRewriter::isWatched(const Value *address) const {
  const unsigned space = address->getType()->getPointerAddressSpace();
  if (space == constantSpace || space == localSpace)
    return false;
  const Value *object = getUnderlyingObject(address, 0);
  if (isa<AllocaInst>(object))
    return false;
  if (auto *argument = dyn_cast<Argument>(object); argument && argument->hasByValAttr())
    return false;
  auto *global = dyn_cast<GlobalVariable>(object);
  return !global || global->getAddressSpace() == sharedSpace;
}

static MemorySpace memorySpace(unsigned space) {
  if (space == sharedSpace || space == clusterSpace)
    return MemorySpace::Shared;
  return space == globalSpace ? MemorySpace::Global : MemorySpace::Generic;
}

struct AccessShape {
  Type *type;
  Align alignment;
  bool writes;
  bool atomic;
};

static AccessShape shapeOf(Instruction &instruction) {
  if (auto *load = dyn_cast<LoadInst>(&instruction))
    return {load->getType(), load->getAlign(), false, load->isAtomic()};
  if (auto *store = dyn_cast<StoreInst>(&instruction))
    return {store->getValueOperand()->getType(), store->getAlign(), true, store->isAtomic()};
  if (auto *change = dyn_cast<AtomicRMWInst>(&instruction))
    return {change->getType(), change->getAlign(), true, true};
  auto &exchange = cast<AtomicCmpXchgInst>(instruction);
  return {exchange.getNewValOperand()->getType(), exchange.getAlign(), true, true};
}

void FunctionRewriter::watchAccess(Instruction &instruction) {
  Value *address = const_cast<Value *>(getLoadStorePointerOperand(&instruction));
  if (!address)
    address = instruction.getOperand(0);
  if (!isWatched(address))
    return;
  const AccessShape shape = shapeOf(instruction);
  Operation operation;
  operation.name = instruction.getOpcodeName();
  operation.bytes =
      static_cast<uint32_t>(module.getDataLayout().getTypeStoreSize(shape.type).getFixedValue());
  operation.alignment = static_cast<uint32_t>(shape.alignment.value());
  operation.space = memorySpace(address->getType()->getPointerAddressSpace());
  operation.atomic = shape.atomic;
  operation.updates = isa<AtomicRMWInst, AtomicCmpXchgInst>(instruction);
  const uint32_t site = addOperation(std::move(operation), instruction);
  IRBuilder<> builder(&instruction);
  FunctionCallee check =
      callee(shape.writes ? callback::write : callback::read, nothing, {pointer, word});
  builder.CreateCall(check, {genericPointer(builder, address), builder.getInt32(site)});
}

void FunctionRewriter::watchIntrinsic(MemIntrinsic &instruction) {
  IRBuilder<> builder(&instruction);
  FunctionCallee check =
      callee(callback::range, nothing, {pointer, slot, word, Type::getInt1Ty(context)});
  auto watch = [&](Value *address, bool writes) {
    if (!isWatched(address))
      return;
    Operation operation;
    operation.name = instruction.getCalledFunction()->getName().str();
    operation.space = memorySpace(address->getType()->getPointerAddressSpace());
    const uint32_t site = addOperation(std::move(operation), instruction);
    builder.CreateCall(check, {genericPointer(builder, address),
                               builder.CreateZExtOrTrunc(instruction.getLength(), slot),
                               builder.getInt32(site), builder.getInt1(writes)});
  };
  if (auto *copy = dyn_cast<MemTransferInst>(&instruction))
    watch(copy->getRawSource(), false);
  watch(instruction.getRawDest(), true);
}

/// A call at each loop's head, so that one that never ends is noticed.
void FunctionRewriter::countSteps() {
  DominatorTree dominators(function);
  LoopInfo loops(dominators);
  FunctionCallee step = callee(callback::step, nothing, {});
  for (Loop *loop : loops.getLoopsInPreorder())
    IRBuilder<>(&*loop->getHeader()->getFirstInsertionPt()).CreateCall(step);
}

void FunctionRewriter::run() {
  collect();
  for (const CallBase *call : calls)
    checkAccumulators(*call);
  for (Instruction *access : accesses)
    watchAccess(*access);
  for (MemIntrinsic *range : ranges)
    watchIntrinsic(*range);
  for (CallBase *call : calls)
    rewriteCall(*call);
  countSteps();
}

// Modules.

static uint32_t alignedTo(uint32_t offset, uint64_t alignment) {
  return static_cast<uint32_t>((offset + alignment - 1) / alignment * alignment);
}

/// Uses of `variable` become `offset` bytes into the window of the running block.
static void replaceSharedVariable(GlobalVariable &variable, uint32_t offset) {
  Module &module = *variable.getParent();
  convertUsersOfConstantsToInstructions({&variable});
  auto *pointer = PointerType::get(module.getContext(), 0);
  FunctionCallee window = module.getOrInsertFunction(callback::shared, pointer);
  DenseMap<Function *, Value *> places;
  for (Use &use : make_early_inc_range(variable.uses())) {
    Function *function = cast<Instruction>(use.getUser())->getFunction();
    Value *&place = places[function];
    if (!place) {
      IRBuilder<> builder(&function->getEntryBlock(), function->getEntryBlock().begin());
      CallInst *base = builder.CreateCall(window);
      base->setDoesNotAccessMemory();
      place = builder.CreateAddrSpaceCast(
          builder.CreateConstGEP1_32(builder.getInt8Ty(), base, offset), variable.getType());
    }
    use.set(place);
  }
}

static void placeSharedVariables(Module &module, Program &program) {
  SmallVector<GlobalVariable *> fixed, dynamic;
  for (GlobalVariable &variable : module.globals())
    if (variable.getAddressSpace() == sharedSpace)
      (variable.hasInitializer() ? fixed : dynamic).push_back(&variable);
  uint32_t end = sharedReserve;
  for (GlobalVariable *variable : fixed) {
    const auto bytes = static_cast<uint32_t>(
        module.getDataLayout().getTypeAllocSize(variable->getValueType()).getFixedValue());
    const uint32_t offset = alignedTo(end, variable->getAlign().valueOrOne().value());
    program.sharedVariables.push_back({variable->getName().str(), offset, bytes});
    end = alignedTo(offset + bytes, 4) + sharedGap;
    replaceSharedVariable(*variable, offset);
  }
  uint64_t alignment = 16;
  for (GlobalVariable *variable : dynamic)
    alignment = std::max(alignment, variable->getAlign().valueOrOne().value());
  program.dynamicOffset = alignedTo(end, alignment);
  for (GlobalVariable *variable : dynamic)
    replaceSharedVariable(*variable, program.dynamicOffset);
  for (ArrayRef<GlobalVariable *> variables : {ArrayRef(fixed), ArrayRef(dynamic)})
    for (GlobalVariable *variable : variables)
      variable->eraseFromParent();
}

static std::array<uint32_t, 3> threadsOf(const Function &function) {
  std::array<uint32_t, 3> threads = {0, 0, 0};
  SmallVector<StringRef> numbers;
  function.getFnAttribute("nvvm.reqntid").getValueAsString().split(numbers, ',');
  if (numbers.front().empty())
    return threads;
  threads = {1, 1, 1};
  for (size_t dimension = 0; dimension < numbers.size() && dimension < 3; ++dimension)
    numbers[dimension].getAsInteger(10, threads[dimension]);
  return threads;
}

/// A function that takes pointers to the values of the parameters, whatever their types.
static void addRunner(Function &function, Program &program) {
  Module &module = *function.getParent();
  LLVMContext &context = module.getContext();
  auto *pointer = PointerType::get(context, 0);
  auto *runner =
      Function::Create(FunctionType::get(Type::getVoidTy(context), {pointer}, false),
                       Function::ExternalLinkage, function.getName() + runnerSuffix, module);
  IRBuilder<> builder(BasicBlock::Create(context, "", runner));
  KernelEntry &entry = program.entries.emplace_back();
  entry.name = function.getName().str();
  entry.threads = threadsOf(function);
  SmallVector<Value *> values;
  for (Argument &argument : function.args()) {
    KernelParameter parameter;
    Value *place = builder.CreateLoad(
        pointer, builder.CreateConstGEP1_32(pointer, runner->getArg(0), argument.getArgNo()));
    if (argument.hasByValAttr()) {
      parameter.kind = KernelParameter::Kind::TensorMap;
      values.push_back(place);
      argument.removeAttr(Attribute::ByVal);
    } else {
      if (argument.getType()->isPointerTy())
        parameter.kind = KernelParameter::Kind::Pointer;
      parameter.bytes = static_cast<uint32_t>(
          module.getDataLayout().getTypeStoreSize(argument.getType()).getFixedValue());
      values.push_back(builder.CreateLoad(argument.getType(), place));
    }
    entry.parameters.push_back(parameter);
  }
  builder.CreateCall(&function, values);
  builder.CreateRetVoid();
}

/// What only the NVPTX back end understands.
static void removeTargetDetails(Module &module) {
  for (Function &function : module) {
    function.setCallingConv(CallingConv::C);
    AttributeMask strings;
    for (Attribute attribute : function.getAttributes().getFnAttrs())
      if (attribute.isStringAttribute())
        strings.addAttribute(attribute.getKindAsString());
    function.removeFnAttrs(strings);
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallBase>(&instruction))
        call->setCallingConv(CallingConv::C);
  }
  if (NamedMDNode *annotations = module.getNamedMetadata("nvvm.annotations"))
    annotations->eraseFromParent();
}

PreservedAnalyses RewriteForEmulation::run(Module &module, ModuleAnalysisManager &) {
  SmallVector<Function *> kernels, bodies;
  for (Function &function : module)
    if (!function.isDeclaration()) {
      bodies.push_back(&function);
      if (function.getCallingConv() == CallingConv::PTX_Kernel)
        kernels.push_back(&function);
    }
  Meanings meanings;
  for (Function *function : bodies)
    FunctionRewriter(*function, program, meanings, fault).run();
  for (Function *kernel : kernels)
    addRunner(*kernel, program);
  placeSharedVariables(module, program);
  removeTargetDetails(module);
  return PreservedAnalyses::none();
}

} // namespace weft::emulator
