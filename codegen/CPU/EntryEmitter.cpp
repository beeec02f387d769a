// Emits what runs a model: its launches, the sizes they need, the workspace.
#include "codegen/CPU/EntryEmitter.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "passes/templates/KernelWork.h"

using namespace mlir;

namespace weft {

/// No array has more bytes: the check that keeps arithmetic on sizes from overflowing.
static constexpr int64_t mostBytes = int64_t(1) << 48;

struct EntryEmitter::Frame {
  SizeEmitter sizes;
  /// Memory for the pointers, sizes and set-up results of one launch after the other.
  Value pointers, sizeList, setup;
  Value workspace, context, planned;
  llvm::SmallVector<Value> buffers, slots;
};

EntryEmitter::EntryEmitter(func::FuncOp main, SmallVector<PlanStep> steps, ModelSignature signature,
                           llvm::StringMap<KernelInfo> kernels, StringRef name, ThreadMode threads)
    : main(main),
      steps(std::move(steps)),
      signature(std::move(signature)),
      kernels(std::move(kernels)),
      name(name),
      threads(threads),
      module(main->getParentOfType<ModuleOp>()),
      builder(main.getContext()),
      location(main.getLoc()),
      constants(builder),
      abi(builder, module),
      values(main.getBody().front()) {
  for (const ModelSymbol &symbol : this->signature.symbols)
    symbolNames.push_back(symbol.name);
}

void EntryEmitter::emit() {
  findPlaces();
  emitMeasure();
  emitWorkspace();
  emitExecute();
  emitTable();
  emitCalls();
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

void EntryEmitter::findPlaces() {
  for (BlockArgument argument : main.getArguments())
    places[argument] = {Place::Kind::Buffer, argument.getArgNumber()};
  placeOutputs();
  for (Operation &op : main.getBody().front()) {
    if (auto constant = dyn_cast<ConstantOp>(op))
      addConstant(constant);
    else if (auto launch = dyn_cast<LaunchOp>(op))
      placeResults(launch);
    else if (isa<ub::PoisonOp>(op))
      places[op.getResult(0)] = {Place::Kind::Nowhere};
    else if (std::optional<int64_t> start = partStart(op))
      placePart(op, *start);
  }
}

/// The first output that is a result of a launch is written by it; others are copied (CopyStep).
void EntryEmitter::placeOutputs() {
  int64_t inputs = signature.inputs.size();
  Operation *terminator = main.getBody().front().getTerminator();
  for (auto [number, value] : llvm::enumerate(terminator->getOperands())) {
    Value storage = values.of(value);
    if (storage.getDefiningOp<LaunchOp>() && !places.count(storage))
      places[storage] = {Place::Kind::Buffer, inputs + static_cast<int64_t>(number)};
  }
}

void EntryEmitter::placeResults(LaunchOp launch) {
  auto offsets = launch->getAttrOfType<DenseI64ArrayAttr>("offsets").asArrayRef();
  for (auto [output, offset] : llvm::zip_equal(launch.getOutputs(), offsets))
    if (offset >= 0)
      places[output] = {Place::Kind::Arena, offset};
}

void EntryEmitter::placePart(Operation &op, int64_t start) {
  Place place = places.at(values.of(op.getOperand(0)));
  place.start += start;
  places[op.getResult(0)] = place;
}

void EntryEmitter::addConstant(ConstantOp constant) {
  if (auto offset = constant->getAttrOfType<IntegerAttr>(weightOffsetAttribute)) {
    places[constant.getResult()] = {Place::Kind::Weight, offset.getInt()};
    return;
  }
  auto elements = cast<ElementsAttr>(constant.getValue());
  std::string bytes(bytesOfElements(elements), 0);
  // The constant's verifier has seen to it that the elements are there.
  [[maybe_unused]] LogicalResult copied = copyElementBytes(elements, bytes.data());
  assert(succeeded(copied));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
  LLVM::GlobalOp::create(builder, constant.getLoc(), type, /*isConstant=*/true,
                         LLVM::Linkage::Internal, "weft.constant_" + std::to_string(constantCount),
                         builder.getStringAttr(bytes), /*alignment=*/64);
  places[constant.getResult()] = {Place::Kind::Constant, constantCount++};
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

LLVM::LLVMFuncOp EntryEmitter::begin(const Twine &name, Type result, ArrayRef<Type> arguments,
                                     bool isPublic) {
  builder.setInsertionPointToEnd(module.getBody());
  auto function = LLVM::LLVMFuncOp::create(
      builder, location, name.str(), LLVM::LLVMFunctionType::get(result, arguments),
      isPublic ? LLVM::Linkage::External : LLVM::Linkage::Internal);
  builder.setInsertionPointToStart(function.addEntryBlock(builder));
  constants.enter();
  return function;
}

Value EntryEmitter::elementAddress(Value base, Type type, int64_t index) {
  return LLVM::GEPOp::create(builder, location, abi.pointer, type, base,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
}

Value EntryEmitter::byteAddress(Value base, Value offset) {
  return LLVM::GEPOp::create(builder, location, abi.pointer, builder.getI8Type(), base,
                             ArrayRef<LLVM::GEPArg>{offset});
}

Value EntryEmitter::load(Value base, Type type, int64_t index) {
  return LLVM::LoadOp::create(builder, location, type, elementAddress(base, type, index), 8);
}

void EntryEmitter::store(Value value, Value base, int64_t index) {
  LLVM::StoreOp::create(builder, location, value, elementAddress(base, value.getType(), index), 8);
}

Value EntryEmitter::addressOf(StringRef symbol) {
  return LLVM::AddressOfOp::create(builder, location, abi.pointer, symbol);
}

/// An array on the stack with the values.
Value EntryEmitter::pack(ArrayRef<Value> values, Type type) {
  Value count = constant(std::max<int64_t>(1, values.size()));
  Value array = LLVM::AllocaOp::create(builder, location, abi.pointer, type, count, 8);
  for (auto [number, value] : llvm::enumerate(values))
    store(value, array, number);
  return array;
}

Value EntryEmitter::globalNumbers(StringRef name, ArrayRef<int64_t> numbers) {
  if (numbers.empty())
    return LLVM::ZeroOp::create(builder, location, abi.pointer);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(module.getBody());
    LLVM::GlobalOp::create(builder, location, LLVM::LLVMArrayType::get(abi.i64, numbers.size()),
                           /*isConstant=*/true, LLVM::Linkage::Internal, name,
                           builder.getI64TensorAttr(numbers), /*alignment=*/8);
  }
  return addressOf(name);
}

//===----------------------------------------------------------------------===//
// Sizes of the arguments, and of the workspace
//===----------------------------------------------------------------------===//

void EntryEmitter::emitMeasure() {
  auto function = begin("weft.measure", abi.i32, {abi.pointer, abi.pointer}, false);
  SizeEmitter sizes(builder, constants, location, function.getArgument(0), symbolNames,
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

/// A launch's operands and results fit into memory, and its sizes are no less than zero.
static void checkSizes(SizeEmitter &sizes, LaunchOp launch) {
  auto check = [&](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    Value bytes = sizes.constant(std::max(1u, tensor.getElementTypeBitWidth() / 8));
    for (int64_t size : tensor.getShape()) {
      sizes.requireCount(sizes.size(size));
      bytes = sizes.multiply(bytes, sizes.size(size));
    }
    sizes.requireAtMost(bytes, mostBytes);
  };
  llvm::for_each(launch.getOperandTypes(), check);
  llvm::for_each(launch.getResultTypes(), check);
  for (int64_t size : launch.getSizes())
    sizes.requireCount(sizes.size(size));
}

EntryEmitter::Frame EntryEmitter::openFrame(Value symbols, bool checked) {
  int64_t pointers = 1, sizes = 1, setup = 1;
  for (auto launch : main.getOps<LaunchOp>()) {
    const KernelInfo &info = kernels.at(launch.getKernel());
    int64_t arguments = launchArguments(launch, info.kernel).size();
    int64_t buffers = launch.getInputs().size() + launch.getNumResults() + info.temporaries;
    pointers = std::max(pointers, buffers);
    sizes = std::max(sizes, arguments);
    setup = std::max(setup, info.setupSize());
  }
  auto allocate = [&](Type type, int64_t count) -> Value {
    if (main.getOps<LaunchOp>().empty())
      return nullptr;
    return LLVM::AllocaOp::create(builder, location, abi.pointer, type, constant(count), 8);
  };
  Frame frame{SizeEmitter(builder, constants, location, symbols, symbolNames, checked),
              allocate(abi.pointer, pointers),
              allocate(abi.i64, sizes),
              allocate(abi.i64, setup),
              nullptr,
              nullptr,
              nullptr,
              {},
              {}};
  return frame;
}

/// Where each slot begins, and where the last ends. Without symbolic sizes places are known.
void EntryEmitter::planArena(Frame &frame) {
  auto arena = main->getAttrOfType<IntegerAttr>("weft.arena");
  frame.planned = constant(arena ? arena.getInt() : 0);
  for (ArrayRef<int64_t> sizes : slotSizes(main)) {
    Value most = constant(0);
    for (int64_t size : sizes) {
      Value bytes = frame.sizes.size(size);
      frame.sizes.requireAtMost(bytes, mostBytes);
      most = frame.sizes.maximum(most, bytes);
    }
    frame.slots.push_back(frame.planned);
    frame.planned = frame.sizes.add(frame.planned, frame.sizes.align(most));
  }
}

/// The arena, and the temporaries of the launch that has most.
Value EntryEmitter::workspaceBytes(Frame &frame) {
  Value most = constant(0);
  for (auto launch : main.getOps<LaunchOp>())
    if (kernels.at(launch.getKernel()).temporaries > 0)
      most = frame.sizes.maximum(most, temporaryBytes(frame, launch));
  return frame.sizes.add(frame.planned, most);
}

/// -1 where arithmetic overflows, -2 where a size is negative.
void EntryEmitter::emitWorkspace() {
  auto function = begin("weft.workspace", abi.i64, {abi.pointer}, false);
  Frame frame = openFrame(function.getArgument(0), /*checked=*/true);
  planArena(frame);
  for (int64_t size : sizeConditions(main))
    frame.sizes.requireCount(frame.sizes.size(size));
  for (auto launch : main.getOps<LaunchOp>())
    checkSizes(frame.sizes, launch);
  // Set-up functions are called with sizes that were found good.
  auto unless = [&](Value isBad, int64_t error, function_ref<Value()> emitRest) -> Value {
    if (!isBad)
      return emitRest();
    auto branch = scf::IfOp::create(
        builder, location, isBad,
        [&](OpBuilder &, Location) { scf::YieldOp::create(builder, location, constant(error)); },
        [&](OpBuilder &, Location) { scf::YieldOp::create(builder, location, emitRest()); });
    return branch.getResult(0);
  };
  Value overflow = frame.sizes.isOverflowing();
  Value result = unless(frame.sizes.isNegative(), -2, [&] {
    return unless(overflow, -1, [&] { return workspaceBytes(frame); });
  });
  LLVM::ReturnOp::create(builder, location, result);
}

bool EntryEmitter::KernelInfo::isPrepared(LaunchOp launch, int64_t stage) const {
  int64_t given = launch.getInputs().size() + launch.getNumResults();
  return llvm::any_of(launch.getTemporaries(), [&](int64_t number) {
    auto isUser = [&](int64_t bits) { return (bits >> (given + number) & 1) != 0; };
    return isUser(uses[stage]) && llvm::none_of(uses.take_front(stage), isUser);
  });
}

/// What fills a temporary of the launch; null if its stages do.
static Value preparedTemporary(LaunchOp launch, int64_t number) {
  auto *found = llvm::find(launch.getTemporaries(), number);
  return found == launch.getTemporaries().end()
             ? Value()
             : launch.getPrepared()[found - launch.getTemporaries().begin()];
}

/// The bytes of all temporaries of a launch that its stages fill, each rounded up to 64.
Value EntryEmitter::temporaryBytes(Frame &frame, LaunchOp launch) {
  const KernelInfo &info = kernels.at(launch.getKernel());
  storeSizes(frame, launch);
  callSetup(frame, launch);
  Value sum = constant(0);
  for (int64_t i = 0; i < info.temporaries; ++i) {
    if (preparedTemporary(launch, i))
      continue;
    Value bytes = frame.sizes.align(load(frame.setup, abi.i64, info.stages + i));
    sum = LLVM::AddOp::create(builder, location, sum, bytes);
  }
  return sum;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// What a launch passes to its kernel beside the buffers.
Value EntryEmitter::argumentBits(Frame &frame, const LaunchArgument &argument) {
  if (argument.kind == LaunchArgument::Kind::Bits)
    return constant(argument.value);
  Value size = frame.sizes.maximum(frame.sizes.size(argument.value), constant(0));
  if (argument.kind == LaunchArgument::Kind::Size)
    return size;
  Value number = LLVM::SIToFPOp::create(builder, location, builder.getF64Type(), size);
  return LLVM::BitcastOp::create(builder, location, abi.i64, number);
}

void EntryEmitter::storeSizes(Frame &frame, LaunchOp launch) {
  KernelOp kernel = kernels.at(launch.getKernel()).kernel;
  for (auto [position, argument] : llvm::enumerate(launchArguments(launch, kernel)))
    store(argumentBits(frame, argument), frame.sizeList, position);
}

void EntryEmitter::callSetup(Frame &frame, LaunchOp launch) {
  auto setup = module.lookupSymbol<LLVM::LLVMFuncOp>((launch.getKernel() + "_setup").str());
  LLVM::CallOp::create(builder, location, setup, ValueRange{frame.sizeList, frame.setup});
}

Value EntryEmitter::pointerTo(Frame &frame, Value value) {
  Place place = places.at(values.of(value));
  switch (place.kind) {
  case Place::Kind::Buffer:
    return place.start == 0 ? frame.buffers[place.index]
                            : byteAddress(frame.buffers[place.index], constant(place.start));
  case Place::Kind::Constant:
    return addressOf("weft.constant_" + std::to_string(place.index));
  case Place::Kind::Weight:
    return byteAddress(load(frame.context, abi.pointer, 2), constant(place.index));
  case Place::Kind::Arena:
    return byteAddress(frame.workspace,
                       frame.slots.empty() ? constant(place.index) : frame.slots[place.index]);
  case Place::Kind::Nowhere:
    return LLVM::ZeroOp::create(builder, location, abi.pointer);
  }
  llvm_unreachable("all kinds of places have a pointer");
}

static Value sumOf(SizeEmitter &sizes, ArrayRef<WorkTerm> terms, ArrayRef<int64_t> launchSizes) {
  Value sum = sizes.constant(0);
  for (const WorkTerm &term : terms) {
    Value product = sizes.constant(term.factor);
    for (int64_t number : term.sizes)
      product = sizes.multiply(product, sizes.size(launchSizes[number]));
    sum = sizes.add(sum, product);
  }
  return sum;
}

/// How many threads pay for so much work of a launch.
Value EntryEmitter::threadsFor(Frame &frame, LaunchOp launch, const KernelWork &work) {
  if (threads == ThreadMode::None)
    return constant(1);
  SizeEmitter &sizes = frame.sizes;
  Value byBytes = sizes.divide(sumOf(sizes, work.bytes, launch.getSizes()),
                               bytesPerNanosecond * nanosecondsPerThread);
  Value byOperations = sizes.divide(sumOf(sizes, work.operations, launch.getSizes()),
                                    operationsPerNanosecond * nanosecondsPerThread);
  Value count = sizes.maximum(sizes.maximum(byBytes, byOperations), constant(1));
  return sizes.minimum(count, constant(mostThreads));
}

void EntryEmitter::emitStage(Frame &frame, LaunchOp launch, int64_t stage, Value threadCount) {
  std::string symbol = (launch.getKernel() + "_" + Twine(stage)).str();
  Value tasks = load(frame.setup, abi.i64, stage);
  if (SizeEmitter::knownValue(threadCount) != 1) {
    LLVM::CallOp::create(builder, location, abi.launch(),
                         ValueRange{frame.context, addressOf(symbol), frame.pointers,
                                    frame.sizeList, tasks, threadCount});
    return;
  }
  Value zero = constant(0);
  Value hasTasks = LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::sgt, tasks, zero);
  scf::IfOp::create(builder, location, hasTasks, [&](OpBuilder &, Location) {
    LLVM::CallOp::create(builder, location, module.lookupSymbol<LLVM::LLVMFuncOp>(symbol),
                         ValueRange{frame.pointers, frame.sizeList, zero, tasks});
    scf::YieldOp::create(builder, location);
  });
}

void EntryEmitter::emitLaunch(Frame &frame, LaunchOp launch) {
  const KernelInfo &info = kernels.at(launch.getKernel());
  storeSizes(frame, launch);
  callSetup(frame, launch);
  int64_t position = 0;
  for (Value input : launch.getInputs())
    store(pointerTo(frame, input), frame.pointers, position++);
  for (Value output : launch.getOutputs())
    store(pointerTo(frame, output), frame.pointers, position++);
  Value end = frame.planned;
  for (int64_t i = 0; i < info.temporaries; ++i) {
    if (Value prepared = preparedTemporary(launch, i)) {
      store(pointerTo(frame, prepared), frame.pointers, position++);
      continue;
    }
    store(byteAddress(frame.workspace, end), frame.pointers, position++);
    Value bytes = frame.sizes.align(load(frame.setup, abi.i64, info.stages + i));
    end = LLVM::AddOp::create(builder, location, end, bytes);
  }
  int64_t stage = 0;
  if (updatedArgument(info.kernel)) {
    if (!overwrittenOperand(launch))
      emitStage(frame, launch, stage, threadsFor(frame, launch, copyWorkOf(info.kernel)));
    ++stage;
  }
  Value threadCount = threadsFor(frame, launch, workOf(info.kernel));
  for (; stage < info.stages; ++stage)
    if (!info.isPrepared(launch, stage))
      emitStage(frame, launch, stage, threadCount);
}

void EntryEmitter::emitStep(Frame &frame, const CopyStep &copy) {
  const ModelTensor &tensor = signature.outputs[copy.output];
  Value bytes = constant(dtypeSize(tensor.dtype));
  for (int64_t size : tensor.shape)
    bytes = frame.sizes.multiply(bytes, frame.sizes.size(size));
  LLVM::MemcpyOp::create(builder, location, frame.buffers[signature.inputs.size() + copy.output],
                         pointerTo(frame, copy.from), bytes, /*isVolatile=*/false);
}

void EntryEmitter::emitExecute() {
  auto function = begin("weft.execute", abi.nothing,
                        {abi.pointer, abi.pointer, abi.pointer, abi.pointer}, false);
  Frame frame = openFrame(function.getArgument(0), /*checked=*/false);
  frame.workspace = function.getArgument(2);
  frame.context = function.getArgument(3);
  planArena(frame);
  int64_t bufferCount = signature.inputs.size() + signature.outputs.size();
  for (int64_t i = 0; i < bufferCount; ++i)
    frame.buffers.push_back(load(function.getArgument(1), abi.pointer, i));
  for (const PlanStep &step : steps)
    std::visit([&](const auto &kind) { emitStep(frame, kind); }, step);
  LLVM::ReturnOp::create(builder, location, ValueRange());
}

} // namespace weft
