// Regions of control flow under construction.
//
// A region is built beside the function and may read its values. The op that takes it has no free
// variables: what its regions read of around becomes an operand, and an argument of each.
#include "lib/Trace/Graph.h"

#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace weft;

llvm::SmallVector<ValueId> Graph::beginRegion(llvm::ArrayRef<std::pair<DType, Shape>> types) {
  openRegions.push_back({std::make_unique<Region>(), block, lastCounted, values.size()});
  block = &openRegions.back().region->emplaceBlock();
  lastCounted = nullptr;
  builder.setInsertionPointToEnd(block);
  llvm::SmallVector<ValueId> arguments;
  for (const auto &[dtype, shape] : types)
    arguments.push_back(
        record(block->addArgument(tensorType(dtype, shape), builder.getUnknownLoc()), false));
  return arguments;
}

std::unique_ptr<Region> Graph::leaveRegion() {
  OpenRegion open = std::move(openRegions.back());
  openRegions.pop_back();
  for (size_t id = open.firstValue; id < values.size(); ++id)
    if (values[id].value.getParentRegion() == open.region.get() && values[id].gone == Gone::No)
      values[id].gone = Gone::Region;
  block = open.around;
  lastCounted = open.lastCounted;
  builder.setInsertionPointToEnd(block);
  return std::move(open.region);
}

void Graph::endRegion(llvm::ArrayRef<ValueId> results) {
  requirePresent(results, "control flow");
  YieldOp::create(builder, builder.getUnknownLoc(), select(results));
  endedRegions.push_back(leaveRegion());
}

void Graph::dropRegion() { droppedRegions.push_back(leaveRegion()); }

void Graph::dropEndedRegions(size_t ended) {
  for (; ended > 0 && !endedRegions.empty(); --ended) {
    droppedRegions.push_back(std::move(endedRegions.back()));
    endedRegions.pop_back();
  }
}

void Graph::handOn(ValueId former, llvm::ArrayRef<std::optional<ValueId>> next,
                   llvm::ArrayRef<bool> yields, std::optional<size_t> argument, size_t yield) {
  Value before = values[former].value;
  auto regions = llvm::MutableArrayRef(endedRegions).take_back(next.size());
  for (auto [region, made, isYielded] : llvm::zip_equal(regions, next, yields)) {
    Block &body = region->front();
    Value own = before;
    if (argument)
      own = body.insertArgument(unsigned(*argument), before.getType(), before.getLoc());
    Operation *end = &body.back();
    if (isYielded)
      end->insertOperands(unsigned(yield), made ? values[*made].value : own);
    for (Operation &op : body)
      op.replaceUsesOfWith(before, own);
  }
}

llvm::SmallVector<Value> Graph::capture(size_t count) {
  auto regions = llvm::MutableArrayRef(endedRegions).take_back(count);
  // Regions in the region have captured already.
  auto forEachCapture = [&](Block &body, llvm::function_ref<void(OpOperand &)> visit) {
    for (Operation &op : body)
      for (OpOperand &operand : op.getOpOperands())
        if (operand.get().getParentBlock() != &body)
          visit(operand);
  };
  llvm::SetVector<Value> captured;
  for (auto &region : regions)
    forEachCapture(region->front(), [&](OpOperand &operand) { captured.insert(operand.get()); });
  for (auto &region : regions) {
    llvm::DenseMap<Value, Value> arguments;
    for (Value value : captured)
      arguments[value] = region->addArgument(value.getType(), value.getLoc());
    forEachCapture(region->front(),
                   [&](OpOperand &operand) { operand.set(arguments.at(operand.get())); });
  }
  return captured.takeVector();
}

llvm::SmallVector<ValueId> Graph::takeRegions(OperationState &state, size_t count) {
  for (size_t number = endedRegions.size() - count; number < endedRegions.size(); ++number)
    state.addRegion(std::move(endedRegions[number]));
  endedRegions.resize(endedRegions.size() - count);
  Operation *op = builder.create(state);
  checkLength();
  llvm::SmallVector<ValueId> results;
  for (Value result : op->getResults())
    results.push_back(record(result, false));
  return results;
}

llvm::SmallVector<ValueId> Graph::scan(llvm::ArrayRef<ValueId> init,
                                       llvm::ArrayRef<ValueId> scanned, int64_t count, bool reverse,
                                       Location location) {
  requirePresent(init, "scan");
  requirePresent(scanned, "scan");
  llvm::SmallVector<Value> captured = capture(1);
  llvm::SmallVector<Type> types;
  Block &body = endedRegions.back()->front();
  for (auto [number, type] : llvm::enumerate(body.back().getOperandTypes()))
    types.push_back(number < init.size() ? type : stackedType(cast<RankedTensorType>(type), count));
  OperationState state(location, ScanOp::getOperationName());
  ScanOp::build(builder, state, types, select(init), select(scanned), captured,
                llvm::ArrayRef(count), reverse);
  state.regions.clear();
  return takeRegions(state, 1);
}

llvm::SmallVector<ValueId> Graph::whileLoop(llvm::ArrayRef<ValueId> init, Location location) {
  requirePresent(init, "while_loop");
  llvm::SmallVector<Value> captured = capture(2), first = select(init);
  OperationState state(location, WhileOp::getOperationName());
  WhileOp::build(builder, state, TypeRange(ValueRange(first)), first, captured);
  state.regions.clear();
  return takeRegions(state, 2);
}

llvm::SmallVector<ValueId> Graph::choose(ValueId index, size_t branches, Location location) {
  requirePresent(index, "cond");
  llvm::SmallVector<Value> captured = capture(branches);
  TypeRange types = endedRegions.back()->front().back().getOperandTypes();
  llvm::SmallVector<Type> results(types);
  OperationState state(location, CaseOp::getOperationName());
  CaseOp::build(builder, state, results, values[index].value, captured, /*branchesCount=*/0);
  state.regions.clear();
  return takeRegions(state, branches);
}

llvm::SmallVector<ValueId> Graph::checkpoint(llvm::StringRef saves,
                                             llvm::ArrayRef<std::string> names, int64_t budget,
                                             Location location) {
  llvm::SmallVector<Value> captured = capture(1);
  llvm::SmallVector<Type> types(endedRegions.back()->front().back().getOperandTypes());
  llvm::SmallVector<llvm::StringRef> words(names.begin(), names.end());
  OperationState state(location, CheckpointOp::getOperationName());
  CheckpointOp::build(builder, state, types, captured,
                      saves.empty() ? StringAttr() : builder.getStringAttr(saves),
                      words.empty() ? ArrayAttr() : builder.getStrArrayAttr(words),
                      budget < 0 ? IntegerAttr() : builder.getI64IntegerAttr(budget));
  state.regions.clear();
  return takeRegions(state, 1);
}

llvm::SmallVector<ValueId> Graph::customDerivative(llvm::StringRef name,
                                                   llvm::ArrayRef<ValueId> inputs, size_t rules,
                                                   Location location) {
  requirePresent(inputs, name);
  llvm::SmallVector<Value> captured = capture(1 + rules);
  Region &body = *endedRegions[endedRegions.size() - 1 - rules];
  llvm::SmallVector<Type> types(body.front().back().getOperandTypes());
  OperationState state(location, CustomDerivativeOp::getOperationName());
  CustomDerivativeOp::build(builder, state, types, name, select(inputs), captured,
                            static_cast<unsigned>(rules));
  state.regions.clear();
  return takeRegions(state, 1 + rules);
}
