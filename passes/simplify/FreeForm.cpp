// Values that can be had in another arrangement without moving data: as views, or by
// weft.broadcast.
#include "passes/simplify/FreeForm.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

Attribute splatElement(Value value) {
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return {};
  if (auto elements = dyn_cast<SplatElementsAttr>(constant))
    return elements.getSplatValue<Attribute>();
  return dyn_cast<SymbolicSizeAttr>(constant);
}

Value FreeForm::build(OpBuilder &builder, Location location) const {
  if (existing)
    return existing;
  if (viewed)
    return ReshapeOp::create(builder, location, type, viewed);
  if (element)
    return createFilled(builder, location, type, element);
  return BroadcastOp::create(builder, location, type, BroadcastOp(broadcast).getX(), dimensions);
}

Operation *rebuildOver(Operation *op, ArrayRef<int64_t> shape, OpBuilder &builder,
                       function_ref<std::optional<FreeForm>(Value)> formOf) {
  std::vector<FreeForm> forms;
  for (Value operand : op->getOperands()) {
    auto form = formOf(operand);
    if (!form)
      return nullptr;
    forms.push_back(*form);
  }
  SmallVector<Value> operands;
  for (const FreeForm &form : forms)
    operands.push_back(form.build(builder, op->getLoc()));
  return rebuild(builder, op, operands, withShape(op->getResult(0).getType(), shape));
}

} // namespace weft
