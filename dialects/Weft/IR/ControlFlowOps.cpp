// Control flow: verification.
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace weft {

using Types = SmallVector<Type>;

static Types join(std::initializer_list<TypeRange> parts) {
  Types types;
  for (TypeRange part : parts)
    llvm::append_range(types, part);
  return types;
}

/// Checks what a region takes and yields; `role` is what it is of the op.
static LogicalResult checkRegion(Operation *op, StringRef role, Region &region,
                                 ArrayRef<Type> takes, std::optional<Types> yields) {
  Block &block = region.front();
  if (block.getArgumentTypes() != TypeRange(takes))
    return op->emitOpError() << role << " takes " << block.getArgumentTypes() << ", but is given "
                             << TypeRange(takes);
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return op->emitOpError() << role << " has to end with weft.yield";
  if (yields && yield.getOperandTypes() != TypeRange(*yields))
    return op->emitOpError() << role << " yields " << yield.getOperandTypes() << ", but "
                             << TypeRange(*yields) << " is what goes on";
  return success();
}

static bool isFlag(TypeRange types) {
  auto type = types.size() == 1 ? dyn_cast<RankedTensorType>(types[0]) : RankedTensorType();
  return type && type.getRank() == 0 && type.getElementType().isInteger(1);
}

LogicalResult CaseOp::verify() {
  if (getIndex().getType().getRank() != 0)
    return emitOpError() << "is chosen by " << getIndex().getType()
                         << ", but the number has no dimensions";
  if (getBranches().empty())
    return emitOpError() << "has no branches to choose from";
  for (auto [number, branch] : llvm::enumerate(getBranches()))
    if (failed(checkRegion(*this, "branch #" + std::to_string(number), branch,
                           join({getCaptured().getTypes()}), join({getOutputs().getTypes()}))))
      return failure();
  return success();
}

LogicalResult WhileOp::verify() {
  Types takes = join({getInit().getTypes(), getCaptured().getTypes()});
  Types carried = join({getInit().getTypes()});
  if (getOutputs().getTypes() != TypeRange(carried))
    return emitOpError() << "has results " << getOutputs().getTypes() << ", but carries "
                         << TypeRange(carried);
  if (failed(checkRegion(*this, "the condition", getCondition(), takes, std::nullopt)) ||
      failed(checkRegion(*this, "the body", getBody(), takes, carried)))
    return failure();
  TypeRange condition = getCondition().front().back().getOperandTypes();
  if (!isFlag(condition))
    return emitOpError() << "the condition yields " << condition << ", but has to yield tensor<i1>";
  return success();
}

/// The slices of stacked tensors; fails, with an error, where one does not have `count` of them.
static LogicalResult addSlices(Operation *op, TypeRange stacked, int64_t count, Types &types) {
  for (Type type : stacked) {
    auto tensor = cast<RankedTensorType>(type);
    if (tensor.getRank() == 0 || (tensor.getDimSize(0) != count && !tensor.isDynamicDim(0)))
      return op->emitOpError() << "has " << textOfSize(count) << " iterations, but " << type
                               << " has no such number of slices";
    auto encoding = dyn_cast_or_null<ShapeAttr>(tensor.getEncoding());
    Attribute rest;
    if (encoding && !tensor.getShape().drop_front().empty() &&
        llvm::is_contained(tensor.getShape().drop_front(), ShapedType::kDynamic))
      rest = ShapeAttr::get(op->getContext(), encoding.getSizes().drop_front());
    types.push_back(
        RankedTensorType::get(tensor.getShape().drop_front(), tensor.getElementType(), rest));
  }
  return success();
}

LogicalResult ScanOp::verify() {
  if (getCount().size() != 1)
    return emitOpError() << "has " << getCount().size() << " numbers of iterations, not one";
  if (getOutputs().size() < getInit().size() || getCarried().getTypes() != getInit().getTypes())
    return emitOpError() << "has results " << getOutputs().getTypes() << ", but carries "
                         << getInit().getTypes();
  Types takes = join({getInit().getTypes()}), yields = takes;
  if (failed(addSlices(*this, getScanned().getTypes(), getCount()[0], takes)) ||
      failed(addSlices(*this, getStacked().getTypes(), getCount()[0], yields)))
    return failure();
  llvm::append_range(takes, getCaptured().getTypes());
  return checkRegion(*this, "the body", getBody(), takes, yields);
}

//===----------------------------------------------------------------------===//
// Functions with derivatives of their own
//===----------------------------------------------------------------------===//

/// Those that have a derivative: floating and complex ones.
static Types inexact(TypeRange types) {
  Types chosen;
  llvm::copy_if(types, std::back_inserter(chosen),
                [](Type type) { return isa<FloatType, ComplexType>(getElementTypeOrSelf(type)); });
  return chosen;
}

LogicalResult CheckpointOp::verify() {
  constexpr StringLiteral known[] = {"everything", "contractions", "unbatched_contractions",
                                     "names",      "other_names",  "all_but_names"};
  if (std::optional<StringRef> saves = getSaves(); saves && !llvm::is_contained(known, *saves))
    return emitOpError() << "saves \"" << *saves << "\", which is no policy";
  if (auto budget = static_cast<int64_t>(getBudget().value_or(0)); budget < 0)
    return emitOpError() << "has a budget of " << budget << " bytes";
  return checkRegion(*this, "the body", getBody(), join({getCaptured().getTypes()}),
                     join({getOutputs().getTypes()}));
}

LogicalResult CustomDerivativeOp::verify() {
  if (getRules().size() > 2)
    return emitOpError() << "has " << getRules().size()
                         << " rules; there is one along tangents, or a forward and a backward one";
  TypeRange inputs = getInputs().getTypes(), captured = getCaptured().getTypes();
  TypeRange outputs = getOutputs().getTypes();
  Types takes = join({inputs, captured}), gives = join({outputs});
  if (failed(checkRegion(*this, "the body", getBody(), takes, gives)))
    return failure();
  if (getRules().empty())
    return success();
  if (isAlongTangents())
    return checkRegion(*this, "the rule along tangents", getRules()[0],
                       join({inputs, inexact(inputs), captured}),
                       join({outputs, inexact(outputs)}));
  if (failed(checkRegion(*this, "the forward pass", getRules()[0], takes, std::nullopt)))
    return failure();
  TypeRange made = getRules()[0].front().back().getOperandTypes();
  if (made.size() < outputs.size() || made.take_front(outputs.size()) != outputs)
    return emitOpError() << "the forward pass yields " << made << ", but begins with " << outputs;
  return checkRegion(*this, "the backward pass", getRules()[1],
                     join({made.drop_front(outputs.size()), inexact(outputs), captured}),
                     inexact(inputs));
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Checks that there is a function of these types.
static LogicalResult checkFunction(Operation *op, SymbolTableCollection &symbols,
                                   FlatSymbolRefAttr name, ArrayRef<Type> takes,
                                   std::optional<Types> gives) {
  auto function = symbols.lookupNearestSymbolFrom<func::FuncOp>(op, name);
  if (!function)
    return op->emitOpError() << "there is no function " << name;
  if (TypeRange(function.getArgumentTypes()) != TypeRange(takes) ||
      (gives && TypeRange(function.getResultTypes()) != TypeRange(*gives)))
    return op->emitOpError() << name << " takes " << TypeRange(function.getArgumentTypes())
                             << " and gives " << TypeRange(function.getResultTypes())
                             << ", which does not fit " << TypeRange(takes) << " here";
  return success();
}

LogicalResult BranchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (getFunctions().empty())
    return emitOpError() << "has no functions to choose from";
  for (auto name : getFunctions().getAsRange<FlatSymbolRefAttr>())
    if (failed(checkFunction(*this, symbols, name, join({getInputs().getTypes()}),
                             join({getOutputs().getTypes()}))))
      return failure();
  return success();
}

LogicalResult LoopOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (getConditionAttr() ? getCountAttr() || !getScanned().empty() : !getCountAttr())
    return emitOpError() << "goes on by a condition, or has a count; slices need a count";
  if (getOutputs().size() < getInit().size())
    return emitOpError() << "carries more than it gives";
  Types takes = join({getInit().getTypes()}), gives = takes;
  if (auto count = getCount())
    if (count->size() != 1 ||
        failed(addSlices(*this, getScanned().getTypes(), (*count)[0], takes)) ||
        failed(addSlices(*this, getOutputs().drop_front(getInit().size()).getTypes(), (*count)[0],
                         gives)))
      return failure();
  llvm::append_range(takes, getCaptured().getTypes());
  if (getConditionAttr() &&
      failed(checkFunction(*this, symbols, getConditionAttr(), takes, std::nullopt)))
    return failure();
  return checkFunction(*this, symbols, getBodyAttr(), takes, gives);
}

} // namespace weft
