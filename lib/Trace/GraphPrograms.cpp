// Building users' programs over blocks.
#include "lib/Trace/Graph.h"

#include "dialects/Weft/IR/Program.h"
#include "lib/Support/Error.h"

using namespace mlir;
using namespace weft;

ValueId Graph::programNumber(llvm::StringRef what, int64_t first, int64_t second,
                             Location location) {
  RankedTensorType type = tensorType(DType::Int64, {});
  if (what == "id")
    return record(ProgramIdOp::create(builder, location, type, uint64_t(first)), false);
  if (what == "count")
    return record(ProgramCountOp::create(builder, location, type, uint64_t(first)), false);
  return record(ProgramSizeOp::create(builder, location, type, uint64_t(first), uint64_t(second)),
                false);
}

ValueId Graph::programLoad(const BlockAccess &access, DType dtype, llvm::ArrayRef<int64_t> shape,
                           Location location) {
  requirePresent(access.indices, "load");
  Value mask = access.mask ? values[*access.mask].value : Value();
  Value other = access.other ? values[*access.other].value : Value();
  Value block =
      ProgramLoadOp::create(builder, location, tensorType(dtype, shape), uint64_t(access.number),
                            access.site, select(access.indices), mask, other);
  checkLength();
  return record(block, false);
}

ValueId Graph::programStore(ValueId state, ValueId value, const BlockAccess &access,
                            llvm::StringRef combine, Location location) {
  requirePresent({state, value}, "store");
  requirePresent(access.indices, "store");
  Value mask = access.mask ? values[*access.mask].value : Value();
  Value next = ProgramStoreOp::create(
      builder, location, tensorType(DType::Int64, {}), values[state].value, values[value].value,
      uint64_t(access.number), access.site, select(access.indices), mask,
      combine.empty() ? StringAttr() : builder.getStringAttr(combine));
  checkLength();
  return record(next, false);
}

llvm::SmallVector<ValueId> Graph::program(const ProgramCall &call, llvm::ArrayRef<ValueId> inputs,
                                          Location location) {
  requirePresent(inputs, call.name);
  if (!capture(1).empty())
    throw Error(Error::Kind::Unsupported,
                "kernel " + call.name + " reads a tensor from outside; pass it as an argument");
  Operation *yield = &endedRegions.back()->front().back();
  builder.setInsertionPoint(yield);
  ProgramEndOp::create(builder, yield->getLoc(), yield->getOperand(0));
  yield->erase();
  builder.setInsertionPointToEnd(block);
  llvm::SmallVector<Type> types;
  for (const auto &[dtype, shape] : call.results)
    types.push_back(tensorType(dtype, shape));
  OperationState state(location, ProgramOp::getOperationName());
  ProgramOp::build(builder, state, types, select(inputs), call.name, call.grid, call.initial);
  if (call.isChecked)
    state.addAttribute("checked", builder.getUnitAttr());
  state.regions.clear();
  return takeRegions(state, 1);
}
