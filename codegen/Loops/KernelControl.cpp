// Index arithmetic and loops of the kernel being emitted.
#include "codegen/Loops/KernelEmitter.h"

using namespace mlir;

namespace weft {

static std::optional<int64_t> constantOf(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantIndexOp>();
  return constant ? std::optional<int64_t>(constant.value()) : std::nullopt;
}

Value KernelEmitter::addIndex(Value x, Value y) {
  if (constantOf(x) == 0)
    return y;
  return constantOf(y) == 0 ? x : arith::AddIOp::create(current, location(), x, y);
}

Value KernelEmitter::subtractIndex(Value x, Value y) {
  return constantOf(y) == 0 ? x : arith::SubIOp::create(current, location(), x, y);
}

Value KernelEmitter::multiplyIndex(Value x, Value y) {
  if (constantOf(x) && constantOf(y))
    return index(*constantOf(x) * *constantOf(y));
  if (constantOf(x) == 1)
    return y;
  return constantOf(y) == 1 ? x : arith::MulIOp::create(current, location(), x, y);
}

Value KernelEmitter::divideIndex(Value x, Value y) {
  return constantOf(y) == 1 ? x : arith::DivUIOp::create(current, location(), x, y);
}

Value KernelEmitter::remainderIndex(Value x, Value y) {
  return arith::RemUIOp::create(current, location(), x, y);
}

Value KernelEmitter::minimumIndex(Value x, Value y) {
  return arith::MinSIOp::create(current, location(), x, y);
}

Value KernelEmitter::maximumIndex(Value x, Value y) {
  return arith::MaxSIOp::create(current, location(), x, y);
}

Value KernelEmitter::ceilDivideIndex(Value x, int64_t y) {
  return y == 1 ? x : divideIndex(addIndex(x, index(y - 1)), index(y));
}

Value KernelEmitter::isLess(Value x, Value y) {
  return arith::CmpIOp::create(current, location(), arith::CmpIPredicate::slt, x, y);
}

SmallVector<Value> KernelEmitter::delinearize(Value linear, ArrayRef<Value> sizes) {
  SmallVector<Value> indices(sizes.size());
  for (size_t d = sizes.size(); d-- > 1;) {
    indices[d] = remainderIndex(linear, sizes[d]);
    linear = divideIndex(linear, sizes[d]);
  }
  if (!sizes.empty())
    indices[0] = linear;
  return indices;
}

SmallVector<Value> KernelEmitter::loop(Value low, Value high, int64_t step, ValueRange carried,
                                       LoopBody body) {
  return loop(low, high, index(step), carried, body);
}

SmallVector<Value> KernelEmitter::loop(Value low, Value high, Value step, ValueRange carried,
                                       LoopBody body) {
  auto loop = scf::ForOp::create(current, location(), low, high, step, carried);
  Block *block = loop.getBody();
  if (carried.empty() && !block->empty())
    block->back().erase();
  current.setInsertionPointToEnd(block);
  scopes.emplace_back();
  SmallVector<Value> results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scopes.pop_back();
  scf::YieldOp::create(current, location(), results);
  current.setInsertionPointAfter(loop);
  return SmallVector<Value>(loop.getResults());
}

void KernelEmitter::loop(Value low, Value high, int64_t step, function_ref<void(Value)> body) {
  loop(low, high, index(step), body);
}

void KernelEmitter::loop(Value low, Value high, Value step, function_ref<void(Value)> body) {
  loop(low, high, step, ValueRange{}, [&](Value position, ValueRange) {
    body(position);
    return SmallVector<Value>{};
  });
}

SmallVector<Value> KernelEmitter::loopWhile(ValueRange carried,
                                            function_ref<Value(ValueRange)> condition,
                                            function_ref<SmallVector<Value>(ValueRange)> body) {
  auto loop = scf::WhileOp::create(
      current, location(), carried.getTypes(), carried,
      [&](OpBuilder &builder, Location, ValueRange values) {
        OpBuilder::InsertionGuard guard(current);
        current.restoreInsertionPoint(builder.saveInsertionPoint());
        scopes.emplace_back();
        Value goesOn = condition(values);
        scopes.pop_back();
        scf::ConditionOp::create(current, location(), goesOn, values);
      },
      [&](OpBuilder &builder, Location, ValueRange values) {
        OpBuilder::InsertionGuard guard(current);
        current.restoreInsertionPoint(builder.saveInsertionPoint());
        scopes.emplace_back();
        SmallVector<Value> results = body(values);
        scopes.pop_back();
        scf::YieldOp::create(current, location(), results);
      });
  return SmallVector<Value>(loop.getResults());
}

void KernelEmitter::ifTrue(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(current, location(), condition, /*withElseRegion=*/false);
  current.setInsertionPoint(branch.thenBlock()->getTerminator());
  scopes.emplace_back();
  body();
  scopes.pop_back();
  current.setInsertionPointAfter(branch);
}

SmallVector<Value> KernelEmitter::ifTrue(Value condition, ValueRange otherwise,
                                         function_ref<SmallVector<Value>()> body) {
  auto branch = scf::IfOp::create(current, location(), otherwise.getTypes(), condition,
                                  /*withElseRegion=*/true);
  current.setInsertionPointToEnd(branch.thenBlock());
  scopes.emplace_back();
  SmallVector<Value> results = body();
  scopes.pop_back();
  scf::YieldOp::create(current, location(), results);
  current.setInsertionPointToEnd(branch.elseBlock());
  scf::YieldOp::create(current, location(), otherwise);
  current.setInsertionPointAfter(branch);
  return SmallVector<Value>(branch.getResults());
}

void KernelEmitter::withMask(Value mask, function_ref<void()> body) {
  Value outer = laneMask;
  laneMask = mask;
  scopes.emplace_back();
  body();
  scopes.pop_back();
  laneMask = outer;
}

Value KernelEmitter::lanesBelow(Value count) {
  auto numbers = llvm::to_vector(llvm::seq<int32_t>(0, laneCount()));
  Value lanes = arith::ConstantOp::create(current, location(), current.getI32VectorAttr(numbers));
  Value limit = arith::IndexCastOp::create(current, location(), current.getI32Type(), count);
  return arith::CmpIOp::create(current, location(), arith::CmpIPredicate::slt, lanes, splat(limit));
}

SmallVector<Value> KernelEmitter::vectorLoop(Value low, Value high, ValueRange carried,
                                             LoopBody body) {
  Value whole = divideIndex(subtractIndex(high, low), index(laneCount()));
  Value middle = addIndex(low, multiplyIndex(whole, index(laneCount())));
  SmallVector<Value> values = loop(low, middle, laneCount(), carried, body);
  // A loop of at most one step, so that the carried values pass through.
  return loop(middle, high, laneCount(), values, [&](Value position, ValueRange inner) {
    SmallVector<Value> results;
    withMask(lanesBelow(subtractIndex(high, position)), [&] { results = body(position, inner); });
    return results;
  });
}

void KernelEmitter::vectorLoop(Value low, Value high, function_ref<void(Value)> body) {
  vectorLoop(low, high, ValueRange{}, [&](Value position, ValueRange) {
    body(position);
    return SmallVector<Value>{};
  });
}

} // namespace weft
