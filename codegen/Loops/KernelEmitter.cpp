// Functions, elements and memory of the kernel being emitted.
#include "codegen/Loops/KernelEmitter.h"
#include "dialects/Weft/IR/NarrowFloats.h"
#include "dialects/Weft/IR/Regroup.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {

/// A number among the pointers of a key, which nothing follows.
static const void *numberKey(int64_t number) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<const void *>(number);
}

ArrayRef<int64_t> symbolsOf(Type type) {
  return cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding()).getSymbols();
}

static LLVM::LLVMPointerType pointerType(MLIRContext *context) {
  return LLVM::LLVMPointerType::get(context);
}

KernelEmitter::KernelEmitter(KernelOp kernel, OpBuilder module)
    : kernel(kernel), module(module), current(module), currentLocation(kernel.getLoc()) {}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

func::FuncOp KernelEmitter::createFunction(const Twine &name, TypeRange arguments) {
  auto type = module.getFunctionType(arguments, {});
  return func::FuncOp::create(module, kernel.getLoc(), (kernel.getSymName() + name).str(), type);
}

void KernelEmitter::enter(func::FuncOp function) {
  entryBlock = function.addEntryBlock();
  current.setInsertionPointToEnd(entryBlock);
  symbolValues.clear();
  bufferValues.clear();
  use = {};
  products.clear();
  overrides.clear();
  scopes.assign(1, {});
  laneMask = nullptr;
  lastEntryOp = nullptr;
}

void KernelEmitter::addStage(std::function<Value()> tasks, function_ref<void(Value, Value)> body) {
  Type pointer = pointerType(kernel.getContext()), integer = module.getI64Type();
  auto function =
      createFunction("_" + Twine(stageTasks.size()), {pointer, pointer, integer, integer});
  stageTasks.push_back(std::move(tasks));
  enter(function);
  buffersPointer = function.getArgument(0);
  sizesPointer = function.getArgument(1);
  Type indexType = current.getIndexType();
  Value begin = arith::IndexCastOp::create(current, location(), indexType, function.getArgument(2));
  Value end = arith::IndexCastOp::create(current, location(), indexType, function.getArgument(3));
  lastEntryOp = end.getDefiningOp();
  body(begin, end);
  func::ReturnOp::create(current, kernel.getLoc());
  stageUses.push_back(use);
}

unsigned KernelEmitter::addTemporary(std::function<Value()> bytes) {
  temporaryBytes.push_back(std::move(bytes));
  return outputBuffer(kernel.getResultTypes().size()) + temporaryBytes.size() - 1;
}

std::string KernelEmitter::addHelper(unsigned pointers, unsigned indices,
                                     function_ref<void(ValueRange)> body) {
  SmallVector<Type> types(2 + pointers, pointerType(kernel.getContext()));
  types.append(indices, module.getIndexType());
  auto function = createFunction("_helper" + Twine(helperCount++), types);
  function.setPrivate();
  enter(function);
  buffersPointer = function.getArgument(0);
  sizesPointer = function.getArgument(1);
  body(function.getArguments().drop_front(2));
  func::ReturnOp::create(current, kernel.getLoc());
  helperUses[function.getSymName().str()] = use;
  return function.getSymName().str();
}

void KernelEmitter::callHelper(StringRef name, ValueRange arguments) {
  SmallVector<Value> all{buffersPointer, sizesPointer};
  llvm::append_range(all, arguments);
  func::CallOp::create(current, location(), name, TypeRange{}, all);
  const Use &used = helperUses.at(name.str());
  use.buffers.insert(used.buffers.begin(), used.buffers.end());
  use.sizes.insert(used.sizes.begin(), used.sizes.end());
}

void KernelEmitter::callExternal(StringRef name, ValueRange arguments) {
  auto parent = kernel->getParentOfType<ModuleOp>();
  if (!parent.lookupSymbol<func::FuncOp>(name)) {
    auto type = module.getFunctionType(arguments.getTypes(), {});
    func::FuncOp::create(module, kernel.getLoc(), name, type).setPrivate();
  }
  func::CallOp::create(current, location(), name, TypeRange{}, arguments);
}

/// A bit for each number; all of them if one has none.
static int64_t bitsOf(const std::set<int64_t> &numbers) {
  int64_t bits = 0;
  for (int64_t number : numbers)
    bits |= number < 63 ? int64_t(1) << number : -1;
  return bits;
}

LogicalResult KernelEmitter::finish() {
  Type pointer = pointerType(kernel.getContext());
  auto function = createFunction("_setup", {pointer, pointer});
  function->setAttr("weft.stages", module.getI64IntegerAttr(stageTasks.size()));
  function->setAttr("weft.temporaries", module.getI64IntegerAttr(temporaryBytes.size()));
  enter(function);
  currentLocation = kernel.getLoc();
  buffersPointer = nullptr;
  sizesPointer = function.getArgument(0);
  int64_t slot = 0;
  Type integer = module.getI64Type();
  auto store = [&](Value amount) {
    Value value = arith::IndexCastOp::create(current, location(), integer, amount);
    Value address = offset(function.getArgument(1), integer, index(slot++));
    LLVM::StoreOp::create(current, location(), value, address, 8);
  };
  for (auto *list : {&stageTasks, &temporaryBytes})
    for (auto &amount : *list)
      store(amount());
  SmallVector<int64_t> uses;
  if (!temporaryBytes.empty())
    for (auto part : {&Use::buffers, &Use::sizes})
      for (const Use &used : stageUses)
        uses.push_back(bitsOf(used.*part));
  for (int64_t bits : uses)
    store(index(bits));
  if (!uses.empty())
    function->setAttr("weft.uses", module.getDenseI64ArrayAttr(uses));
  func::ReturnOp::create(current, location());
  return failure(refused);
}

Value KernelEmitter::atEntry(function_ref<Value()> emit) {
  OpBuilder::InsertionGuard guard(current);
  if (lastEntryOp)
    current.setInsertionPointAfter(lastEntryOp);
  else
    current.setInsertionPointToStart(entryBlock);
  Value value = emit();
  if (value.getDefiningOp())
    lastEntryOp = &*std::prev(current.getInsertionPoint());
  return value;
}

Value KernelEmitter::symbol(int64_t number) {
  use.sizes.insert(number);
  Value &value = symbolValues[number];
  if (!value)
    value = atEntry([&]() -> Value {
      return arith::IndexCastOp::create(current, kernel.getLoc(), current.getIndexType(),
                                        readSize(number));
    });
  return value;
}

Value KernelEmitter::readSize(int64_t number) {
  Type integer = current.getI64Type();
  Value address =
      LLVM::GEPOp::create(current, kernel.getLoc(), sizesPointer.getType(), integer, sizesPointer,
                          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(number)});
  return LLVM::LoadOp::create(current, kernel.getLoc(), integer, address, 8);
}

Value KernelEmitter::parameter(int64_t number, Type type) {
  Value raw = launchParameter(number);
  return atEntry([&]() -> Value {
    Type integer = current.getI64Type(), real = current.getF64Type();
    Value bits = arith::IndexCastOp::create(current, location(), integer, raw);
    if (!isa<FloatType>(type))
      return type == integer ? bits
                             : Value(arith::TruncIOp::create(current, location(), type, bits));
    Value number = arith::BitcastOp::create(current, location(), real, bits);
    return type == real ? number
                        : Value(arith::TruncFOp::create(current, location(), type, number));
  });
}

Value KernelEmitter::buffer(unsigned number) {
  use.buffers.insert(number);
  Value &value = bufferValues[number];
  if (!value)
    value = atEntry([&] { return readBuffer(number); });
  return value;
}

Value KernelEmitter::behindBuffers() {
  Type pointer = pointerType(kernel.getContext());
  auto count = static_cast<int32_t>(outputBuffer(kernel.getResultTypes().size()));
  return LLVM::GEPOp::create(current, location(), pointer, pointer, buffersPointer,
                             ArrayRef<LLVM::GEPArg>{count});
}

Value KernelEmitter::readBuffer(unsigned number) {
  Type pointer = pointerType(kernel.getContext());
  Value address = LLVM::GEPOp::create(current, kernel.getLoc(), pointer, pointer, buffersPointer,
                                      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(number)});
  return LLVM::LoadOp::create(current, kernel.getLoc(), pointer, address);
}

Value KernelEmitter::product(ArrayRef<int64_t> symbols) {
  SmallVector<int64_t> sorted(symbols);
  llvm::sort(sorted);
  if (sorted.size() == 1)
    return symbol(sorted[0]);
  for (int64_t number : sorted)
    symbol(number);
  auto found = products.find(sorted);
  if (found != products.end())
    return found->second;
  Value shorter = sorted.empty() ? Value() : product(ArrayRef<int64_t>(sorted).drop_back());
  Value value = atEntry([&]() -> Value {
    if (!shorter)
      return arith::ConstantIndexOp::create(current, kernel.getLoc(), 1);
    return arith::MulIOp::create(current, kernel.getLoc(), shorter, symbol(sorted.back()));
  });
  products[sorted] = value;
  return value;
}

Value KernelEmitter::stride(Type type, unsigned dimension) {
  return product(symbolsOf(type).drop_front(dimension + 1));
}

Value KernelEmitter::size(Value tensor, unsigned dimension) {
  return symbol(symbolsOf(tensor.getType())[dimension]);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

KernelEmitter::Key KernelEmitter::keyOf(Value tensor, ArrayRef<ElementIndex> indices) const {
  Key key{tensor.getAsOpaquePointer()};
  for (const ElementIndex &index : indices) {
    key.push_back(index.base ? index.base.getAsOpaquePointer() : nullptr);
    key.push_back(numberKey(index.step));
    key.push_back(index.lanes ? index.lanes.getAsOpaquePointer() : nullptr);
  }
  return key;
}

Value KernelEmitter::remembered(const Key &key) const {
  for (auto &scope : llvm::reverse(scopes))
    if (auto found = scope.find(key); found != scope.end())
      return found->second;
  return {};
}

Value KernelEmitter::element(Value tensor, ArrayRef<ElementIndex> indices) {
  if (Value value = overrides.lookup(tensor))
    return value;
  Key key = keyOf(tensor, indices);
  if (Value known = remembered(key))
    return known;
  Location saved = currentLocation;
  if (Operation *definition = tensor.getDefiningOp())
    currentLocation = definition->getLoc();
  Value value = compute(tensor, indices);
  currentLocation = saved;
  scopes.back()[key] = value;
  return value;
}

Value KernelEmitter::compute(Value tensor, ArrayRef<ElementIndex> indices) {
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    Value value = reader ? reader(argument, indices) : Value();
    return value ? value : load(argument.getArgNumber(), argument.getType(), indices);
  }
  Operation *op = tensor.getDefiningOp();
  if (auto number = op->getAttrOfType<IntegerAttr>("parameter"))
    return parameter(number.getInt(), computeType(tensor));
  if (auto indexed = dyn_cast<IndexedOpInterface>(op))
    return indexed.emitElements(*this, cast<OpResult>(tensor).getResultNumber(), indices);
  auto elementwise = dyn_cast<ElementwiseOpInterface>(op);
  if (!elementwise)
    return refuse(op);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(element(operand, indices));
  unify(operands);
  Value value = elementwise.emitBody(current, location(), operands);
  return roundTo(value, getElementTypeOrSelf(tensor));
}

Value KernelEmitter::refuse(Operation *op) {
  if (!refused)
    op->emitOpError() << "is read where the template " << templateOf(kernel)->name()
                      << " does not have its value: it needs a kernel of its own";
  refused = true;
  auto zero = current.getZeroAttr(computeType(op->getResult(0)));
  return arith::ConstantOp::create(current, location(), cast<TypedAttr>(zero));
}

Value KernelEmitter::guarded(Value condition, Value otherwise, function_ref<Value()> body) {
  if (!isa<VectorType>(condition.getType()))
    return guardedByScalar(condition, otherwise, body);
  Value outer = laneMask;
  laneMask = outer ? arith::AndIOp::create(current, location(), outer, condition) : condition;
  scopes.emplace_back();
  Value inside = body();
  scopes.pop_back();
  laneMask = outer;
  Value values[] = {inside, otherwise};
  unify(values);
  values[0] = splat(values[0]);
  values[1] = splat(values[1]);
  return arith::SelectOp::create(current, location(), condition, values[0], values[1]);
}

Value KernelEmitter::guardedByScalar(Value condition, Value otherwise, function_ref<Value()> body) {
  // The type of the result is known once the body was emitted, so its ops move into the final `if`.
  auto draft = scf::IfOp::create(current, location(), condition, /*withElseRegion=*/false);
  Block *drafted = draft.thenBlock();
  current.setInsertionPoint(drafted->getTerminator());
  scopes.emplace_back();
  Value inside = body();
  scopes.pop_back();
  bool isVector = isa<VectorType>(inside.getType()) || isa<VectorType>(otherwise.getType());
  if (isVector)
    inside = splat(inside);
  current.setInsertionPoint(draft);
  if (isVector)
    otherwise = splat(otherwise);
  auto result = scf::IfOp::create(current, location(), TypeRange{inside.getType()}, condition,
                                  /*withElseRegion=*/true);
  Block *then = result.thenBlock();
  then->getOperations().splice(then->end(), drafted->getOperations(), drafted->begin(),
                               std::prev(drafted->end()));
  current.setInsertionPointToEnd(then);
  scf::YieldOp::create(current, location(), inside);
  current.setInsertionPointToEnd(result.elseBlock());
  scf::YieldOp::create(current, location(), otherwise);
  draft.erase();
  current.setInsertionPointAfter(result);
  return result.getResult(0);
}

//===----------------------------------------------------------------------===//
// Jams
//===----------------------------------------------------------------------===//

/// First in the keys of what is no element.
enum : int64_t { sumKey = 1, multipleKey, withinKey };

void KernelEmitter::withJam(ValueRange results, ArrayRef<SmallVector<Value>> places,
                            function_ref<void()> body) {
  for (Value result : results)
    for (const auto &outer : places) {
      Key key{result.getAsOpaquePointer()};
      for (Value position : outer)
        key.push_back(position.getAsOpaquePointer());
      knownInside.insert(key);
    }
  jammed = true;
  body();
  jammed = false;
  knownInside.clear();
}

bool KernelEmitter::areKnownInside(Value result, ArrayRef<ElementIndex> indices) {
  Key key{result.getAsOpaquePointer()};
  for (const ElementIndex &index : indices.drop_back()) {
    if (!index.isUniform())
      return false;
    key.push_back(index.base.getAsOpaquePointer());
  }
  return knownInside.count(key) > 0;
}

Value KernelEmitter::shared(const Key &key, function_ref<Value()> make) {
  if (!jammed)
    return make();
  if (Value known = remembered(key))
    return known;
  Value value = make();
  scopes.back()[key] = value;
  return value;
}

/// A value as another one, null for none, and a constant.
static std::pair<Value, int64_t> termsOf(Value value) {
  llvm::APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return {Value(), constant.getSExtValue()};
  auto sum = value.getDefiningOp<arith::AddIOp>();
  if (sum && matchPattern(sum.getRhs(), m_ConstantInt(&constant)))
    return {sum.getLhs(), constant.getSExtValue()};
  return {value, 0};
}

Value KernelEmitter::plus(Value x, int64_t constant) {
  if (!x || constant == 0)
    return x ? x : index(constant);
  return shared({numberKey(sumKey), x.getAsOpaquePointer(), numberKey(constant)},
                [&] { return ElementEmitter::sum(x, index(constant)); });
}

/// With one constant, the last term, so that sums that are equal look alike.
Value KernelEmitter::sum(Value x, Value y) {
  if (!jammed)
    return ElementEmitter::sum(x, y);
  auto [left, leftConstant] = termsOf(x);
  auto [right, rightConstant] = termsOf(y);
  Value terms = left ? left : right;
  if (left && right)
    terms = ElementEmitter::sum(left, right);
  return plus(terms, leftConstant + rightConstant);
}

Value KernelEmitter::multiple(Value x, int64_t factor) {
  if (!jammed)
    return ElementEmitter::multiple(x, factor);
  auto [term, constant] = termsOf(x);
  Value scaled;
  if (term)
    scaled = shared({numberKey(multipleKey), term.getAsOpaquePointer(), numberKey(factor)},
                    [&] { return ElementEmitter::multiple(term, factor); });
  return plus(scaled, constant * factor);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Type KernelEmitter::storedType(Type dtype) {
  if (dtype.isInteger(1))
    return IntegerType::get(dtype.getContext(), 8);
  if (isKeptAsBits(dtype))
    return IntegerType::get(dtype.getContext(), dtype.getIntOrFloatBitWidth());
  if (auto integer = dyn_cast<IntegerType>(dtype))
    return IntegerType::get(dtype.getContext(), integer.getWidth());
  return dtype;
}

static Value integerLike(OpBuilder &builder, Location location, Value like, int64_t value) {
  TypedAttr attribute = builder.getIntegerAttr(getElementTypeOrSelf(like), value);
  if (auto vector = dyn_cast<VectorType>(like.getType()))
    attribute = DenseElementsAttr::get(vector, attribute);
  return arith::ConstantOp::create(builder, location, attribute);
}

Value KernelEmitter::widen(Value stored, Type dtype) {
  OpBuilder &b = current;
  if (dtype.isInteger(1))
    return arith::CmpIOp::create(b, location(), arith::CmpIPredicate::ne, stored,
                                 integerLike(b, location(), stored, 0));
  if (dtype.isF16())
    return arith::ExtFOp::create(b, location(), typeLike(stored, b.getF32Type()), stored);
  return isKeptAsBits(dtype) ? emitFloatOfBits(b, location(), stored, dtype) : stored;
}

Value KernelEmitter::narrow(Value computed, Type dtype) {
  OpBuilder &b = current;
  if (dtype.isInteger(1))
    return arith::ExtUIOp::create(b, location(), typeLike(computed, b.getI8Type()), computed);
  if (dtype.isF16())
    return arith::TruncFOp::create(b, location(), typeLike(computed, dtype), computed);
  return isKeptAsBits(dtype) ? emitBitsOfFloat(b, location(), computed, dtype) : computed;
}

Value KernelEmitter::roundTo(Value computed, Type dtype) {
  OpBuilder &b = current;
  if (dtype.isF16()) {
    Value half = computed;
    if (!getElementTypeOrSelf(computed).isF16())
      half = arith::TruncFOp::create(b, location(), typeLike(computed, dtype), computed);
    return arith::ExtFOp::create(b, location(), typeLike(half, b.getF32Type()), half);
  }
  if (!isKeptAsBits(dtype))
    return computed;
  if (!getElementTypeOrSelf(computed).isF32())
    computed = arith::TruncFOp::create(b, location(), typeLike(computed, b.getF32Type()), computed);
  return emitRounded(b, location(), computed, dtype);
}

static unsigned bytesOf(Type stored) { return std::max(1u, stored.getIntOrFloatBitWidth() / 8); }

unsigned KernelEmitter::alignmentOf(Type stored, Value, int64_t) { return bytesOf(stored); }

Value KernelEmitter::allocate(Type stored, int64_t elements) {
  return atEntry([&]() -> Value {
    Value count = arith::ConstantIntOp::create(current, kernel.getLoc(), elements, 64);
    return LLVM::AllocaOp::create(current, kernel.getLoc(), pointerType(kernel.getContext()),
                                  stored, count, /*alignment=*/64);
  });
}

Value KernelEmitter::offset(Value pointer, Type stored, Value offset) {
  if (auto constant = offset.getDefiningOp<arith::ConstantIndexOp>())
    if (constant.value() == 0)
      return pointer;
  if (offset.getType().isIndex())
    offset = arith::IndexCastOp::create(current, location(), current.getI64Type(), offset);
  Type type = pointer.getType();
  if (auto vector = dyn_cast<VectorType>(offset.getType()))
    type = VectorType::get(vector.getShape(), type);
  return LLVM::GEPOp::create(current, location(), type, stored, pointer,
                             ArrayRef<LLVM::GEPArg>{offset});
}

Value KernelEmitter::loadVector(Value pointer, Type stored, int64_t count, unsigned alignment) {
  alignment = std::max(alignment, bytesOf(stored));
  if (count == 0)
    return LLVM::LoadOp::create(current, location(), stored, pointer, alignment);
  auto type = VectorType::get({count}, stored);
  if (!laneMask)
    return LLVM::LoadOp::create(current, location(), type, pointer, alignment);
  Value zero = arith::ConstantOp::create(current, location(), current.getZeroAttr(type));
  return LLVM::MaskedLoadOp::create(current, location(), type, pointer, laneMask, zero, alignment);
}

void KernelEmitter::prefetch(Value pointer, int64_t bytes) {
  Value address = offset(pointer, current.getI8Type(), index(bytes));
  LLVM::Prefetch::create(current, location(), address, /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

void KernelEmitter::prefetch(BlockArgument argument, ArrayRef<ElementIndex> indices,
                             int64_t bytes) {
  Type type = argument.getType(), stored = storedType(getElementTypeOrSelf(type));
  Value place = index(0);
  for (auto [d, position] : llvm::enumerate(indices))
    place = addIndex(place, multiplyIndex(position.base, stride(type, d)));
  prefetch(offset(buffer(argument.getArgNumber()), stored, place), bytes);
}

void KernelEmitter::storeVector(Value value, Value pointer, unsigned alignment) {
  alignment = std::max(alignment, bytesOf(getElementTypeOrSelf(value)));
  if (laneMask && isa<VectorType>(value.getType()))
    LLVM::MaskedStoreOp::create(current, location(), value, pointer, laneMask, alignment);
  else
    LLVM::StoreOp::create(current, location(), value, pointer, alignment);
}

/// The mask of an access to memory that needs one.
Value KernelEmitter::fullMask() {
  if (laneMask)
    return laneMask;
  return arith::ConstantOp::create(
      current, location(),
      DenseElementsAttr::get(VectorType::get({laneCount()}, current.getI1Type()), true));
}

Value KernelEmitter::gather(Value pointer, Type stored, Value offsets) {
  auto type = VectorType::get({laneCount()}, stored);
  Value addresses = offset(pointer, stored, offsets);
  Value zero = arith::ConstantOp::create(current, location(), current.getZeroAttr(type));
  return LLVM::masked_gather::create(current, location(), type, addresses, fullMask(),
                                     ValueRange{zero}, bytesOf(stored));
}

Value KernelEmitter::laneOffsets(Type type, ArrayRef<ElementIndex> indices) {
  Value offsets;
  for (auto [d, position] : llvm::enumerate(indices)) {
    if (position.isUniform())
      continue;
    ElementIndex lanePart = position;
    if (!position.lanes)
      lanePart.base = index(0);
    Value moved = toInteger(lanePart);
    if (d + 1 < indices.size()) {
      Value distance =
          arith::IndexCastOp::create(current, location(), current.getI64Type(), stride(type, d));
      moved = arith::MulIOp::create(current, location(), moved, splat(distance));
    }
    offsets = offsets ? Value(arith::AddIOp::create(current, location(), offsets, moved)) : moved;
  }
  return offsets;
}

KernelEmitter::Place KernelEmitter::placeOf(unsigned number, Type type,
                                            ArrayRef<ElementIndex> indices) {
  Place place{buffer(number), storedType(getElementTypeOrSelf(type)), index(0)};
  for (auto [d, position] : llvm::enumerate(indices)) {
    bool last = d + 1 == indices.size();
    if (!position.lanes)
      place.base = addIndex(place.base,
                            last ? position.base : multiplyIndex(position.base, stride(type, d)));
    place.isUniform &= position.isUniform();
    bool isAlongMemory = last && !position.lanes;
    place.isContiguous &= position.isUniform() || (isAlongMemory && position.step == 1);
    place.isEverySecond &= position.isUniform() || (isAlongMemory && position.step == 2);
  }
  place.pointer = offset(place.pointer, place.stored, place.base);
  return place;
}

/// Where what is computed at `indices` is in the result.
SmallVector<ElementIndex> KernelEmitter::placesInFrame(ArrayRef<ElementIndex> indices) {
  if (!framing)
    return SmallVector<ElementIndex>(indices);
  auto regroup = cast_or_null<RegroupOp>(framing->regroup);
  auto places = regroup ? regroup.emitPlace(*this, indices) : SmallVector<ElementIndex>(indices);
  for (auto [d, low] : llvm::enumerate(framing->starts))
    if (low != 0)
      places[d] = add(places[d], numberIndex(low));
  return places;
}

/// The lanes of `run`, `step` of whose elements each stands for one.
Value KernelEmitter::everyOf(Value run, int64_t step) {
  if (step == 1)
    return run;
  SmallVector<int64_t> wanted;
  for (int64_t lane = 0; lane < laneCount(); ++lane)
    wanted.push_back(lane * step);
  return vector::ShuffleOp::create(current, location(), run, run, wanted);
}

/// Twice as many neighbours, without those between: what is behind the last element may not be
/// there.
Value KernelEmitter::loadEverySecond(const Place &place) {
  int64_t count = laneCount();
  SmallVector<int64_t> spread;
  for (int64_t lane = 0; lane < count; ++lane)
    spread.append({lane, count});
  Value none = arith::ConstantOp::create(
      current, location(),
      DenseElementsAttr::get(VectorType::get({count}, current.getI1Type()), false));
  Value run, wanted = vector::ShuffleOp::create(current, location(), fullMask(), none, spread);
  withMask(wanted, [&] { run = loadVector(place.pointer, place.stored, 2 * count); });
  return everyOf(run, 2);
}

/// Of `count` neighbours from `first` on those that are in [0, size); none unless `condition`. One
/// comparison, of numbers of 32 bits: masks that are combined take much longer on AVX2.
Value KernelEmitter::neighboursWithin(Value first, Value size, int64_t count, Value condition) {
  auto numbers = llvm::to_vector(llvm::seq<int32_t>(0, static_cast<int32_t>(count)));
  Value offsets = arith::ConstantOp::create(current, location(), current.getI32VectorAttr(numbers));
  auto cut = [&](Value bound) { return maximumIndex(minimumIndex(bound, index(count)), index(0)); };
  auto spread = [&](Value number) -> Value {
    Value narrow = arith::IndexCastOp::create(current, location(), current.getI32Type(), number);
    return vector::BroadcastOp::create(current, location(), offsets.getType(), narrow);
  };
  Value low = cut(subtractIndex(index(0), first));
  Value length = cut(subtractIndex(cut(subtractIndex(size, first)), low));
  if (condition)
    length = arith::SelectOp::create(current, location(), condition, length, index(0));
  // Less as unsigned numbers, which AVX2 does not compare: both moved down by half of their range.
  Value half = index(int64_t(1) << 31);
  Value distance = arith::SubIOp::create(current, location(), offsets, spread(addIndex(low, half)));
  return arith::CmpIOp::create(current, location(), arith::CmpIPredicate::slt, distance,
                               spread(subtractIndex(length, half)));
}

/// Whether the indices of all `dimensions` but the innermost are there; null if there are none.
Value KernelEmitter::areWithin(Value tensor, ArrayRef<ElementIndex> indices,
                               ArrayRef<unsigned> dimensions) {
  Value all;
  for (unsigned d : dimensions) {
    if (d + 1 == indices.size())
      continue;
    Value length = size(tensor, d);
    Value isInside = shared(
        {numberKey(withinKey), indices[d].base.getAsOpaquePointer(), length.getAsOpaquePointer()},
        [&] { return isWithin(indices[d], length); });
    all = all ? Value(arith::AndIOp::create(current, location(), all, isInside)) : isInside;
  }
  return all;
}

/// A run of memory along the innermost dimension is read under a mask that says which elements
/// there are, whatever the lanes that count.
/// In a jam, a run that is either there or not is read under a mask as well, not in a branch.
Value KernelEmitter::elementWithin(Value tensor, ArrayRef<ElementIndex> indices,
                                   ArrayRef<unsigned> checked, Value otherwise) {
  auto argument = dyn_cast<BlockArgument>(tensor);
  unsigned innermost = indices.size() - 1;
  bool isRun = argument && !reader && !overrides.contains(tensor) && !indices.empty() &&
               !indices.back().lanes && (indices.back().step == 1 || indices.back().step == 2) &&
               llvm::all_of(indices.drop_back(), [](auto &index) { return index.isUniform(); });
  bool isCut = llvm::is_contained(checked, innermost);
  if (!isRun || !(isCut || (jammed && !checked.empty())))
    return ElementEmitter::elementWithin(tensor, indices, checked, otherwise);
  Value condition = areWithin(tensor, indices, checked);
  if (!isCut) {
    Key key = keyOf(tensor, indices);
    key.push_back(otherwise.getAsOpaquePointer());
    return shared(key, [&] {
      return guarded(splat(condition), otherwise, [&] { return element(tensor, indices); });
    });
  }
  Type dtype = getElementTypeOrSelf(tensor);
  Place place = placeOf(argument.getArgNumber(), tensor.getType(), indices);
  int64_t count = laneCount() * indices.back().step;
  Value mask = neighboursWithin(indices.back().base, size(tensor, innermost), count, condition),
        run;
  withMask(mask, [&] { run = widen(loadVector(place.pointer, place.stored, count), dtype); });
  Value background = vector::BroadcastOp::create(current, location(), run.getType(), otherwise);
  run = arith::SelectOp::create(current, location(), mask, run, background);
  return everyOf(run, indices.back().step);
}

Value KernelEmitter::load(unsigned number, Type type, ArrayRef<ElementIndex> indices) {
  Type dtype = getElementTypeOrSelf(type);
  Place place = placeOf(number, type, indices);
  Value stored;
  if (place.isUniform)
    stored = loadVector(place.pointer, place.stored, 0);
  else if (place.isContiguous)
    stored = loadVector(place.pointer, place.stored, laneCount(),
                        alignmentOf(place.stored, place.base, laneCount()));
  else if (place.isEverySecond)
    stored = loadEverySecond(place);
  else
    stored = gather(place.pointer, place.stored, laneOffsets(type, indices));
  return widen(stored, dtype);
}

Value KernelEmitter::loadOutput(unsigned output, ArrayRef<ElementIndex> indices) {
  return load(outputBuffer(output), kernel.getResultTypes()[output], indices);
}

void KernelEmitter::storeOutput(unsigned output, ArrayRef<ElementIndex> indices, Value value) {
  Type dtype = getElementTypeOrSelf(kernel.getResultTypes()[output]);
  Place place =
      placeOf(outputBuffer(output), kernel.getResultTypes()[output], placesInFrame(indices));
  unsigned alignment = place.isUniform ? 0 : alignmentOf(place.stored, place.base, laneCount());
  Value elements = place.isUniform ? value : splat(value);
  storeVector(narrow(elements, dtype), place.pointer, alignment);
}

/// Stores the elements of a vector `distance` apart, one by one.
void KernelEmitter::storeApart(Value elements, const Place &place, Value distance) {
  for (int64_t lane = 0; lane < laneCount(); ++lane) {
    Value element = vector::ExtractOp::create(current, location(), elements, lane);
    storeVector(element, offset(place.pointer, place.stored, multiplyIndex(index(lane), distance)));
  }
}

void KernelEmitter::scatterOutput(unsigned output, ArrayRef<ElementIndex> indices, Value value) {
  Type type = kernel.getResultTypes()[output], dtype = getElementTypeOrSelf(type);
  SmallVector<ElementIndex> places = placesInFrame(indices);
  Place place = placeOf(outputBuffer(output), type, places);
  if (place.isUniform || place.isContiguous)
    return storeOutput(output, indices, value);
  const auto *apart = llvm::find_if_not(places, [](auto &index) { return index.isUniform(); });
  bool isOneDistance =
      !apart->lanes && llvm::all_of(ArrayRef<ElementIndex>(std::next(apart), places.end()),
                                    [](auto &index) { return index.isUniform(); });
  if (isOneDistance && !laneMask)
    return storeApart(narrow(splat(value), dtype), place,
                      multiplyIndex(stride(type, apart - places.begin()), index(apart->step)));
  Value addresses = offset(place.pointer, place.stored, laneOffsets(type, places));
  LLVM::masked_scatter::create(current, location(), narrow(splat(value), dtype), addresses,
                               fullMask(), bytesOf(place.stored));
}

void KernelEmitter::storeResults(ArrayRef<ElementIndex> indices,
                                 function_ref<bool(Value)> isWanted) {
  for (auto [number, value] : resultsAt(indices, isWanted))
    storeOutput(number, indices, value);
}

Value KernelEmitter::computedResult(unsigned number) {
  return framing ? framing->computed : getYield().getValues()[number];
}

void KernelEmitter::storeNeighbours(ArrayRef<SmallVector<ElementIndex>> places) {
  SmallVector<SmallVector<std::pair<unsigned, Value>>> elements;
  for (const auto &indices : places)
    elements.push_back(resultsAt(indices, [](Value) { return true; }));
  for (auto [indices, results] : llvm::zip_equal(places, elements))
    for (auto [number, value] : results)
      storeOutput(number, indices, value);
}

void KernelEmitter::scatterResults(ArrayRef<ElementIndex> indices) {
  for (auto [number, value] : resultsAt(indices, [](Value) { return true; }))
    scatterOutput(number, indices, value);
}

SmallVector<std::pair<unsigned, Value>>
KernelEmitter::resultsAt(ArrayRef<ElementIndex> indices, function_ref<bool(Value)> isWanted) {
  SmallVector<std::pair<unsigned, Value>> elements;
  for (auto [number, value] : llvm::enumerate(getYield().getValues()))
    if (isWanted(value))
      elements.emplace_back(number, element(computedResult(number), indices));
  return elements;
}

} // namespace weft
