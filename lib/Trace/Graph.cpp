// Building weft functions.
#include "lib/Trace/Graph.h"

#include "dialects/Weft/IR/NarrowFloats.h"
#include "dialects/Weft/IR/Require.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include "lib/Support/Options.h"
#include "lib/Support/SymbolicSize.h"
#include "lib/Trace/GraphCollectives.h"
#include "lib/Trace/Promotion.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Verifier.h"
#include "passes/ControlFlow.h"
#include "passes/autodiff/Differentiate.h"
#include "passes/autodiff/PushForward.h"
#include "passes/batching/Batch.h"

using namespace mlir;
using namespace weft;

//===----------------------------------------------------------------------===//
// Types, attributes, locations
//===----------------------------------------------------------------------===//

RankedTensorType weft::tensorType(DType dtype, llvm::ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, elementTypeOf(&Compiler::instance().context(), dtype));
}

static Attribute attributeOf(Builder &builder, const AttributeValue &value) {
  if (auto *integer = std::get_if<int64_t>(&value))
    return builder.getI64IntegerAttr(*integer);
  if (auto *real = std::get_if<double>(&value))
    return builder.getF64FloatAttr(*real);
  if (auto *flag = std::get_if<bool>(&value))
    return builder.getBoolAttr(*flag);
  return builder.getDenseI64ArrayAttr(std::get<Shape>(value));
}

Location Graph::location(llvm::StringRef file, int line) {
  return FileLineColLoc::get(builder.getContext(), file, line, 0);
}

Location Graph::unknownLocation() { return builder.getUnknownLoc(); }

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Graph::Graph() : builder(&Compiler::instance().context()) {
  Location unknown = builder.getUnknownLoc();
  module = ModuleOp::create(unknown);
  builder.setInsertionPointToEnd(module->getBody());
  auto function = func::FuncOp::create(builder, unknown, "main", builder.getFunctionType({}, {}));
  main = block = function.addEntryBlock();
  builder.setInsertionPointToEnd(block);
}

ValueId Graph::record(Value value, bool weak) {
  values.push_back({value, weak});
  return values.size() - 1;
}

ValueId Graph::addInput(DType dtype, llvm::ArrayRef<int64_t> shape, bool weak) {
  return record(main->addArgument(tensorType(dtype, shape), builder.getUnknownLoc()), weak);
}

TensorSignature Graph::inputSignature(unsigned number) const {
  auto type = cast<RankedTensorType>(main->getArgument(number).getType());
  return {dtypeOf(type.getElementType()), type.getShape().vec()};
}

DType Graph::dtype(ValueId value) const {
  return dtypeOf(cast<RankedTensorType>(values[value].value.getType()).getElementType());
}

llvm::ArrayRef<int64_t> Graph::shape(ValueId value) const {
  return cast<RankedTensorType>(values[value].value.getType()).getShape();
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

Value Graph::promoted(Value value, DType dtype, llvm::ArrayRef<int64_t> shape, Location location) {
  auto type = cast<RankedTensorType>(value.getType());
  if (dtypeOf(type.getElementType()) != dtype) {
    type = RankedTensorType::get(type.getShape(), elementTypeOf(builder.getContext(), dtype));
    value = CastOp::create(builder, location, type, value);
  }
  if (type.getShape() == shape)
    return value;
  llvm::SmallVector<int64_t> dimensions;
  for (int64_t i = 0; i < type.getRank(); ++i)
    dimensions.push_back(shape.size() - type.getRank() + i);
  return BroadcastOp::create(builder, location, withShape(type, shape), value,
                             builder.getDenseI64ArrayAttr(dimensions));
}

static void checkDTypes(const OpInfo &op, llvm::ArrayRef<DType> dtypes) {
  for (size_t i = 0; i < dtypes.size(); ++i) {
    if (op.accepts(i, dtypes[i]))
      continue;
    std::string found = op.pythonName.str() + ": operand " + std::to_string(i + 1) + " has dtype " +
                        std::string(dtypeName(dtypes[i]));
    if (isFloat8(dtypes[i]))
      throw Error(Error::Kind::Type, found + ", which is kept and moved but not computed with; "
                                             "convert it by .astype(weft.float32)");
    uint8_t accepted = op.acceptances[op.operandCount < 0 ? 0 : i];
    std::string expected;
    for (auto [bit, name] : {std::pair{acceptsFloat, "floating"},
                             {acceptsComplex, "complex"},
                             {acceptsInteger, "integer"},
                             {acceptsBool, "bool"}})
      if (accepted & bit)
        expected += (expected.empty() ? "" : " or ") + std::string(name);
    throw Error(Error::Kind::Type,
                found + ", but has to be " + expected + "; convert it by astype");
  }
}

/// Builds the op and turns the diagnostics of a failure into an exception.
static Operation *createOrThrow(OpBuilder &builder, Location location, const OpCall &call,
                                ValueRange operands) {
  llvm::SmallVector<NamedAttribute> attributes;
  for (const NamedValue &attribute : call.attributes)
    attributes.emplace_back(builder.getStringAttr(attribute.name),
                            attributeOf(builder, attribute.value));
  llvm::SmallVector<Type, 1> types;
  if (call.op->explicitResult)
    types.push_back(tensorType(call.resultDType, call.resultShape));
  std::string message;
  Operation *created;
  {
    DiagnosticListener listener(*builder.getContext(), [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
        message += (message.empty() ? "" : "; ") + diagnostic.str();
    });
    created = createByName(builder, location, call.op->name, operands, attributes, types);
    if (created && failed(verify(created))) {
      created->erase();
      created = nullptr;
    }
  }
  if (created)
    return created;
  llvm::StringRef text = message;
  text.consume_front(("'" + call.op->name + "' op ").str());
  text.consume_front((call.op->pythonName + ": ").str());
  throw Error(Error::Kind::Value, call.op->pythonName.str() + ": " + text.str());
}

/// The number that a weak scalar was made of, if it is an integer and known.
static std::optional<int64_t> knownInteger(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat() ||
      !isa<IntegerType>(elements.getElementType()))
    return std::nullopt;
  APInt number = elements.getSplatValue<APInt>();
  return number.getBitWidth() == 1 ? number.getZExtValue() : number.getSExtValue();
}

DType Graph::dtypeAsOperand(const OpCall &call, ValueId number) const {
  bool isGiven = call.op->promotion == Promotion::None && call.op->explicitResult;
  return isGiven ? call.resultDType : defaultDType(dtype(number));
}

ValueId Graph::strengthened(const OpCall &call, ValueId number, Location location) {
  return cast(number, dtypeAsOperand(call, number), location);
}

llvm::SmallVector<ValueId, 1> Graph::apply(const OpCall &call, llvm::ArrayRef<ValueId> operands,
                                           Location location) {
  const OpInfo &op = *call.op;
  requirePresent(operands, op.pythonName);
  llvm::SmallVector<DType, 3> dtypes;
  llvm::SmallVector<OperandType, 3> types;
  for (ValueId operand : operands) {
    bool weak = isWeak(operand);
    types.push_back({dtype(operand), shape(operand), weak,
                     weak ? knownInteger(values[operand].value) : std::nullopt});
    dtypes.push_back(weak && op.promotion == Promotion::None ? dtypeAsOperand(call, operand)
                                                             : dtype(operand));
  }
  Promoted target;
  bool promotes = op.promotion != Promotion::None;
  if (promotes) {
    target = promote(op, types);
    dtypes = target.dtypes;
  }
  checkDTypes(op, dtypes);
  llvm::SmallVector<Value, 3> converted;
  for (size_t i = 0; i < operands.size(); ++i)
    converted.push_back(promoted(values[operands[i]].value, dtypes[i],
                                 promotes ? llvm::ArrayRef<int64_t>(target.shape) : types[i].shape,
                                 location));
  Operation *created = createOrThrow(builder, location, call, converted);
  checkLength();
  llvm::SmallVector<ValueId, 1> results;
  for (Value result : created->getResults())
    results.push_back(record(result, promotes && target.weak));
  return results;
}

/// The most operations of a function, those of its gradients included: what still is compiled in
/// minutes, and in the memory of an ordinary machine.
static size_t mostOperations() {
  static const auto limit =
      integerOption(processEnvironment, "WEFT_MAX_OPERATIONS", 1, int64_t(1) << 40);
  return limit.value_or(1'000'000);
}

void Graph::checkLength() {
  for (Operation *next = lastCounted      ? lastCounted->getNextNode()
                         : block->empty() ? nullptr
                                          : &block->front();
       next; next = next->getNextNode()) {
    lastCounted = next;
    ++length;
  }
  if (length > mostOperations())
    throw Error(Error::Kind::Unsupported,
                "the function has more than " + std::to_string(mostOperations()) +
                    " operations, as Python's loops are unrolled; make one a weft.scan or "
                    "weft.fori_loop, compile the body of the loop and call it in the loop, or set "
                    "WEFT_MAX_OPERATIONS");
}

ValueId Graph::constantAttribute(Attribute value, DType dtype, llvm::ArrayRef<int64_t> shape,
                                 bool weak, Location location) {
  RankedTensorType type = tensorType(dtype, shape);
  auto elements = cast<ElementsAttr>(DenseElementsAttr::get(type, value));
  return record(ConstantOp::create(builder, location, type, elements), weak);
}

ValueId Graph::constant(DType dtype, llvm::ArrayRef<int64_t> shape, double value, bool weak,
                        Location location) {
  if (isComplex(dtype))
    return constant(dtype, shape, std::complex<double>(value), location);
  Type element = elementTypeOf(builder.getContext(), dtype);
  if (!isFloating(dtype))
    return constant(dtype, shape, dtype == DType::Bool ? int64_t(value != 0) : int64_t(value), weak,
                    location);
  APFloat number = roundedTo(APFloat(value), cast<FloatType>(element).getFloatSemantics());
  return constantAttribute(builder.getFloatAttr(element, number), dtype, shape, weak, location);
}

ValueId Graph::constant(DType dtype, llvm::ArrayRef<int64_t> shape, int64_t value, bool weak,
                        Location location) {
  Type element = elementTypeOf(builder.getContext(), dtype);
  if (auto type = dyn_cast<FloatType>(element)) {
    // Through float64 where the format may not hold the integer at all.
    APFloat number(isFloat8(dtype) ? APFloat::IEEEdouble() : type.getFloatSemantics());
    number.convertFromAPInt(APInt(64, uint64_t(value)), true, APFloat::rmNearestTiesToEven);
    number = roundedTo(number, type.getFloatSemantics());
    return constantAttribute(builder.getFloatAttr(element, number), dtype, shape, weak, location);
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  llvm::APInt word(bits, dtype == DType::Bool ? value != 0 : uint64_t(value), false, true);
  return constantAttribute(builder.getIntegerAttr(element, word), dtype, shape, weak, location);
}

ValueId Graph::constant(DType dtype, llvm::ArrayRef<int64_t> shape, std::complex<double> value,
                        Location location) {
  Type part = elementTypeOf(builder.getContext(), partDType(dtype));
  auto rounded = [&](double number) { return FloatAttr::get(part, number).getValue(); };
  RankedTensorType type = tensorType(dtype, shape);
  auto elements = cast<ElementsAttr>(DenseElementsAttr::get(
      type, std::complex<APFloat>(rounded(value.real()), rounded(value.imag()))));
  return record(ConstantOp::create(builder, location, type, elements), false);
}

ValueId Graph::sizeValue(int64_t size, bool weak, Location location) {
  return record(SizeOp::create(builder, location, tensorType(DType::Int64, {}), size), weak);
}

ValueId Graph::cast(ValueId value, DType dtype, Location location) {
  requirePresent(value, "astype");
  return record(promoted(values[value].value, dtype, shape(value), location), false);
}

ValueId Graph::alias(ValueId value, Location location) {
  requirePresent(value, "grad");
  Value source = values[value].value;
  return record(ReshapeOp::create(builder, location, source.getType(), source), isWeak(value));
}

//===----------------------------------------------------------------------===//
// Rewriting and finishing
//===----------------------------------------------------------------------===//

llvm::SmallVector<Value> Graph::select(llvm::ArrayRef<ValueId> ids) const {
  return llvm::map_to_vector(ids, [&](ValueId id) { return values[id].value; });
}

llvm::SmallVector<Value>
Graph::built(llvm::StringRef what,
             llvm::function_ref<llvm::FailureOr<llvm::SmallVector<Value>>()> build) {
  std::string message;
  llvm::FailureOr<llvm::SmallVector<Value>> result = failure();
  {
    DiagnosticListener listener(*builder.getContext(), [&](Diagnostic &diagnostic) {
      if (message.empty())
        message = diagnostic.str();
    });
    result = build();
  }
  builder.setInsertionPointToEnd(block);
  if (failed(result))
    throw Error(Error::Kind::Unsupported, what.str() + ": " + message);
  checkLength();
  return *result; // NOLINT(bugprone-unchecked-optional-access): it is checked above
}

llvm::SmallVector<std::optional<ValueId>> Graph::gradients(llvm::ArrayRef<ValueId> outputs,
                                                           llvm::ArrayRef<ValueId> cotangents,
                                                           llvm::ArrayRef<ValueId> inputs) {
  requirePresent(outputs, "gradient");
  requirePresent(cotangents, "gradient");
  llvm::DenseMap<Value, Value> replaced;
  llvm::SmallVector<Value> gradients = built("gradient", [&] {
    return buildGradients(builder, select(outputs), select(cotangents), select(inputs), &replaced);
  });
  return recordAll(gradients, replaced);
}

llvm::SmallVector<std::optional<ValueId>>
Graph::recordAll(llvm::ArrayRef<Value> made, const llvm::DenseMap<Value, Value> &replaced) {
  if (!replaced.empty())
    for (Entry &entry : values)
      if (Value other = replaced.lookup(entry.value))
        entry.value = other;
  // A trace goes on behind what was built: tokens that it holds are the last one.
  if (std::optional<Value> last = orderCollectives(*block))
    for (Entry &entry : values)
      if (entry.gone == Gone::No)
        entry.value = currentToken(*block, entry.value, *last);
  llvm::SmallVector<std::optional<ValueId>> ids;
  for (Value value : made)
    ids.push_back(value ? std::optional(record(value, false)) : std::nullopt);
  return ids;
}

llvm::SmallVector<std::optional<ValueId>> Graph::tangents(llvm::ArrayRef<ValueId> outputs,
                                                          llvm::ArrayRef<ValueId> inputs,
                                                          llvm::ArrayRef<ValueId> tangents) {
  requirePresent(outputs, "jvp");
  requirePresent(tangents, "jvp");
  llvm::DenseMap<Value, Value> replaced;
  size_t before = block->getOperations().size(), counted = length;
  llvm::SmallVector<Value> made = built("jvp", [&] {
    return buildTangents(builder, select(outputs), select(inputs), select(tangents), replaced);
  });
  // Most are built between ops that are counted already.
  length = counted + block->getOperations().size() - before;
  lastCounted = block->empty() ? nullptr : &block->back();
  checkLength();
  return recordAll(made, replaced);
}

ValueId Graph::example(ValueId batch, Location location) {
  requirePresent(batch, "vmap");
  openExamples.push_back(record(buildExample(builder, location, values[batch].value), false));
  return openExamples.back();
}

llvm::DenseSet<Value> Graph::valuesOfExamples() const {
  return openExamples.empty() ? llvm::DenseSet<Value>()
                              : dependentsOf(*block, select(openExamples));
}

llvm::SmallVector<std::optional<ValueId>> Graph::batched(llvm::ArrayRef<ValueId> outputs,
                                                         llvm::ArrayRef<ValueId> examples,
                                                         llvm::ArrayRef<ValueId> batches,
                                                         int64_t count) {
  requirePresent(outputs, "vmap");
  llvm::SmallVector<Value> results = built("vmap", [&] {
    return buildBatched(builder, select(outputs), select(examples), select(batches), count);
  });
  replaceCollectivesOf(*block, select(examples));
  return recordAll(results, llvm::DenseMap<Value, Value>());
}

void Graph::forget(llvm::ArrayRef<ValueId> examples) {
  if (examples.empty())
    return;
  llvm::erase_if(openExamples, [&](ValueId id) { return llvm::is_contained(examples, id); });
  llvm::DenseSet<Value> gone = dependentsOf(*block, select(examples));
  for (size_t id = *llvm::min_element(examples); id < values.size(); ++id)
    if (gone.contains(values[id].value))
      values[id].gone = Gone::Example;
}

void Graph::requirePresent(llvm::ArrayRef<ValueId> ids, llvm::StringRef user) const {
  for (ValueId id : ids)
    if (values[id].gone == Gone::Example)
      throw Error(Error::Kind::Unsupported,
                  user.str() + ": a tensor of one example has left the function that weft.vmap "
                               "maps; return it from there instead");
    else if (values[id].gone == Gone::Region)
      throw Error(Error::Kind::Unsupported,
                  user.str() + ": a tensor that the body of a loop or a branch computes has left "
                               "it; return it from there instead");
}

llvm::SmallVector<Operation *> Graph::operationsSince(Operation *last) const {
  llvm::SmallVector<Operation *> found;
  for (auto next = last ? std::next(last->getIterator()) : block->begin(); next != block->end();
       ++next)
    found.push_back(&*next);
  return found;
}

llvm::SmallVector<ValueId> Graph::inlineCall(ModuleOp callee, llvm::ArrayRef<ValueId> arguments,
                                             llvm::function_ref<Operation *(Operation &)> known) {
  requirePresent(arguments, "jit");
  auto function = callee.lookupSymbol<func::FuncOp>("main");
  IRMapping mapping;
  for (auto [parameter, argument] : llvm::zip(function.getArguments(), arguments))
    mapping.map(parameter, values[argument].value);
  llvm::SmallVector<ValueId> results;
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (Operation *found = known ? known(op) : nullptr)
      mapping.map(op.getResults(), found->getResults());
    else
      builder.clone(op, mapping);
  }
  checkLength();
  for (Value result : function.getBody().front().getTerminator()->getOperands())
    results.push_back(record(mapping.lookupOrDefault(result), false));
  return results;
}

void Graph::require(int64_t size, const std::string &error) {
  auto isSame = [&](const auto &other) { return other.first == size; };
  bool isNumber = !isSymbolicSize(size);
  if ((isNumber && size >= 0) || llvm::any_of(required, isSame))
    return;
  // A region is not run in each call.
  if (!openRegions.empty())
    RequireOp::create(builder, builder.getUnknownLoc(),
                      isNumber ? ShapeAttr() : ShapeAttr::get(builder.getContext(), size), error);
  else if (isNumber)
    throw Error(Error::Kind::Value, error);
  else
    required.push_back({size, error});
}

OwningOpRef<ModuleOp> Graph::finish(llvm::ArrayRef<ValueId> outputs) {
  requirePresent(outputs, "jit");
  markCollectives(*block);
  endedRegions.clear();
  droppedRegions.clear();
  llvm::SmallVector<Value> results = select(outputs);
  func::ReturnOp::create(builder, builder.getUnknownLoc(), results);
  auto function = cast<func::FuncOp>(main->getParentOp());
  function.setFunctionType(
      builder.getFunctionType(main->getArgumentTypes(), TypeRange(ValueRange(results))));
  if (!required.empty()) {
    llvm::SmallVector<int64_t> sizes;
    llvm::SmallVector<StringRef> errors;
    for (const auto &[size, error] : required) {
      sizes.push_back(size);
      errors.push_back(error);
    }
    function->setAttr("weft.conditions", ShapeAttr::get(builder.getContext(), sizes));
    function->setAttr("weft.errors", builder.getStrArrayAttr(errors));
  }
  // All at once: the list of attributes is made anew each time it is set.
  auto mark = [&](StringRef name) {
    return builder.getDictionaryAttr(builder.getNamedAttr(name, builder.getUnitAttr()));
  };
  llvm::SmallVector<DictionaryAttr> attributes(function.getNumArguments(),
                                               builder.getDictionaryAttr({}));
  for (unsigned number : hidden)
    attributes[number] = mark("weft.hidden");
  for (unsigned number : donated)
    attributes[number] = mark("weft.donated");
  if (!donated.empty() || !hidden.empty())
    function.setAllArgAttrs(attributes);
  values.clear();
  return std::move(module);
}
