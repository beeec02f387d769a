// Emits what runs a planned function: its memory, and its steps one after the other.
#include "codegen/CPU/PlanEmitter.h"
#include "codegen/CPU/PlanFrame.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/IR/Require.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"

using namespace mlir;

namespace weft {

/// No array has more bytes: the check that keeps arithmetic on sizes from overflowing.
static constexpr int64_t mostBytes = int64_t(1) << 48;

PlanEmitter::PlanEmitter(func::FuncOp function, SmallVector<PlanStep> steps, Outputs memory,
                         ModelPlans &model)
    : EntryBuilder(function->getParentOfType<ModuleOp>(), function.getLoc()),
      function(function),
      steps(std::move(steps)),
      memory(memory),
      model(model),
      values(function.getBody().front()) {}

void PlanEmitter::emit() {
  findPlaces();
  emitWorkspace();
  emitExecute();
}

/// @main is that of the model; other functions keep their names.
std::string PlanEmitter::nameOf(StringRef function, StringRef role) {
  return ((function == "main" ? "weft" : function) + "." + role).str();
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

void PlanEmitter::findPlaces() {
  for (BlockArgument argument : function.getArguments())
    places[argument] = {Place::Kind::Buffer, argument.getArgNumber()};
  placeOutputs();
  for (Operation &op : function.getBody().front()) {
    if (auto constant = dyn_cast<ConstantOp>(op))
      addConstant(constant);
    else if (op.hasTrait<trait::PlannedStep>())
      placeResults(&op);
    else if (isa<ub::PoisonOp>(op))
      places[op.getResult(0)] = {Place::Kind::Nowhere};
    else if (std::optional<int64_t> start = partStart(op))
      placePart(op, *start);
  }
}

/// The first output that is a result of a step is written by it; others are copied (CopyStep).
void PlanEmitter::placeOutputs() {
  int64_t inputs = function.getNumArguments();
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [number, value] : llvm::enumerate(terminator->getOperands())) {
    Value storage = values.of(value);
    if (isWritten(storage) && !places.count(storage))
      places[storage] = {Place::Kind::Buffer, inputs + static_cast<int64_t>(number)};
  }
}

void PlanEmitter::placeResults(Operation *step) {
  auto offsets = step->getAttrOfType<DenseI64ArrayAttr>("offsets").asArrayRef();
  for (auto [output, offset] : llvm::zip_equal(step->getResults(), offsets))
    if (offset >= 0)
      places[output] = {Place::Kind::Arena, offset};
}

void PlanEmitter::placePart(Operation &op, int64_t start) {
  Place place = places.at(values.of(op.getOperand(0)));
  place.start += start;
  places[op.getResult(0)] = place;
}

void PlanEmitter::addConstant(ConstantOp constant) {
  if (auto offset = constant->getAttrOfType<IntegerAttr>(weightOffsetAttribute)) {
    places[constant.getResult()] = {Place::Kind::Weight, offset.getInt()};
    return;
  }
  auto elements = cast<ElementsAttr>(constant.getValue());
  auto number = static_cast<int64_t>(model.constants.size());
  auto [known, isNew] = model.constants.try_emplace(elements, number);
  places[constant.getResult()] = {Place::Kind::Constant, known->second};
  if (!isNew)
    return;
  std::string bytes(bytesOfElements(elements), 0);
  // The constant's verifier has seen to it that the elements are there.
  [[maybe_unused]] LogicalResult copied = copyElementBytes(elements, bytes.data());
  assert(succeeded(copied));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
  LLVM::GlobalOp::create(builder, constant.getLoc(), type, /*isConstant=*/true,
                         LLVM::Linkage::Internal, "weft.constant_" + std::to_string(number),
                         builder.getStringAttr(bytes), /*alignment=*/64);
}

//===----------------------------------------------------------------------===//
// Workspace
//===----------------------------------------------------------------------===//

Value PlanEmitter::bytesOf(SizeEmitter &sizes, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  Value bytes = constant(std::max(1u, tensor.getElementTypeBitWidth() / 8));
  for (int64_t size : tensor.getShape())
    bytes = sizes.multiply(bytes, sizes.size(size));
  return bytes;
}

/// A step's operands and results fit into memory, and its sizes are no less than zero.
void PlanEmitter::checkStep(SizeEmitter &sizes, Operation *step) {
  auto check = [&](Type type) {
    for (int64_t size : cast<RankedTensorType>(type).getShape())
      sizes.requireCount(sizes.size(size));
    sizes.requireAtMost(bytesOf(sizes, type), mostBytes);
  };
  llvm::for_each(step->getOperandTypes(), check);
  llvm::for_each(step->getResultTypes(), check);
  if (auto launch = dyn_cast<LaunchOp>(step))
    for (int64_t size : launch.getSizes())
      sizes.requireCount(sizes.size(size));
  if (auto loop = dyn_cast<LoopOp>(step); loop && loop.getCountAttr())
    sizes.requireCount(sizes.size(loop.getCountAttr().getSizes().front()));
}

PlanEmitter::Frame PlanEmitter::openFrame(Value symbols, bool checked) {
  int64_t pointers = 0, sizes = 0, setup = 0;
  for (auto launch : function.getOps<LaunchOp>()) {
    const ModelPlans::KernelInfo &info = model.kernels.at(launch.getKernel());
    int64_t arguments = launchArguments(launch, info.kernel).size();
    int64_t buffers = launch.getInputs().size() + launch.getNumResults() + info.temporaries;
    buffers += info.canFail ? 1 : 0;
    pointers = std::max(pointers, buffers);
    sizes = std::max(sizes, arguments);
    setup = std::max(setup, info.setupSize());
  }
  for (auto loop : function.getOps<LoopOp>()) {
    pointers = std::max(pointers, addressCount(loop));
    sizes = std::max<int64_t>(sizes, loop.getNumResults() + loop.getScanned().size());
  }
  for (auto branch : function.getOps<BranchOp>())
    pointers = std::max<int64_t>(pointers, branch.getInputs().size() + branch.getNumResults());
  bool hasSteps = llvm::any_of(function.getBody().front(),
                               [](Operation &op) { return op.hasTrait<trait::PlannedStep>(); });
  auto array = [&](Type type, int64_t count) { return hasSteps ? allocate(type, count) : Value(); };
  return {SizeEmitter(builder, constants, location, symbols, model.symbols, checked), symbols,
          array(abi.pointer, pointers), array(abi.i64, sizes), array(abi.i64, setup)};
}

/// Where each slot begins, and where the last ends. Without symbolic sizes places are known.
void PlanEmitter::planArena(Frame &frame) {
  auto arena = function->getAttrOfType<IntegerAttr>("weft.arena");
  frame.planned = constant(arena ? arena.getInt() : 0);
  for (ArrayRef<int64_t> sizes : slotSizes(function)) {
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

/// The arena, and what the step that needs most has behind it.
Value PlanEmitter::workspaceBytes(Frame &frame) {
  Value most = constant(0);
  for (const PlanStep &step : steps)
    if (Value bytes = std::visit([&](const auto &kind) { return stepBytes(frame, kind); }, step))
      most = frame.sizes.maximum(most, bytes);
  Value sum = frame.sizes.add(frame.planned, most);
  if (!frame.worst)
    return sum;
  Value isBad =
      LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::slt, frame.worst, constant(0));
  return LLVM::SelectOp::create(builder, location, isBad, frame.worst, sum);
}

/// -1 where arithmetic overflows, -2 where a size is negative.
void PlanEmitter::emitWorkspace() {
  auto emitted = begin(nameOf(function.getSymName(), "workspace"), abi.i64, {abi.pointer}, false);
  Frame frame = openFrame(emitted.getArgument(0), /*checked=*/true);
  planArena(frame);
  for (int64_t size : sizeConditions(function))
    frame.sizes.requireCount(frame.sizes.size(size));
  for (Operation &op : function.getBody().front())
    if (op.hasTrait<trait::PlannedStep>())
      checkStep(frame.sizes, &op);
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

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

Value PlanEmitter::pointerTo(Frame &frame, Value value) {
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

/// Where nothing is given, argument and result are different arrays of the caller.
void PlanEmitter::unlessSame(Value to, Value from, function_ref<void()> emitRest) {
  if (memory == Outputs::Chosen)
    return emitRest();
  Value isOther = LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::ne, to, from);
  scf::IfOp::create(builder, location, isOther, [&](OpBuilder &, Location) {
    emitRest();
    scf::YieldOp::create(builder, location);
  });
}

void PlanEmitter::emitStep(Frame &frame, const CopyStep &copy) {
  Value bytes = bytesOf(frame.sizes, copy.from.getType());
  Value to = frame.buffers[function.getNumArguments() + copy.output];
  Value from = pointerTo(frame, copy.from);
  unlessSame(to, from, [&] {
    LLVM::MemcpyOp::create(builder, location, to, from, bytes, /*isVolatile=*/false);
  });
}

/// Notes, of what the function requires, the first that does not hold. The steps run all the same,
/// so that all memory has values; what is noted ends loops, and the call with an error.
void PlanEmitter::emitRequirements(Frame &frame) {
  for (const auto &[size, error] : requirementsOf(function)) {
    Value isRefused =
        LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::slt,
                             size ? frame.sizes.size(*size) : constant(-1), constant(0));
    std::string name = "weft.refusal_" + std::to_string(model.refusals++);
    // A line without the name of a kernel before it.
    std::string text = "\n" + error.str() + '\0';
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToEnd(module.getBody());
      auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), text.size());
      LLVM::GlobalOp::create(builder, location, type, /*isConstant=*/true, LLVM::Linkage::Internal,
                             name, builder.getStringAttr(text));
    }
    scf::IfOp::create(builder, location, isRefused, [&](OpBuilder &, Location) {
      LLVM::CallOp::create(builder, location, abi.refuse(),
                           ValueRange{frame.context, addressOf(name)});
      scf::YieldOp::create(builder, location);
    });
  }
}

void PlanEmitter::emitExecute() {
  auto emitted = begin(nameOf(function.getSymName(), "execute"), abi.nothing,
                       {abi.pointer, abi.pointer, abi.pointer, abi.pointer}, false);
  Frame frame = openFrame(emitted.getArgument(0), /*checked=*/false);
  frame.workspace = emitted.getArgument(2);
  frame.context = emitted.getArgument(3);
  planArena(frame);
  int64_t bufferCount = function.getNumArguments() + function.getNumResults();
  for (int64_t i = 0; i < bufferCount; ++i)
    frame.buffers.push_back(load(emitted.getArgument(1), abi.pointer, i));
  emitRequirements(frame);
  for (const PlanStep &step : steps)
    std::visit([&](const auto &kind) { emitStep(frame, kind); }, step);
  LLVM::ReturnOp::create(builder, location, ValueRange());
}

} // namespace weft
