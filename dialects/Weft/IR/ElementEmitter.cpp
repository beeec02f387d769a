// Arithmetic on the indices of a vector of elements.
#include "dialects/Weft/IR/ElementEmitter.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/IR/LaunchNumbers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace weft {

Value ElementEmitter::constantIndex(int64_t value) {
  return arith::ConstantIndexOp::create(builder(), location(), value);
}

Value ElementEmitter::sum(Value x, Value y) {
  return arith::AddIOp::create(builder(), location(), x, y);
}

Value ElementEmitter::multiple(Value x, int64_t factor) {
  return arith::MulIOp::create(builder(), location(), x, constantIndex(factor));
}

Value ElementEmitter::numberIndex(int64_t number) {
  return isFromLaunch(number) ? launchParameter(parameterOf(number)) : constantIndex(number);
}

Type ElementEmitter::computeType(Value tensor) {
  Type type = getElementTypeOrSelf(tensor);
  if (isNarrowFloat(type))
    return builder().getF32Type();
  if (auto integer = dyn_cast<IntegerType>(type))
    return builder().getIntegerType(integer.getWidth());
  return type;
}

Value ElementEmitter::constant(Type type, double value) {
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(builder(), location(), builder().getFloatAttr(type, value));
  auto attribute = builder().getIntegerAttr(type, static_cast<int64_t>(value));
  return arith::ConstantOp::create(builder(), location(), attribute);
}

Value ElementEmitter::splat(Value value) {
  if (isa<VectorType>(value.getType()))
    return value;
  auto type = VectorType::get({laneCount()}, value.getType());
  return vector::BroadcastOp::create(builder(), location(), type, value);
}

void ElementEmitter::unify(MutableArrayRef<Value> values) {
  if (llvm::any_of(values, [](Value value) { return isa<VectorType>(value.getType()); }))
    for (Value &value : values)
      value = splat(value);
}

Value ElementEmitter::toInteger(const ElementIndex &index) {
  if (index.lanes)
    return index.lanes;
  Type scalar = builder().getI64Type();
  Value base = arith::IndexCastOp::create(builder(), location(), scalar, index.base);
  if (index.isUniform())
    return base;
  SmallVector<int64_t> offsets;
  for (int64_t lane = 0; lane < laneCount(); ++lane)
    offsets.push_back(lane * index.step);
  Value steps =
      arith::ConstantOp::create(builder(), location(), builder().getI64VectorAttr(offsets));
  return arith::AddIOp::create(builder(), location(), splat(base), steps);
}

ElementIndex ElementEmitter::fromInteger(Value value) {
  if (isa<VectorType>(value.getType()))
    return {Value(), 0, value};
  Type index = builder().getIndexType();
  return {arith::IndexCastOp::create(builder(), location(), index, value)};
}

ElementIndex ElementEmitter::add(const ElementIndex &index, Value value) {
  if (!index.lanes)
    return {sum(index.base, value), index.step};
  Type scalar = builder().getI64Type();
  Value wide = splat(arith::IndexCastOp::create(builder(), location(), scalar, value));
  return {Value(), 0, arith::AddIOp::create(builder(), location(), index.lanes, wide)};
}

ElementIndex ElementEmitter::subtract(const ElementIndex &index, Value value) {
  if (!index.lanes)
    return {arith::SubIOp::create(builder(), location(), index.base, value), index.step};
  return add(index, arith::SubIOp::create(builder(), location(), constantIndex(0), value));
}

Value ElementEmitter::isWithin(const ElementIndex &index, Value size) {
  auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) -> Value {
    return arith::CmpIOp::create(builder(), location(), predicate, x, y);
  };
  Type wide = builder().getI64Type();
  Value values[] = {toInteger(index), constant(wide, 0),
                    arith::IndexCastOp::create(builder(), location(), wide, size)};
  unify(values);
  return arith::AndIOp::create(builder(), location(),
                               compare(arith::CmpIPredicate::sge, values[0], values[1]),
                               compare(arith::CmpIPredicate::slt, values[0], values[2]));
}

Value ElementEmitter::elementWithin(Value tensor, ArrayRef<ElementIndex> indices,
                                    ArrayRef<unsigned> checked, Value otherwise) {
  Value all;
  for (unsigned d : checked) {
    Value values[] = {isWithin(indices[d], size(tensor, d)), all};
    if (all) {
      unify(values);
      values[0] = arith::AndIOp::create(builder(), location(), values[0], values[1]);
    }
    all = values[0];
  }
  auto read = [&] { return element(tensor, indices); };
  return all ? guarded(all, otherwise, read) : read();
}

ElementIndex ElementEmitter::multiply(const ElementIndex &index, int64_t factor) {
  if (factor == 1)
    return index;
  if (isFromLaunch(factor)) {
    Value distance = launchParameter(parameterOf(factor));
    if (index.isUniform())
      return {arith::MulIOp::create(builder(), location(), index.base, distance)};
    Value wide =
        arith::IndexCastOp::create(builder(), location(), builder().getI64Type(), distance);
    return {Value(), 0,
            arith::MulIOp::create(builder(), location(), toInteger(index), splat(wide))};
  }
  if (!index.lanes)
    return {multiple(index.base, factor), index.step * factor};
  Value scale = splat(constant(builder().getI64Type(), factor));
  return {Value(), 0, arith::MulIOp::create(builder(), location(), index.lanes, scale)};
}

} // namespace weft
