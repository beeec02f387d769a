// Tracing and executing single ops.
#include "python/src/Dispatch.h"

#include "lib/Runtime/Executor.h"
#include "lib/Support/Interpreter.h"
#include "lib/Trace/ExecutableCache.h"
#include "lib/Trace/Placement.h"
#include "lib/Trace/Promotion.h"
#include "lib/Trace/TapeRegions.h"
#include "python/src/Conversion.h"
#include "python/src/Errors.h"
#include "python/src/FixedExponents.h"
#include "python/src/Recording.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"

#include <limits>

using namespace weft;

EagerStatistics weft::eagerStatistics;

//===----------------------------------------------------------------------===//
// In a trace
//===----------------------------------------------------------------------===//

static ValueId tracedScalar(TraceScope &scope, PyObject *scalar, mlir::Location location) {
  if (auto size = symbolicSizeOf(scalar))
    return scope.graph.sizeValue(*size, /*weak=*/true, location);
  if (PyFloat_CheckExact(scalar))
    return scope.graph.constant(DType::Float64, {}, PyFloat_AS_DOUBLE(scalar), true, location);
  return scope.graph.constant(weakDType(scalar), {}, int64From(scalar), true, location);
}

/// An integer among the arguments meets tensors of a narrower dtype: the trace is for integers that
/// fit into it. One that does not is taken as a literal, which promotion compares or refuses.
static void checkRanges(TraceScope &scope, const OpCall &call, Operands &operands) {
  if (call.op->promotion == Promotion::None)
    return;
  std::optional<DType> common;
  for (const Operand &operand : llvm::drop_begin(operands, call.op->unpromotedOperands))
    if (!operand.scalar && !asTensor(operand.object)->value.weak) {
      DType dtype = asTensor(operand.object)->value.dtype;
      common = common ? commonDType(*common, dtype, call.op->pythonName.str()) : dtype;
    }
  if (!common || !isInteger(*common) || *common == DType::Int64)
    return;
  for (Operand &operand : operands) {
    if (operand.scalar || !asTensor(operand.object)->value.isTracer())
      continue;
    ValueId id = asTensor(operand.object)->value.id;
    PyObject *number = scope.scalarValue(id);
    if (!number || !PyLong_CheckExact(number))
      continue;
    if (numberFits(number, *common)) {
      scope.requireFit(id, *common);
    } else {
      operand.converted = scope.specialize(id);
      // No integer that an argument can be is below all of uint64 but a negative one.
      if (call.op->compares && *common == DType::UInt64)
        operand.converted = checked(PyFloat_FromDouble(-std::numeric_limits<double>::infinity()));
      operand.object = operand.converted.get();
      operand.scalar = true;
    }
  }
}

/// A number among the arguments becomes an integer of some dtype: one that does not fit is refused,
/// as outside.
static void checkConversion(TraceScope &scope, const OpCall &call, const Operands &operands) {
  static const OpInfo &cast = requireOp("weft.cast");
  if (call.op != &cast || !isInteger(call.resultDType) || operands[0].scalar)
    return;
  const TensorValue &value = asTensor(operands[0].object)->value;
  PyObject *number = value.isTracer() ? scope.scalarValue(value.id) : nullptr;
  if (!number || PyBool_Check(number))
    return;
  if (PyLong_CheckExact(number) && numberFits(number, call.resultDType)) {
    scope.requireFit(value.id, call.resultDType);
  } else {
    PyRef known = scope.specialize(value.id);
    scalarArray(known.get(), call.resultDType);
  }
}

static Results applyTraced(TraceScope &scope, const OpCall &call, Operands &operands,
                           Caller caller) {
  ++eagerStatistics.tracedOps;
  mlir::Location location = scope.location();
  checkRanges(scope, call, operands);
  checkConversion(scope, call, operands);
  llvm::SmallVector<ValueId, 3> ids, withGradients;
  for (const Operand &operand : operands) {
    if (operand.scalar) {
      ids.push_back(tracedScalar(scope, operand.object, location));
      continue;
    }
    TensorObject *tensor = asTensor(operand.object);
    ValueId id = scope.read(tensor);
    bool tracked = tensor->isTracked();
    if (tracked && !gradientsEnabled)
      id = scope.detached(id, location);
    if (tracked && gradientsEnabled)
      withGradients.push_back(id);
    ids.push_back(id);
  }
  auto isWeak = [&](ValueId id) { return scope.graph.isWeak(id); };
  auto promoted = llvm::MutableArrayRef<ValueId>(ids).drop_front(
      std::min<size_t>(ids.size(), call.op->unpromotedOperands));
  if (caller == Caller::Function && llvm::all_of(promoted, isWeak))
    for (ValueId &id : promoted)
      id = scope.graph.strengthened(call, id, location);
  Results results;
  for (ValueId result : scope.graph.apply(call, ids, location)) {
    scope.rememberLine(result);
    TensorValue value = scope.tracer(result);
    bool inexact = isInexact(value.dtype);
    PyRef tensor = checked(newTensor(std::move(value)));
    bool differentiable = !withGradients.empty() && inexact && call.op->differentiable;
    if (differentiable)
      scope.noteHistory(result, withGradients);
    asTensor(tensor.get())->requiresGrad = differentiable;
    asTensor(tensor.get())->derived = differentiable;
    results.push_back(std::move(tensor));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// At once
//===----------------------------------------------------------------------===//

static ExecutableCache &eagerCache() {
  static ExecutableCache &cache = *new ExecutableCache(16384);
  return cache;
}

[[noreturn]] static void refuseDevices(const OpCall &call, const Operands &operands) {
  std::string places;
  Device *first = nullptr;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].scalar)
      continue;
    Device *device = asTensor(operands[i].object)->value.storage->device();
    if (places.empty())
      first = device;
    places += (places.empty() ? "operand " : ", operand ") + std::to_string(i + 1) + " on " +
              deviceName(device);
  }
  throwError("DeviceError", call.op->pythonName.str() + ": the operands are on several devices (" +
                                places + "); move them to one, as by .to(\"" + deviceName(first) +
                                "\")");
}

/// Where the op is executed: on the one device of all tensors among the operands. Throws if one has
/// no value.
static Device *deviceOf(const OpCall &call, const Operands &operands) {
  const Operand *first = nullptr;
  Device *device = call.device;
  for (const Operand &operand : operands) {
    if (operand.scalar)
      continue;
    TensorObject *tensor = asTensor(operand.object);
    if (!tensor->value.storage)
      requireConcrete(tensor, call.op->pythonName.str().c_str());
    Device *own = tensor->value.storage->device();
    if (first && own != device)
      refuseDevices(call, operands);
    first = &operand;
    device = own;
  }
  return device;
}

/// The value of a Python integer or bool.
static std::optional<int64_t> knownInteger(PyObject *scalar) {
  return PyLong_Check(scalar) ? std::optional(int64From(scalar)) : std::nullopt;
}

/// What eager calls turn their operands into.
static llvm::SmallVector<Array, 3> operandArrays(const OpCall &call, const Operands &operands,
                                                 Device *device) {
  bool anyScalar = false;
  for (const Operand &operand : operands)
    anyScalar |= operand.scalar;
  Promoted promoted;
  if (anyScalar && call.op->promotion != Promotion::None) {
    llvm::SmallVector<OperandType, 3> types;
    for (const Operand &operand : operands) {
      if (operand.scalar)
        types.push_back({weakDType(operand.object), {}, true, knownInteger(operand.object)});
      else
        types.push_back(
            {asTensor(operand.object)->value.dtype, asTensor(operand.object)->value.shape, false});
    }
    promoted = promote(*call.op, types);
  }
  llvm::SmallVector<Array, 3> arrays;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!operands[i].scalar) {
      const TensorValue &value = asTensor(operands[i].object)->value;
      arrays.emplace_back(value.storage, value.dtype, value.shape);
      continue;
    }
    DType dtype = promoted.dtypes.empty() || promoted.weak
                      ? defaultDType(weakDType(operands[i].object))
                      : promoted.dtypes[i];
    arrays.push_back(scalarArray(operands[i].object, dtype));
    if (device)
      arrays.back() = scalarOn(device, arrays.back());
  }
  return arrays;
}

/// Whether the memory of an op's first operand may become that of its result.
enum class FirstOperand : uint8_t { Kept, Donated };

/// The results that an executable computes: one, by its number, or all.
using WantedResult = std::optional<unsigned>;

static std::shared_ptr<const Executable> compileOne(const OpCall &call,
                                                    llvm::ArrayRef<Array> arrays, Device *device,
                                                    FirstOperand first, WantedResult wanted) {
  ++eagerStatistics.compiles;
  Graph graph;
  SourceLine line = userLine();
  mlir::Location location =
      line.known() ? graph.location(line.file, line.line) : graph.unknownLocation();
  llvm::SmallVector<ValueId, 3> ids;
  for (const Array &array : arrays)
    ids.push_back(graph.addInput(array.dtype, array.shape));
  if (first == FirstOperand::Donated)
    graph.donateInput(0);
  auto results = graph.apply(call, ids, location);
  if (wanted)
    results = {results[*wanted]};
  CompileOptions options;
  options.device = device;
  return Compiler::instance().compile(*graph.finish(results), options);
}

bool weft::releasesInterpreter(const Plan &plan) {
  // A loop may take any time, whatever it works on.
  if (llvm::any_of(plan.steps, [](const Step &step) { return std::holds_alternative<Loop>(step); }))
    return true;
  constexpr uint64_t worthwhileBytes = 1 << 18;
  uint64_t bytes = plan.arenaBytes;
  for (const TensorSignature &input : plan.inputs)
    bytes += input.bytes();
  return bytes >= worthwhileBytes;
}

template <typename Inputs>
static void executeAny(const Executable &executable, Inputs inputs, std::span<StorageRef> outputs) {
  if (!releasesInterpreter(executable.plan)) {
    execute(executable.plan, inputs, outputs);
    return;
  }
  InterpreterReleased released;
  execute(executable.plan, inputs, outputs);
}

void weft::executeReleasing(const Executable &executable, std::span<Storage *const> inputs,
                            std::span<StorageRef> outputs) {
  executeAny(executable, inputs, outputs);
}

void weft::executeReleasing(const Executable &executable, std::span<const StorageRef> inputs,
                            std::span<StorageRef> outputs) {
  executeAny(executable, inputs, outputs);
}

/// Whether backward may come to an op.
static bool isRecorded(const OpCall &call, const Operands &operands) {
  return gradientsEnabled && call.op->differentiable &&
         llvm::any_of(operands, [](const Operand &operand) {
           return !operand.scalar && asTensor(operand.object)->isTracked();
         });
}

static void recordOnTape(const OpCall &call, const Operands &operands, llvm::ArrayRef<Array> arrays,
                         llvm::ArrayRef<PyRef> results) {
  bool anyInexact = llvm::any_of(
      results, [](const PyRef &result) { return isInexact(asTensor(result.get())->value.dtype); });
  if (!anyInexact)
    return;
  // Before the node, which has a greater number than those that it reads.
  llvm::SmallVector<TapeInput, 2> inputs;
  for (size_t i = 0; i < operands.size(); ++i)
    inputs.push_back(recordedInput(
        owned(arrays[i]), operands[i].scalar ? Origin() : asTensor(operands[i].object)->origin()));
  auto node = std::make_shared<TapeNode>();
  node->call = call;
  node->inputs = std::move(inputs);
  for (const PyRef &result : results)
    node->outputs.push_back(asTensor(result.get())->value.array());
  for (auto [number, result] : llvm::enumerate(results)) {
    TensorObject *tensor = asTensor(result.get());
    if (isInexact(tensor->value.dtype)) {
      tensor->node = node;
      tensor->nodeResult = static_cast<uint32_t>(number);
      tensor->requiresGrad = true;
    } else {
      node->release(static_cast<uint32_t>(number));
    }
  }
}

static std::shared_ptr<const Executable> executableFor(const OpCall &call,
                                                       llvm::ArrayRef<Array> arrays, Device *device,
                                                       FirstOperand first,
                                                       WantedResult wanted = {}) {
  ++eagerStatistics.calls;
  Key key;
  if (device)
    key.push_back(reinterpret_cast<intptr_t>(device));
  call.appendKey(key);
  for (const Array &array : arrays)
    appendSignature(key, array.dtype, array.shape);
  // No part of other keys.
  if (first == FirstOperand::Donated)
    key.push_back(std::numeric_limits<int64_t>::min());
  if (wanted)
    key.push_back(std::numeric_limits<int64_t>::min() + 1 + *wanted);
  std::shared_ptr<const Executable> executable = eagerCache().find(key);
  if (!executable)
    executable = eagerCache().insert(key, compileOne(call, arrays, device, first, wanted));
  return executable;
}

/// Tensors with the results of an executable.
static Results resultTensors(const Executable &executable,
                             llvm::MutableArrayRef<StorageRef> outputs) {
  Results results;
  for (auto [output, signature] : llvm::zip_equal(outputs, executable.plan.outputs)) {
    results.push_back(checked(newTensor({})));
    asTensor(results.back().get())->value.set(std::move(output), signature.dtype, signature.shape);
  }
  return results;
}

static Results applyEager(const OpCall &call, const Operands &operands, WantedResult wanted = {}) {
  RecordedCall recordedCall("operation", call.op->pythonName.data());
  Device *device = deviceOf(call, operands);
  llvm::SmallVector<Array, 3> arrays = operandArrays(call, operands, device);
  bool recorded = isRecorded(call, operands);
  if (recorded)
    wanted.reset();
  auto executable = executableFor(call, arrays, device, FirstOperand::Kept, wanted);
  llvm::SmallVector<Storage *, 3> inputs;
  for (const Array &array : arrays)
    inputs.push_back(array.storage.get());
  llvm::SmallVector<StorageRef, 1> outputs(executable->plan.outputs.size());
  executeReleasing(*executable, std::span<Storage *const>(inputs.data(), inputs.size()),
                   {outputs.data(), outputs.size()});
  Results results = resultTensors(*executable, outputs);
  if (recorded)
    recordOnTape(call, operands, arrays, results);
  return results;
}

PyRef weft::dispatchInto(TensorObject *base, llvm::ArrayRef<int64_t> shape, const OpCall &call,
                         const Operands &others) {
  RecordedCall recordedCall("operation", call.op->pythonName.data());
  Operands operands = {{asObject(base), {}, false}};
  llvm::append_range(operands, others);
  Device *device = deviceOf(call, operands);
  llvm::SmallVector<Array, 3> arrays = operandArrays(call, operands, device);
  arrays[0].shape.assign(shape.begin(), shape.end());
  auto executable = executableFor(call, arrays, device, FirstOperand::Donated);
  llvm::SmallVector<StorageRef, 3> inputs;
  for (Array &array : arrays)
    inputs.push_back(std::move(array.storage));
  base->value.storage = StorageRef();
  StorageRef output;
  try {
    executeReleasing(*executable, std::span<const StorageRef>(inputs.data(), inputs.size()),
                     {&output, 1});
  } catch (...) {
    base->value.storage = inputs[0];
    throw;
  }
  return std::move(resultTensors(*executable, output)[0]);
}

//===----------------------------------------------------------------------===//
// Both
//===----------------------------------------------------------------------===//

/// Operands in the dtypes that the thread's autocast wants for the op. The conversions are ops that
/// gradients flow through. float64 stays, and so do numbers, which have no dtype of their own.
static void castOperands(const OpCall &call, Operands &operands) {
  static const OpInfo &cast = requireOp("weft.cast");
  if (!autocastDType || call.op->autocast == Autocast::None)
    return;
  OpCall conversion(cast);
  conversion.resultDType = call.op->autocast == Autocast::Low ? *autocastDType : DType::Float32;
  for (Operand &operand : operands) {
    if (operand.scalar)
      continue;
    const TensorValue &value = asTensor(operand.object)->value;
    bool isNarrow =
        isInexact(value.dtype) && !isComplex(value.dtype) && dtypeSize(value.dtype) <= 4;
    if (value.weak || !isNarrow || value.dtype == conversion.resultDType)
      continue;
    conversion.resultShape = value.shape;
    operand.converted = dispatch(conversion, {asTensor(operand.object)});
    operand.object = operand.converted.get();
  }
}

Results weft::dispatchAll(const OpCall &call, Operands &operands, Caller caller) {
  if (operands.size() == 2 && operands[1].scalar && !operands[0].scalar) {
    // The dtype of a weak base is not decided yet.
    const TensorValue &base = asTensor(operands[0].object)->value;
    if (auto fixed = withFixedExponent(call, base.dtype, operands[1].object); fixed && !base.weak) {
      Operands alone = {operands[0]};
      return dispatchAll(*fixed, alone, caller);
    }
  }
  castOperands(call, operands);
  if (currentScope)
    return applyTraced(*currentScope, call, operands, caller);
  return applyEager(call, operands);
}

PyRef weft::dispatchOne(const OpCall &call, Operands &operands, unsigned result) {
  castOperands(call, operands);
  Results results = currentScope ? applyTraced(*currentScope, call, operands, Caller::Function)
                                 : applyEager(call, operands, result);
  return std::move(results[results.size() == 1 ? 0 : result]);
}

PyRef weft::dispatch(const OpCall &call, Operands &operands, Caller caller) {
  return std::move(dispatchAll(call, operands, caller)[0]);
}

PyRef weft::dispatch(const OpCall &call, std::initializer_list<TensorObject *> tensors) {
  Operands operands;
  for (TensorObject *tensor : tensors)
    operands.push_back({asObject(tensor), {}, false});
  return dispatch(call, operands, Caller::Function);
}
