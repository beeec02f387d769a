// Elements of the blocks of a user's program (weft.program), in registers and in memory, and those
// of tensors, by weft.program_load and weft.program_store.
#include "codegen/Loops/ProgramBlocks.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

Value ProgramBlocks::resolved(Value value) const {
  while (Value other = others.lookup(value))
    value = other;
  return value;
}

Value ProgramBlocks::number(Value tensor) { return element(tensor, {}); }

//===----------------------------------------------------------------------===//
// Memory of blocks
//===----------------------------------------------------------------------===//

/// Rows that are a power of two apart would be in few places of a cache.
int64_t ProgramBlocks::rowDistance(ArrayRef<int64_t> shape, int64_t lanes) {
  auto distance = static_cast<int64_t>(llvm::alignTo(shape.back(), lanes));
  return shape.size() > 1 && distance % 128 == 0 ? distance + lanes : distance;
}

double ProgramBlocks::bytesOf(Value tensor, int64_t lanes) {
  constexpr double page = 4096, apart = page / 3;
  ArrayRef<int64_t> shape = shapeOf(tensor);
  Type stored = KernelEmitter::storedType(getElementTypeOrSelf(tensor));
  double elements = double(rowDistance(shape, lanes));
  for (int64_t size : shape.drop_back())
    elements *= double(size);
  double bytes = (elements + double(lanes)) * std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  return bytes < apart ? bytes : std::ceil((bytes - apart) / page) * page + std::floor(apart);
}

Value ProgramBlocks::allocate(Value tensor) {
  if (Value pointer = wanted.lookup(tensor))
    return pointer;
  return emitter.allocate(builder().getI8Type(), int64_t(bytesOf(tensor, laneCount())));
}

/// Uniform indices and runs have a base.
Value ProgramBlocks::offsetIn(ArrayRef<int64_t> shape, ArrayRef<ElementIndex> indices) {
  Value place = emitter.index(0);
  int64_t stride = shape.empty() ? 0 : rowDistance(shape, emitter.laneCount());
  for (size_t d = shape.size(); d-- > 0;) {
    bool isLast = d + 1 == shape.size();
    Value part = emitter.multiplyIndex(indices[d].base, emitter.index(isLast ? 1 : stride));
    place = emitter.addIndex(place, part);
    stride *= isLast ? 1 : shape[d];
  }
  return place;
}

Value ProgramBlocks::read(Value tensor, Value pointer, ArrayRef<ElementIndex> indices) {
  Type dtype = getElementTypeOrSelf(tensor), stored = KernelEmitter::storedType(dtype);
  bool isRun = llvm::all_of(indices.drop_back(), [](auto &index) { return index.isUniform(); }) &&
               !indices.back().lanes && indices.back().step <= 1 && indices.back().step >= 0;
  if (!isRun)
    return emitter.widen(readEach(pointer, stored, shapeOf(tensor), indices), dtype);
  Value address = emitter.offset(pointer, stored, offsetIn(shapeOf(tensor), indices));
  Value run = emitter.loadVector(address, stored, indices.back().step ? laneCount() : 0);
  return emitter.widen(run, dtype);
}

/// Elements anywhere, lane by lane. Lanes that do not count may have any index.
Value ProgramBlocks::readEach(Value pointer, Type stored, ArrayRef<int64_t> shape,
                              ArrayRef<ElementIndex> indices) {
  OpBuilder &b = builder();
  Type wide = b.getI64Type();
  Value offsets = splat(constant(wide, 0));
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    Value index = splat(toInteger(indices[d]));
    index = arith::MaxSIOp::create(b, location(), index, splat(constant(wide, 0)));
    index =
        arith::MinSIOp::create(b, location(), index, splat(constant(wide, double(shape[d] - 1))));
    Value part = arith::MulIOp::create(b, location(), index, splat(constant(wide, double(stride))));
    offsets = arith::AddIOp::create(b, location(), offsets, part);
    stride *= d + 1 == shape.size() ? rowDistance(shape, laneCount()) : shape[d];
  }
  auto type = VectorType::get({laneCount()}, stored);
  Value result = arith::ConstantOp::create(b, location(), b.getZeroAttr(type));
  for (int64_t lane = 0; lane < laneCount(); ++lane) {
    Value place = vector::ExtractOp::create(b, location(), offsets, lane);
    Value one = emitter.loadVector(emitter.offset(pointer, stored, place), stored, 0);
    result = vector::InsertOp::create(b, location(), one, result, lane);
  }
  return result;
}

void ProgramBlocks::write(Value tensor, Value pointer, ArrayRef<ElementIndex> indices) {
  Type dtype = getElementTypeOrSelf(tensor), stored = KernelEmitter::storedType(dtype);
  Value value = element(tensor, indices);
  if (laneCount() > 1)
    value = splat(value);
  if (mode == Mode::Asking)
    return;
  Value address = emitter.offset(pointer, stored, offsetIn(shapeOf(tensor), indices));
  emitter.storeVector(emitter.narrow(value, dtype), address);
}

void ProgramBlocks::fill(Value tensor, Value pointer) {
  forEachPlace(shapeOf(tensor),
               [&](ArrayRef<ElementIndex> indices) { write(tensor, pointer, indices); });
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Value ProgramBlocks::element(Value tensor, ArrayRef<ElementIndex> indices) {
  tensor = resolved(tensor);
  if (Value scalar = numbers.lookup(tensor))
    return scalar;
  if (Value pointer = pointers.lookup(tensor))
    return read(tensor, pointer, indices);
  Key key = keyOf(tensor, indices);
  auto found = elements.find(key);
  if (found != elements.end())
    return found->second;
  Value value =
      mode == Mode::Whole && held.contains(tensor) ? full(Value()) : compute(tensor, indices);
  if (mode == Mode::Asking && getElementTypeOrSelf(value).isInteger(1))
    askForMask(tensor, value);
  elements[key] = value;
  return value;
}

ProgramBlocks::Key ProgramBlocks::keyOf(Value tensor, ArrayRef<ElementIndex> indices) {
  Key key{tensor.getAsOpaquePointer()};
  for (const ElementIndex &index : indices) {
    key.push_back(index.base ? index.base.getAsOpaquePointer() : nullptr);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a number among keys, which nothing follows
    key.push_back(reinterpret_cast<const void *>(index.step));
    key.push_back(index.lanes ? index.lanes.getAsOpaquePointer() : nullptr);
  }
  return key;
}

Value ProgramBlocks::compute(Value tensor, ArrayRef<ElementIndex> indices) {
  Operation *op = tensor.getDefiningOp();
  Attribute attribute;
  if (matchPattern(op, m_Constant(&attribute))) {
    Type type = computeType(tensor);
    auto splat = cast<SplatElementsAttr>(attribute).getSplatValue<Attribute>();
    if (auto number = dyn_cast<FloatAttr>(splat)) {
      APFloat value = number.getValue();
      bool lost = false;
      value.convert(cast<FloatType>(type).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
      return arith::ConstantOp::create(builder(), location(), FloatAttr::get(type, value));
    }
    APInt value = cast<IntegerAttr>(splat).getValue();
    return arith::ConstantOp::create(builder(), location(), IntegerAttr::get(type, value));
  }
  if (auto read = dyn_cast<ProgramLoadOp>(op))
    return load(read, indices);
  if (isa<ReshapeOp>(op)) {
    Value from = op->getOperand(0);
    return element(from, reshaped(shapeOf(from), shapeOf(tensor), indices));
  }
  if (auto indexed = dyn_cast<IndexedOpInterface>(op))
    return indexed.emitElements(*this, cast<OpResult>(tensor).getResultNumber(), indices);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(element(operand, indices));
  unify(operands);
  Value value = cast<ElementwiseOpInterface>(op).emitBody(builder(), op->getLoc(), operands);
  return emitter.roundTo(value, getElementTypeOrSelf(tensor));
}

/// The indices of an element in the order of rows of another shape.
SmallVector<ElementIndex> ProgramBlocks::reshaped(ArrayRef<int64_t> from, ArrayRef<int64_t> to,
                                                  ArrayRef<ElementIndex> indices) {
  auto isLong = [](int64_t size) { return size != 1; };
  SmallVector<ElementIndex> result;
  if (llvm::equal(llvm::make_filter_range(from, isLong), llvm::make_filter_range(to, isLong))) {
    size_t next = 0;
    for (int64_t size : from) {
      while (size != 1 && to[next] == 1)
        ++next;
      result.push_back(size == 1 ? ElementIndex{emitter.index(0)} : indices[next++]);
    }
    return result;
  }
  OpBuilder &b = builder();
  auto times = [&](Value value, int64_t factor) -> Value {
    Value values[] = {value, constant(b.getI64Type(), double(factor))};
    unify(values);
    return arith::MulIOp::create(b, location(), values[0], values[1]);
  };
  Value place = constant(b.getI64Type(), 0);
  for (auto [size, index] : llvm::zip_equal(to, indices)) {
    Value values[] = {times(place, size), toInteger(index)};
    unify(values);
    place = arith::AddIOp::create(b, location(), values[0], values[1]);
  }
  for (int64_t size : llvm::reverse(from)) {
    Value values[] = {place, constant(b.getI64Type(), double(std::max<int64_t>(size, 1)))};
    unify(values);
    result.push_back(fromInteger(arith::RemUIOp::create(b, location(), values[0], values[1])));
    place = arith::DivUIOp::create(b, location(), values[0], values[1]);
  }
  std::reverse(result.begin(), result.end());
  return result;
}

Value ProgramBlocks::guarded(Value condition, Value otherwise, function_ref<Value()> body) {
  // Blocks hold an element for every index that is asked for (readEach), and what is loaded is
  // in one before others read it: nothing is read that is not there.
  auto outer = std::exchange(elements, {});
  Value values[] = {body(), otherwise, condition};
  elements = std::move(outer);
  unify(values);
  return arith::SelectOp::create(builder(), location(), values[2], values[0], values[1]);
}

//===----------------------------------------------------------------------===//
// Tensors of the program
//===----------------------------------------------------------------------===//

/// Where a vector of elements is in a tensor.
struct ProgramBlocks::Place {
  Value pointer;
  Type stored;
  /// From the start of the tensor, in elements.
  ElementIndex offset;
  /// The lanes that are asked for, and those of them that are there; null: all.
  Value wanted, present;
};

Value ProgramBlocks::both(Value left, Value right) {
  if (!left || !right)
    return left ? left : right;
  Value values[] = {left, right};
  unify(values);
  return arith::AndIOp::create(builder(), location(), values[0], values[1]);
}

/// The sizes that `count` indices go along: the last one over all dimensions from its own on.
SmallVector<Value> ProgramBlocks::sizesOf(Type tensor, size_t count) {
  ArrayRef<int64_t> symbols = symbolsOf(tensor);
  SmallVector<Value> sizes;
  for (size_t d = 0; d < count; ++d)
    sizes.push_back(d + 1 < count ? emitter.symbol(symbols[d])
                                  : emitter.product(symbols.drop_front(d)));
  return sizes;
}

static std::optional<int64_t> integerOf(Attribute attribute) {
  auto number = dyn_cast_or_null<IntegerAttr>(attribute);
  return number ? std::optional(number.getInt()) : std::nullopt;
}

/// Where lanes are evenly apart, as the arithmetic that computes the integers shows.
ElementIndex ProgramBlocks::asRun(Value integer) {
  OpBuilder &b = builder();
  auto toIndex = [&](Value scalar) -> Value {
    return arith::IndexCastOp::create(b, location(), b.getIndexType(), scalar);
  };
  if (!isa<VectorType>(integer.getType()))
    return {toIndex(integer)};
  Operation *op = integer.getDefiningOp();
  ElementIndex apart{Value(), 0, integer};
  if (auto repeated = dyn_cast_or_null<vector::BroadcastOp>(op))
    return {toIndex(repeated.getSource())};
  DenseElementsAttr elements;
  if (op && matchPattern(op, m_Constant(&elements))) {
    auto values = llvm::to_vector(elements.getValues<int64_t>());
    int64_t step = values.size() > 1 ? values[1] - values[0] : 0;
    for (auto [lane, value] : llvm::enumerate(values))
      if (value != values[0] + static_cast<int64_t>(lane) * step)
        return apart;
    return {emitter.index(values[0]), step};
  }
  if (!isa_and_nonnull<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op))
    return apart;
  ElementIndex left = asRun(op->getOperand(0)), right = asRun(op->getOperand(1));
  if (left.lanes || right.lanes)
    return apart;
  if (isa<arith::AddIOp>(op))
    return {emitter.addIndex(left.base, right.base), left.step + right.step};
  if (isa<arith::SubIOp>(op))
    return {emitter.subtractIndex(left.base, right.base), left.step - right.step};
  if (left.step != 0)
    std::swap(left, right);
  Attribute factor;
  auto known = matchPattern(left.base, m_Constant(&factor)) ? integerOf(factor) : std::nullopt;
  if (left.step != 0 || (right.step != 0 && !known))
    return apart;
  return {emitter.multiplyIndex(left.base, right.base),
          right.step == 0 ? 0 : right.step * known.value_or(0)};
}

/// The address of a text in the code of the kernel.
Value ProgramBlocks::siteText(StringRef site) {
  OpBuilder &b = builder();
  auto module = emitter.getKernel()->getParentOfType<ModuleOp>();
  std::string text = (program.getName() + "\n" + site).str(), name;
  text.push_back('\0');
  for (auto global : module.getOps<LLVM::GlobalOp>())
    if (auto value = dyn_cast_or_null<StringAttr>(global.getValueOrNull());
        value && value.getValue() == text)
      name = global.getSymName().str();
  if (name.empty()) {
    int64_t count = llvm::range_size(module.getOps<LLVM::GlobalOp>());
    name = (emitter.getKernel().getSymName() + "_site" + Twine(count)).str();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
    LLVM::GlobalOp::create(b, location(), type, /*isConstant=*/true, LLVM::Linkage::Private, name,
                           b.getStringAttr(text));
  }
  return LLVM::AddressOfOp::create(b, location(), LLVM::LLVMPointerType::get(b.getContext()), name);
}

void ProgramBlocks::note(StringRef site, int64_t dimension, Value index, Value size) {
  Value number = constant(builder().getI64Type(), double(dimension));
  emitter.callExternal(programFault,
                       {siteText(site), number, index, size, emitter.behindBuffers()});
}

/// Tells the runtime that an index is not there, if a lane of `bad` is set.
void ProgramBlocks::report(const Place &place, StringRef site, unsigned dimension, Value bad,
                           Value index, Value size) {
  OpBuilder &b = builder();
  if (mode == Mode::Asking)
    return;
  Value isAny = bad;
  if (isa<VectorType>(bad.getType()))
    isAny = vector::ReductionOp::create(b, location(), vector::CombiningKind::OR, bad);
  emitter.ifTrue(isAny, [&] {
    Value worst = index;
    if (isa<VectorType>(bad.getType())) {
      Value least = splat(constant(b.getI64Type(), -0x1p62));
      worst = arith::SelectOp::create(b, location(), bad, splat(index), least);
      worst = vector::ReductionOp::create(b, location(), vector::CombiningKind::MAXSI, worst);
    }
    Value wide = arith::IndexCastOp::create(b, location(), b.getI64Type(), size);
    note(site, dimension, worst, wide);
  });
}

/// The same lanes, found by one comparison of narrow numbers where they are those of a run that are
/// below a number.
Value ProgramBlocks::asLanes(Value mask) {
  Operation *op = mask.getDefiningOp();
  if (!op || !isa<VectorType>(mask.getType()))
    return mask;
  if (isa<arith::AndIOp>(op))
    return both(asLanes(op->getOperand(0)), asLanes(op->getOperand(1)));
  auto compared = dyn_cast<arith::CmpIOp>(op);
  if (!compared || compared.getPredicate() != arith::CmpIPredicate::slt ||
      !getElementTypeOrSelf(compared.getLhs()).isInteger(64))
    return mask;
  ElementIndex run = asRun(compared.getLhs()), bound = asRun(compared.getRhs());
  if (run.lanes || run.step != 1 || !bound.isUniform())
    return mask;
  return emitter.lanesBelow(
      emitter.minimumIndex(below(run, bound.base), emitter.index(laneCount())));
}

/// Takes the lanes out of those that are present whose index is not there, and reports them if they
/// are wanted.
void ProgramBlocks::check(Place &place, StringRef site, unsigned dimension, Value integer,
                          const ElementIndex &index, Value size) {
  OpBuilder &b = builder();
  if (mode != Mode::Checked && ask(index, size))
    return;
  auto without = [&](Value inside) {
    Value wanted =
        place.wanted ? place.wanted : Value(arith::ConstantIntOp::create(b, location(), 1, 1));
    Value values[] = {inside, wanted};
    unify(values);
    Value isOutside =
        arith::CmpIOp::create(b, location(), arith::CmpIPredicate::ult, values[0], values[1]);
    report(place, site, dimension, isOutside, integer, size);
    return both(place.present, inside);
  };
  bool isScalar = index.isUniform() && (!place.wanted || !isa<VectorType>(place.wanted.getType()));
  if (isScalar || index.lanes || index.step < 0) {
    place.present = without(isWithin(index, size));
    return;
  }
  // All lanes are there, as a rule: no vector is compared then.
  Value last = emitter.addIndex(index.base, emitter.index(index.step * (laneCount() - 1)));
  Value isBefore = emitter.isLess(index.base, emitter.index(0));
  Value isBehind = emitter.isLess(emitter.subtractIndex(size, emitter.index(1)), last);
  Value isPartly = arith::OrIOp::create(b, location(), isBefore, isBehind);
  place.present = emitter.ifTrue(isPartly, {full(place.present)}, [&] {
    return SmallVector<Value>{full(without(isWithin(index, size)))};
  })[0];
}

ProgramBlocks::Place ProgramBlocks::placeOf(Type tensor, unsigned buffer, ValueRange operands,
                                            Value mask, StringRef site,
                                            ArrayRef<ElementIndex> indices) {
  OpBuilder &b = builder();
  Place place;
  place.pointer = emitter.buffer(buffer);
  place.stored = KernelEmitter::storedType(getElementTypeOrSelf(tensor));
  Value block = mask ? resolved(mask) : mask;
  if (mode == Mode::Whole && held.contains(block))
    mask = nullptr;
  if (mask)
    mask = element(mask, indices);
  if (mode == Mode::Asking)
    mostWanted = emitter.minimumIndex(rowSize, atMostWanted(mask));
  if (Value length = mask && mode == Mode::Asking ? lengthOf(mask) : Value()) {
    lengths.push_back(length);
    held.insert(block);
    mask = nullptr;
  }
  if (mask)
    mask = asLanes(mask);
  place.wanted = place.present = both(mask, laneTail);
  SmallVector<Value> sizes = sizesOf(tensor, operands.size());
  place.offset = {emitter.index(0)};
  for (auto [d, operand] : llvm::enumerate(operands)) {
    Value integer = element(operand, indices);
    ElementIndex index = asRun(integer);
    check(place, site, d, integer, index, sizes[d]);
    ElementIndex scaled = index;
    for (size_t next = d + 1; next < operands.size(); ++next) {
      if (scaled.isUniform()) {
        scaled.base = emitter.multiplyIndex(scaled.base, sizes[next]);
        continue;
      }
      Value size = arith::IndexCastOp::create(b, location(), b.getI64Type(), sizes[next]);
      scaled = {Value(), 0,
                arith::MulIOp::create(b, location(), splat(toInteger(scaled)), splat(size))};
    }
    if (place.offset.lanes || scaled.lanes)
      place.offset = {Value(), 0,
                      arith::AddIOp::create(b, location(), splat(toInteger(place.offset)),
                                            splat(toInteger(scaled)))};
    else
      place.offset = {emitter.addIndex(place.offset.base, scaled.base),
                      place.offset.step + scaled.step};
  }
  return place;
}

/// A mask of vectors.
Value ProgramBlocks::full(Value mask) {
  if (mask)
    return splat(mask);
  return splat(arith::ConstantIntOp::create(builder(), location(), 1, 1));
}

/// Whether a lane is present, where the mask may have none; null: it is not asked. A processor
/// takes hundreds of cycles for a vector of which no lane is wanted, if it is in no page of the
/// process.
Value ProgramBlocks::anyOf(Value present) {
  if (!present || present == laneTail || laneCount() == 1)
    return {};
  if (!isa<VectorType>(present.getType()))
    return present;
  return vector::ReductionOp::create(builder(), location(), vector::CombiningKind::OR, present);
}

Value ProgramBlocks::loadRun(const Place &place) {
  Value address = emitter.offset(place.pointer, place.stored, place.offset.base), stored;
  auto loadMasked = [&] {
    emitter.withMask(place.present ? full(place.present) : Value(),
                     [&] { stored = emitter.loadVector(address, place.stored, laneCount()); });
    return SmallVector<Value>{stored};
  };
  Value isAny = anyOf(place.present);
  if (!isAny)
    return loadMasked()[0];
  auto type = VectorType::get({laneCount()}, place.stored);
  Value zero = arith::ConstantOp::create(builder(), location(), builder().getZeroAttr(type));
  return emitter.ifTrue(isAny, {zero}, loadMasked)[0];
}

Value ProgramBlocks::load(ProgramLoadOp op, ArrayRef<ElementIndex> indices) {
  OpBuilder &b = builder();
  auto number = static_cast<unsigned>(op.getNumber());
  auto argument = cast<BlockArgument>(program.getInputs()[number]);
  Place place = placeOf(argument.getType(), argument.getArgNumber(), op.getIndices(), op.getMask(),
                        op.getSite(), indices);
  Type dtype = getElementTypeOrSelf(op.getResult());
  auto type = VectorType::get({laneCount()}, place.stored);
  // A value of which nothing is known: it is not computed with.
  if (mode == Mode::Asking)
    return emitter.widen(LLVM::PoisonOp::create(b, location(), type), dtype);
  Value stored, present = place.present;
  bool isUniform = place.offset.isUniform() && (!present || !isa<VectorType>(present.getType()));
  if (isUniform) {
    Value zero = arith::ConstantOp::create(b, location(), b.getZeroAttr(place.stored));
    Value address = emitter.offset(place.pointer, place.stored, place.offset.base);
    stored = emitter.ifTrue(
        present ? present : arith::ConstantIntOp::create(b, location(), 1, 1), {zero},
        [&] { return SmallVector<Value>{emitter.loadVector(address, place.stored, 0)}; })[0];
  } else if (!place.offset.lanes && place.offset.step == 1) {
    stored = loadRun(place);
  } else {
    Value addresses = emitter.offset(place.pointer, place.stored, splat(toInteger(place.offset)));
    Value zero = arith::ConstantOp::create(b, location(), b.getZeroAttr(type));
    unsigned bytes = std::max(1u, place.stored.getIntOrFloatBitWidth() / 8);
    stored = LLVM::masked_gather::create(b, location(), type, addresses, full(present),
                                         ValueRange{zero}, bytes);
  }
  Value loaded = emitter.widen(stored, dtype);
  if (!op.getOther() || !place.wanted)
    return loaded;
  Value values[] = {loaded, element(op.getOther(), indices), place.wanted};
  unify(values);
  return arith::SelectOp::create(b, location(), values[2], values[0], values[1]);
}

void ProgramBlocks::claim(unsigned result, const Place &place, bool isScalar, StringRef site) {
  if (!program->hasAttr("checked"))
    return;
  // Behind the results there is, for each, who stored to its elements: a number from 1 on.
  Value owners = emitter.buffer(emitter.outputBuffer(result + program.getNumResults() / 2));
  forEachElement(place, isScalar, [&](Value offset, int64_t) { claimOne(owners, offset, site); });
}

/// Of a vector each lane is one, also where all have one place.
void ProgramBlocks::forEachElement(const Place &place, bool isScalar,
                                   function_ref<void(Value, int64_t)> body) {
  OpBuilder &b = builder();
  if (isScalar) {
    auto visit = [&] { body(toInteger(place.offset), -1); };
    if (place.present)
      emitter.ifTrue(place.present, visit);
    else
      visit();
    return;
  }
  Value offsets = splat(toInteger(place.offset)), lanes = full(place.present);
  for (int64_t lane = 0; lane < laneCount(); ++lane) {
    Value offset = vector::ExtractOp::create(b, location(), offsets, lane);
    emitter.ifTrue(vector::ExtractOp::create(b, location(), lanes, lane),
                   [&] { body(offset, lane); });
  }
}

void ProgramBlocks::combine(ProgramStoreOp op, const Place &place, bool isScalar, Value value) {
  forEachElement(place, isScalar, [&](Value offset, int64_t lane) {
    Value one = value;
    if (lane >= 0 && isa<VectorType>(value.getType()))
      one = vector::ExtractOp::create(builder(), location(), value, lane);
    combineOne(op, emitter.offset(place.pointer, place.stored, offset), one);
  });
}

void ProgramBlocks::combineOne(ProgramStoreOp op, Value address, Value value) {
  OpBuilder &b = builder();
  Type dtype = getElementTypeOrSelf(op.getValue());
  bool isSum = op.getCombine() == "add", isMaximum = op.getCombine() == "max";
  if (auto integer = dyn_cast<IntegerType>(dtype)) {
    using LLVM::AtomicBinOp;
    AtomicBinOp kind = isSum                  ? AtomicBinOp::add
                       : integer.isUnsigned() ? (isMaximum ? AtomicBinOp::umax : AtomicBinOp::umin)
                                              : (isMaximum ? AtomicBinOp::max : AtomicBinOp::min);
    LLVM::AtomicRMWOp::create(b, location(), kind, address, emitter.narrow(value, dtype),
                              LLVM::AtomicOrdering::monotonic);
    return;
  }
  Value before =
      emitter.widen(emitter.loadVector(address, KernelEmitter::storedType(dtype), 0), dtype);
  Value after;
  if (isSum)
    after = arith::AddFOp::create(b, location(), before, value);
  else if (isMaximum)
    after = arith::MaximumFOp::create(b, location(), before, value);
  else
    after = arith::MinimumFOp::create(b, location(), before, value);
  emitter.storeVector(emitter.narrow(emitter.roundTo(after, dtype), dtype), address);
}

void ProgramBlocks::claimOne(Value owners, Value offset, StringRef site) {
  OpBuilder &b = builder();
  Type wide = b.getI64Type();
  Value own = arith::IndexCastOp::create(b, location(), wide, ownNumber);
  Value mark = arith::AddIOp::create(b, location(), own, constant(wide, 1));
  Value former = LLVM::AtomicRMWOp::create(b, location(), LLVM::AtomicBinOp::xchg,
                                           emitter.offset(owners, wide, offset), mark,
                                           LLVM::AtomicOrdering::monotonic);
  auto differs = [&](Value other) -> Value {
    return arith::CmpIOp::create(b, location(), arith::CmpIPredicate::ne, former, other);
  };
  Value isOther = arith::AndIOp::create(b, location(), differs(constant(wide, 0)), differs(mark));
  emitter.ifTrue(isOther, [&] {
    Value other = arith::SubIOp::create(b, location(), former, constant(wide, 1));
    note(site, -1, own, other);
  });
}

/// The lanes that are in the tensor and in the block, wanted or not; null: all.
Value ProgramBlocks::insideOf(ProgramStoreOp op, Type tensor, ArrayRef<ElementIndex> indices) {
  Value inside = laneTail;
  SmallVector<Value> sizes = sizesOf(tensor, op.getIndices().size());
  for (auto [operand, size] : llvm::zip_equal(op.getIndices(), sizes))
    inside = both(inside, isWithin(asRun(element(operand, indices)), size));
  return inside;
}

void ProgramBlocks::store(ProgramStoreOp op, ArrayRef<ElementIndex> indices, bool isAll) {
  OpBuilder &b = builder();
  Value result = program.getResult(op.getNumber());
  auto yielded = emitter.getYield().getValues();
  auto output = static_cast<unsigned>(std::distance(yielded.begin(), llvm::find(yielded, result)));
  // What nobody reads has no memory.
  if (output == yielded.size())
    return;
  Type type = result.getType(), dtype = getElementTypeOrSelf(type);
  // Computed before anything is written.
  Value computed = element(op.getValue(), indices);
  Place place = placeOf(type, emitter.outputBuffer(output), op.getIndices(), op.getMask(),
                        op.getSite(), indices);
  if (mode == Mode::Asking)
    return;
  bool isScalar = indices.empty() || laneCount() == 1;
  if (op.getCombine())
    return combine(op, place, isScalar, computed);
  claim(output, place, isScalar, op.getSite());
  Value stored = emitter.narrow(computed, dtype), present = place.present;
  if (isAll && present && present != laneTail) {
    Value zero = arith::ConstantOp::create(b, location(), b.getZeroAttr(place.stored));
    Value values[] = {stored, zero, present};
    unify(values);
    stored = arith::SelectOp::create(b, location(), values[2], values[0], values[1]);
    present = insideOf(op, type, indices);
  }
  if (isScalar) {
    Value address = emitter.offset(place.pointer, place.stored, place.offset.base);
    auto write = [&] { emitter.storeVector(stored, address); };
    if (present)
      emitter.ifTrue(present, write);
    else
      write();
    return;
  }
  stored = splat(stored);
  if (!place.offset.lanes && place.offset.step == 1) {
    Value address = emitter.offset(place.pointer, place.stored, place.offset.base);
    auto storeMasked = [&] {
      emitter.withMask(present ? full(present) : Value(),
                       [&] { emitter.storeVector(stored, address); });
    };
    if (Value isAny = anyOf(present))
      emitter.ifTrue(isAny, storeMasked);
    else
      storeMasked();
    return;
  }
  Value addresses = emitter.offset(place.pointer, place.stored, splat(toInteger(place.offset)));
  unsigned bytes = std::max(1u, place.stored.getIntOrFloatBitWidth() / 8);
  LLVM::masked_scatter::create(b, location(), stored, addresses, full(present), bytes);
}

} // namespace weft
