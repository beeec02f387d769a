// Stages, threads and memory of the kernel being emitted for a GPU.
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/NVPTX/FaultSiteAttribute.h"
#include "codegen/NVPTX/TensorMapAttribute.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace weft {

/// Buffers are read in pieces of at most so many bytes.
static constexpr int64_t vectorBytes = 16;

GpuEmitter::GpuEmitter(KernelOp kernel, OpBuilder module)
    : KernelEmitter(kernel, module),
      sizeCount(kernel.getSizeCount() + kernel.getParameterCount()) {}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

unsigned GpuEmitter::bufferCount() const {
  KernelOp known = kernel;
  return known.getArgumentTypes().size() + known.getResultTypes().size() + temporaryBytes.size();
}

func::FuncOp GpuEmitter::createStage() {
  MLIRContext *context = kernel.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context);
  SmallVector<Type> types(bufferCount(), pointer);
  types.append(sizeCount + 1, module.getI64Type());
  types.append(shape.tensorMaps.size(), pointer);
  auto function = createFunction("_" + Twine(stageTasks.size()), types);
  function->setAttr("weft.threads", module.getI64IntegerAttr(shape.threads));
  function->setAttr("weft.shared_bytes", module.getI64IntegerAttr(shape.sharedBytes));
  if (!shape.tensorMaps.empty())
    function->setAttr(tensorMapsName, tensorMapsAttribute(context, shape.tensorMaps));
  if (!shape.faultSites.empty())
    function->setAttr(faultSitesName, faultSitesAttribute(context, shape.faultSites));
  // No output is written over an input on the device: what is read never changes, and may go
  // through the read-only cache.
  for (unsigned number = 0; number < bufferCount(); ++number) {
    function.setArgAttr(number, LLVM::LLVMDialect::getNoAliasAttrName(), module.getUnitAttr());
    if (number < kernel.getArgumentTypes().size())
      function.setArgAttr(number, LLVM::LLVMDialect::getReadonlyAttrName(), module.getUnitAttr());
  }
  return function;
}

void GpuEmitter::addStage(StageShape ofStage, std::function<Value()> tasks,
                          function_ref<void(Value)> body) {
  addBlockStage(std::move(ofStage), std::move(tasks),
                [&](TaskRange range) { loop(range.first, range.end, range.step, body); });
}

void GpuEmitter::addBlockStage(StageShape ofStage, std::function<Value()> tasks,
                               function_ref<void(TaskRange)> body) {
  shape = std::move(ofStage);
  stage = createStage();
  stageTasks.push_back(std::move(tasks));
  enter(stage);
  threadNumber = areAligned = nullptr;
  multiples.clear();
  reciprocals.clear();
  Type indexType = current.getIndexType(), word = current.getI32Type();
  auto toIndex = [&](Value value) {
    return atEntry([&]() -> Value {
      return arith::IndexCastOp::create(current, location(), indexType, value);
    });
  };
  auto read = [&](auto create) { return toIndex(atEntry([&]() -> Value { return create(); })); };
  Value count = toIndex(stage.getArgument(bufferCount() + sizeCount));
  Value block =
      read([&]() -> Value { return NVVM::BlockIdXOp::create(current, location(), word); });
  Value blocks =
      read([&]() -> Value { return NVVM::GridDimXOp::create(current, location(), word); });
  threadNumber =
      read([&]() -> Value { return NVVM::ThreadIdXOp::create(current, location(), word); });
  body({block, count, blocks});
  func::ReturnOp::create(current, kernel.getLoc());
  stage = nullptr;
}

Value GpuEmitter::tensorMap(unsigned number) {
  return stage.getArgument(bufferCount() + sizeCount + 1 + number);
}

Value GpuEmitter::readSize(int64_t number) {
  return stage ? stage.getArgument(bufferCount() + number) : KernelEmitter::readSize(number);
}

Value GpuEmitter::readBuffer(unsigned number) { return stage.getArgument(number); }

void GpuEmitter::withLanes(int64_t count, function_ref<void()> body) {
  int64_t outer = std::exchange(lanes, count);
  // Values of another width must not be found again.
  withMask(mask(), body);
  lanes = outer;
}

SmallVector<Value> GpuEmitter::sizesOf(ArrayRef<int64_t> symbols) {
  SmallVector<Value> sizes;
  for (int64_t number : symbols)
    sizes.push_back(symbol(number));
  return sizes;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value GpuEmitter::thread() { return threadNumber; }
Value GpuEmitter::warp() { return divideIndex(thread(), index(warpThreads)); }
Value GpuEmitter::lane() { return remainderIndex(thread(), index(warpThreads)); }

void GpuEmitter::barrier() { NVVM::Barrier0Op::create(current, location()); }

Value GpuEmitter::word(int64_t value) {
  return arith::ConstantIntOp::create(current, location(), value, 32);
}

/// Shuffles move words of 32 bits: other types go through them.
Value GpuEmitter::shuffle(Value value, Value from, bool down) {
  Type type = value.getType(), word = current.getI32Type(), wide = current.getI64Type();
  auto move = [&](Value part) -> Value {
    return NVVM::ShflOp::create(current, location(), part.getType(), this->word(-1), part, from,
                                this->word(31), down ? NVVM::ShflKind::down : NVVM::ShflKind::idx,
                                UnitAttr());
  };
  if (type.isF32() || type.isInteger(32))
    return move(value);
  if (type.isF64())
    return arith::BitcastOp::create(
        current, location(), type,
        shuffle(arith::BitcastOp::create(current, location(), wide, value), from, down));
  if (!type.isInteger(64))
    return arith::TruncIOp::create(current, location(), type,
                                   move(arith::ExtUIOp::create(current, location(), word, value)));
  Value half = arith::ConstantIntOp::create(current, location(), 32, 64);
  Value low = move(arith::TruncIOp::create(current, location(), word, value));
  Value upper = arith::ShRUIOp::create(current, location(), value, half);
  Value high = move(arith::TruncIOp::create(current, location(), word, upper));
  Value shifted = arith::ShLIOp::create(
      current, location(), arith::ExtUIOp::create(current, location(), wide, high), half);
  return arith::OrIOp::create(current, location(), shifted,
                              arith::ExtUIOp::create(current, location(), wide, low));
}

Value GpuEmitter::shuffleDown(Value value, int64_t distance) {
  return shuffle(value, word(distance), /*down=*/true);
}

Value GpuEmitter::shuffleFromFirst(Value value) { return shuffle(value, word(0), /*down=*/false); }

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value GpuEmitter::sharedMemory(int64_t bytes) {
  constexpr llvm::StringLiteral name = "weft_shared";
  constexpr unsigned space = 3;
  // Where the stages are written, which need not be where the kernel stands.
  auto top = stage->getParentOfType<ModuleOp>();
  if (!top.lookupSymbol(name)) {
    OpBuilder builder = OpBuilder::atBlockBegin(top.getBody());
    auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
    LLVM::GlobalOp::create(builder, builder.getUnknownLoc(), type, /*isConstant=*/false,
                           LLVM::Linkage::External, name, Attribute(), /*alignment=*/1024, space);
  }
  auto pointer = LLVM::LLVMPointerType::get(kernel.getContext(), space);
  Value base = LLVM::AddressOfOp::create(current, location(), pointer, name);
  return offset(base, current.getI8Type(), index(bytes));
}

Value GpuEmitter::buffersAreAligned() {
  if (!areAligned)
    areAligned = atEntry([&]() -> Value {
      Type integer = current.getI64Type();
      Value bits;
      for (unsigned number = 0; number < bufferCount(); ++number) {
        Value address =
            LLVM::PtrToIntOp::create(current, location(), integer, stage.getArgument(number));
        bits = bits ? Value(arith::OrIOp::create(current, location(), bits, address)) : address;
      }
      Value low = arith::AndIOp::create(
          current, location(), bits,
          arith::ConstantIntOp::create(current, location(), vectorBytes - 1, 64));
      return arith::CmpIOp::create(current, location(), arith::CmpIPredicate::eq, low,
                                   arith::ConstantIntOp::create(current, location(), 0, 64));
    });
  return areAligned;
}

void GpuEmitter::assumeAligned(ValueRange sizes, int64_t count, function_ref<void()> body) {
  auto outer = multiples;
  bool wasAligned = std::exchange(isAligned, true);
  for (Value size : sizes)
    assumeMultiple(size, count);
  body();
  isAligned = wasAligned;
  multiples = std::move(outer);
}

bool GpuEmitter::isMultiple(Value value, int64_t count) {
  if (auto found = multiples.find(value); found != multiples.end() && found->second % count == 0)
    return true;
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (auto constant = dyn_cast<arith::ConstantIndexOp>(op))
    return constant.value() % count == 0;
  auto isOne = [&](Value operand) { return isMultiple(operand, count); };
  if (isa<arith::MulIOp>(op))
    return llvm::any_of(op->getOperands(), isOne);
  if (isa<arith::SelectOp>(op))
    return llvm::all_of(op->getOperands().drop_front(), isOne);
  return isa<arith::AddIOp, arith::SubIOp, arith::RemUIOp, arith::MinSIOp, arith::MaxSIOp>(op) &&
         llvm::all_of(op->getOperands(), isOne);
}

unsigned GpuEmitter::alignmentOf(Type stored, Value offset, int64_t count) {
  int64_t bytes = std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  if (!isAligned)
    return bytes;
  int64_t wanted = std::min(count * bytes, vectorBytes);
  return isMultiple(offset, wanted / bytes) ? wanted : bytes;
}

//===----------------------------------------------------------------------===//
// Division
//===----------------------------------------------------------------------===//

bool GpuEmitter::dividesInPlace(Value divisor) const {
  return !stage || isa_and_nonnull<arith::ConstantOp>(divisor.getDefiningOp());
}

Value GpuEmitter::divideIndex(Value x, Value y) {
  return dividesInPlace(y) ? KernelEmitter::divideIndex(x, y) : divide(x, y).quotient;
}

Value GpuEmitter::remainderIndex(Value x, Value y) {
  return dividesInPlace(y) ? KernelEmitter::remainderIndex(x, y) : divide(x, y).remainder;
}

/// 1 / `number` (f64) up to an ulp or two: the exponent is negated on the bits, which gives three
/// bits of the result, and each step of Newton's doubles them.
Value GpuEmitter::reciprocal(Value number) {
  constexpr int64_t twiceExponentOfOne = 0x7fde623822fc16e6;
  constexpr int steps = 5;
  Type integer = current.getI64Type(), real = current.getF64Type();
  Value bits = arith::BitcastOp::create(current, location(), integer, number);
  Value guess = arith::BitcastOp::create(
      current, location(), real,
      arith::SubIOp::create(
          current, location(),
          arith::ConstantIntOp::create(current, location(), twiceExponentOfOne, 64), bits));
  Value one = constant(real, 1), minus = arith::NegFOp::create(current, location(), number);
  for (int step = 0; step < steps; ++step) {
    Value error = math::FmaOp::create(current, location(), minus, guess, one);
    guess = math::FmaOp::create(current, location(), guess, error, guess);
  }
  return guess;
}

Value GpuEmitter::toReal(Value value) {
  Value wide = arith::IndexCastOp::create(current, location(), current.getI64Type(), value);
  return arith::SIToFPOp::create(current, location(), current.getF64Type(), wide);
}

/// Sizes are known at the start: their reciprocals are computed once.
Value GpuEmitter::reciprocalOf(Value divisor) {
  if (divisor.getParentBlock() != &stage.front())
    return reciprocal(toReal(divisor));
  Value &known = reciprocals[divisor];
  if (!known) {
    Value number = atEntry([&] { return toReal(divisor); });
    known = atEntry([&] { return reciprocal(number); });
  }
  return known;
}

GpuEmitter::Division GpuEmitter::divide(Value x, Value y) {
  Type integer = current.getI64Type();
  Value estimate = arith::MulFOp::create(current, location(), toReal(x), reciprocalOf(y));
  Value quotient =
      arith::IndexCastOp::create(current, location(), current.getIndexType(),
                                 arith::FPToSIOp::create(current, location(), integer, estimate));
  Value remainder = subtractIndex(x, multiplyIndex(quotient, y));
  // The estimate may be off by one.
  Value isLow = negate(isLess(remainder, y)), isHigh = isLess(remainder, index(0));
  auto corrected = [&](Value value, Value step) {
    Value down = choose(isHigh, subtractIndex(value, step), value);
    return choose(isLow, addIndex(value, step), down);
  };
  Value less = choose(isLow, subtractIndex(remainder, y), remainder);
  return {corrected(quotient, index(1)), choose(isHigh, addIndex(remainder, y), less)};
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

Value GpuEmitter::both(Value x, Value y) {
  return arith::AndIOp::create(current, location(), x, y);
}

Value GpuEmitter::negate(Value x) {
  Value truth = arith::ConstantIntOp::create(current, location(), 1, 1);
  return arith::XOrIOp::create(current, location(), x, truth);
}

Value GpuEmitter::isEqual(Value x, Value y) {
  return arith::CmpIOp::create(current, location(), arith::CmpIPredicate::eq, x, y);
}

Value GpuEmitter::choose(Value condition, Value x, Value y) {
  return arith::SelectOp::create(current, location(), condition, x, y);
}

void GpuEmitter::ifElse(Value condition, function_ref<void()> then,
                        function_ref<void()> otherwise) {
  ifTrue(condition, then);
  ifTrue(negate(condition), otherwise);
}

void GpuEmitter::fork(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(current, location(), condition, /*withElseRegion=*/true);
  current.setInsertionPoint(branch.thenBlock()->getTerminator());
  withMask(mask(), then);
  current.setInsertionPoint(branch.elseBlock()->getTerminator());
  withMask(mask(), otherwise);
  current.setInsertionPointAfter(branch);
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

static Value productOf(GpuEmitter &emitter, ValueRange sizes) {
  Value total = emitter.index(1);
  for (Value size : sizes)
    total = emitter.multiplyIndex(total, size);
  return total;
}

Value GpuWalk::tasks(ValueRange sizes) {
  return emitter.ceilDivideIndex(productOf(emitter, sizes), points);
}

void GpuWalk::emit(Value task, ArrayRef<Value> sizes,
                   function_ref<void(ArrayRef<ElementIndex>)> body) {
  Value base = emitter.multiplyIndex(task, emitter.index(points));
  Value total = productOf(emitter, sizes);
  Value stop = emitter.minimumIndex(emitter.addIndex(base, emitter.index(points)), total);
  auto emitPoints = [&] {
    emitter.withLanes(1, [&] {
      Value first = emitter.addIndex(base, emitter.thread());
      emitter.loop(first, stop, emitter.threads(), [&](Value point) {
        SmallVector<ElementIndex> indices;
        for (Value position : emitter.delinearize(point, sizes))
          indices.push_back({position});
        body(indices);
      });
    });
  };
  if (lanes == 1 || sizes.empty())
    return emitPoints();
  Value rest = emitter.remainderIndex(sizes.back(), emitter.index(lanes));
  Value isWhole = emitter.isEqual(rest, emitter.index(0));
  if (sizes.size() == 1) {
    // One dimension needs no rows of whole vectors, only a whole task.
    Value length = emitter.subtractIndex(total, base);
    isWhole = emitter.isLess(emitter.index(points - 1), length);
  }
  emitter.ifElse(
      emitter.both(isWhole, emitter.buffersAreAligned()),
      [&] { emitter.withLanes(lanes, [&] { emitVectors(base, sizes, body); }); }, emitPoints);
}

void GpuWalk::emitVectors(Value base, ArrayRef<Value> sizes,
                          function_ref<void(ArrayRef<ElementIndex>)> body) {
  SmallVector<Value> multiples;
  if (sizes.size() > 1)
    multiples.push_back(sizes.back());
  Value total = productOf(emitter, sizes);
  Value stop = emitter.minimumIndex(emitter.addIndex(base, emitter.index(points)), total);
  emitter.assumeAligned(multiples, lanes, [&] {
    Value mine = emitter.multiplyIndex(emitter.thread(), emitter.index(lanes));
    emitter.loop(emitter.addIndex(base, mine), stop, emitter.threads() * lanes, [&](Value point) {
      emitter.assumeMultiple(point, lanes);
      SmallVector<ElementIndex> indices;
      for (Value position : emitter.delinearize(point, sizes))
        indices.push_back({position});
      indices.back().step = 1;
      body(indices);
    });
  });
}

} // namespace weft
