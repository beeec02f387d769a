// Emits loops and branches, whose walk is in lib/Runtime/artifact/steps.c.
#include "codegen/CPU/PlanEmitter.h"
#include "codegen/CPU/PlanFrame.h"

using namespace mlir;

namespace weft {

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// What the function needs that needs most; the frame notes an error.
Value PlanEmitter::nestedBytes(Frame &frame, ArrayRef<Attribute> functions) {
  Value most = constant(0);
  for (Attribute function : functions) {
    std::string name = nameOf(cast<FlatSymbolRefAttr>(function).getValue(), "workspace");
    auto call = LLVM::CallOp::create(builder, location, TypeRange(abi.i64), name,
                                     ValueRange(frame.symbols));
    frame.worst = frame.sizes.minimum(frame.worst ? frame.worst : constant(0), call.getResult());
    most = frame.sizes.maximum(most, call.getResult());
  }
  return most;
}

/// The condition's byte, then the second buffers of carried values that are exchanged, then the
/// memory of the functions: for each, how far from the first it is. The last one is that of the
/// functions.
SmallVector<Value> PlanEmitter::spareOffsets(SizeEmitter &sizes, LoopOp loop,
                                             ArrayRef<CarryKind> kinds) {
  Value next = constant(64);
  SmallVector<Value> offsets;
  for (auto [kind, value] : llvm::zip_equal(kinds, loop.getInit())) {
    offsets.push_back(next);
    if (kind == CarryKind::Exchanged)
      next = sizes.add(next, sizes.align(bytesOf(sizes, value.getType())));
  }
  offsets.push_back(next);
  return offsets;
}

Value PlanEmitter::stepBytes(Frame &frame, const LoopStep &step) {
  LoopOp loop = step.loop;
  SmallVector<Attribute> functions{loop.getBodyAttr()};
  if (FlatSymbolRefAttr condition = loop.getConditionAttr())
    functions.push_back(condition);
  SmallVector<CarryKind> kinds = carryKinds(loop, model.symbolTable, /*isOnDevice=*/false);
  Value own = spareOffsets(frame.sizes, loop, kinds).back();
  return frame.sizes.add(own, nestedBytes(frame, functions));
}

Value PlanEmitter::stepBytes(Frame &frame, const BranchStep &step) {
  return nestedBytes(frame, BranchOp(step.branch).getFunctions().getValue());
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Of what is given, and of the buffers of the functions.
int64_t PlanEmitter::addressCount(LoopOp loop) {
  int64_t carries = loop.getInit().size(), scanned = loop.getScanned().size();
  int64_t stacked = loop.getNumResults() - carries, captured = loop.getCaptured().size();
  return 6 * carries + 2 * (scanned + stacked) + 3 * captured + 2;
}

/// `shape` of weft_model_loop.
Value PlanEmitter::loopShape(LoopOp loop, ArrayRef<CarryKind> kinds) {
  int64_t carries = loop.getInit().size();
  SmallVector<int64_t> numbers{carries, static_cast<int64_t>(loop.getScanned().size()),
                               loop.getNumResults() - carries,
                               static_cast<int64_t>(loop.getCaptured().size()), loop.getReverse()};
  for (CarryKind kind : kinds)
    numbers.push_back(static_cast<int64_t>(kind));
  return globalNumbers("weft.loop_" + std::to_string(model.loops++), numbers);
}

void PlanEmitter::emitStep(Frame &frame, const LoopStep &step) {
  LoopOp loop = step.loop;
  size_t carries = loop.getInit().size();
  SmallVector<CarryKind> kinds = carryKinds(loop, model.symbolTable, /*isOnDevice=*/false);
  SmallVector<Value> offsets = spareOffsets(frame.sizes, loop, kinds);
  Value scratch = byteAddress(frame.workspace, frame.planned);
  int64_t position = 0, number = 0;
  auto give = [&](Value address) { store(address, frame.pointers, position++); };
  auto measure = [&](Type type) { store(bytesOf(frame.sizes, type), frame.sizeList, number++); };
  for (size_t carry = 0; carry < carries; ++carry) {
    give(pointerTo(frame, loop.getInit()[carry]));
    give(pointerTo(frame, loop.getResult(carry)));
    give(byteAddress(scratch, offsets[carry]));
    measure(loop.getInit()[carry].getType());
  }
  auto body = model.symbolTable.lookup<func::FuncOp>(loop.getBody());
  for (auto [slice, value] : llvm::enumerate(loop.getScanned())) {
    give(pointerTo(frame, value));
    measure(body.getArgumentTypes()[carries + slice]);
  }
  for (OpResult stacked : loop->getResults().drop_front(carries)) {
    give(pointerTo(frame, stacked));
    measure(body.getResultTypes()[stacked.getResultNumber()]);
  }
  for (Value captured : loop.getCaptured())
    give(pointerTo(frame, captured));
  give(scratch);
  FlatSymbolRefAttr condition = loop.getConditionAttr();
  ShapeAttr counted = loop.getCountAttr();
  Value count = counted ? frame.sizes.size(counted.getSizes().front()) : constant(0);
  LLVM::CallOp::create(
      builder, location, abi.loop(),
      ValueRange{frame.context, frame.symbols, addressOf(nameOf(loop.getBody(), "execute")),
                 condition ? addressOf(nameOf(condition.getValue(), "execute")) : none(),
                 loopShape(loop, kinds), count, frame.sizeList, frame.pointers,
                 byteAddress(scratch, offsets.back())});
}

void PlanEmitter::emitStep(Frame &frame, const BranchStep &step) {
  BranchOp branch = step.branch;
  int64_t position = 0;
  for (Value value : branch.getInputs())
    store(pointerTo(frame, value), frame.pointers, position++);
  for (Value value : branch.getOutputs())
    store(pointerTo(frame, value), frame.pointers, position++);
  SmallVector<std::string> names;
  for (auto function : branch.getFunctions().getAsRange<FlatSymbolRefAttr>())
    names.push_back(nameOf(function.getValue(), "execute"));
  Value plans = globalAddresses("weft.branch_" + std::to_string(model.branches++), names);
  LLVM::CallOp::create(builder, location, abi.branch(),
                       ValueRange{frame.context, frame.symbols, plans, constant(names.size()),
                                  pointerTo(frame, branch.getIndex()), frame.pointers,
                                  byteAddress(frame.workspace, frame.planned)});
}

} // namespace weft
