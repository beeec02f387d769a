// Linear functions cut out of a function under construction, and what its examples ask of others.
#include "lib/Trace/Graph.h"

#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/Error.h"
#include "lib/Trace/GraphCollectives.h"

using namespace mlir;
using namespace weft;

Graph::LinearPart Graph::cut(llvm::StringRef what, BuildLinear build) {
  llvm::DenseMap<Value, Value> replaced;
  OwningOpRef<ModuleOp> function;
  size_t before = block->getOperations().size(), counted = length;
  llvm::SmallVector<Value> kept = built(what, [&]() -> FailureOr<llvm::SmallVector<Value>> {
    FailureOr<LinearFunction> made = build(replaced);
    if (failed(made))
      return failure();
    function = std::move(made->module); // NOLINT(bugprone-unchecked-optional-access)
    return std::move(made->kept);       // NOLINT(bugprone-unchecked-optional-access)
  });
  if (hasCollectives(*function))
    throw Error(Error::Kind::Unsupported,
                what.str() + ": what several processes compute together can't be part of a linear "
                             "function that is called later; use weft.jvp or weft.vjp");
  // Some are built between ops that are counted already.
  length =
      counted + block->getOperations().size() - std::min(before, block->getOperations().size());
  lastCounted = block->empty() ? nullptr : &block->back();
  LinearPart part{std::move(function), {}};
  for (std::optional<ValueId> id : recordAll(kept, replaced))
    part.kept.push_back(*id); // NOLINT(bugprone-unchecked-optional-access): all are there
  return part;
}

Graph::LinearPart Graph::linearized(llvm::ArrayRef<ValueId> outputs,
                                    llvm::ArrayRef<ValueId> inputs) {
  requirePresent(outputs, "linearize");
  return cut("linearize", [&](llvm::DenseMap<Value, Value> &replaced) {
    return buildLinearized(builder, select(outputs), select(inputs), replaced);
  });
}

Graph::LinearPart Graph::transposed(llvm::ArrayRef<ValueId> outputs,
                                    llvm::ArrayRef<ValueId> inputs) {
  requirePresent(outputs, "linear_transpose");
  return cut("linear_transpose", [&](llvm::DenseMap<Value, Value> &replaced) {
    return buildTransposedFunction(builder, select(outputs), select(inputs), replaced);
  });
}

ValueId Graph::named(ValueId value, llvm::StringRef name, Location location) {
  requirePresent(value, "checkpoint_name");
  Value source = values[value].value;
  return record(
      BarrierOp::create(builder, location, source.getType(), source, builder.getStringAttr(name)),
      isWeak(value));
}

ValueId Graph::sumOfExamples(ValueId value, ValueId index, Location location) {
  requirePresent({value, index}, "psum");
  Value x = values[value].value;
  return record(SumExamplesOp::create(builder, location, x.getType(), x, values[index].value),
                false);
}

ValueId Graph::gatherOfExamples(ValueId value, ValueId index, int64_t count, Location location) {
  requirePresent({value, index}, "all_gather");
  Value x = values[value].value;
  Type type = stackedType(llvm::cast<RankedTensorType>(x.getType()), count);
  return record(GatherExamplesOp::create(builder, location, type, x, values[index].value), false);
}
