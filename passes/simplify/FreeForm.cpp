// Values that can be had in another arrangement without moving data.
#include "passes/simplify/FreeForm.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

Attribute splatElement(Value value) {
  DenseElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant)) && constant.isSplat())
    return constant.getSplatValue<Attribute>();
  return {};
}

Value FreeForm::build(OpBuilder &builder, Location location) const {
  if (existing)
    return existing;
  if (viewed)
    return ReshapeOp::create(builder, location, type, viewed);
  if (element)
    return ConstantOp::create(builder, location, type, DenseElementsAttr::get(type, element));
  return BroadcastOp::create(builder, location, type, BroadcastOp(broadcast).getX(), dimensions);
}

} // namespace weft
