// Dispatch of ops.
#include "python/src/Apply.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Executor.h"
#include "lib/Support/Interpreter.h"
#include "lib/Trace/ExecutableCache.h"
#include "lib/Trace/Placement.h"
#include "lib/Trace/Promotion.h"
#include "python/src/Errors.h"
#include "python/src/FixedExponents.h"
#include "python/src/Hooks.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"

#include "llvm/ADT/APFloat.h"

#include <cstring>
#include <limits>

using namespace weft;

EagerStatistics weft::eagerStatistics;

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

static PyObject *dtypeObjects[dtypeCount];

void weft::registerDTypes(PyObject *sequence) {
  for (size_t i = 0; i < dtypeCount; ++i)
    dtypeObjects[i] = checked(PySequence_GetItem(sequence, Py_ssize_t(i))).release();
}

PyObject *weft::dtypeObject(DType dtype) { return dtypeObjects[static_cast<size_t>(dtype)]; }

DType weft::dtypeFrom(PyObject *object) {
  for (size_t i = 0; i < dtypeCount; ++i)
    if (dtypeObjects[i] == object)
      return static_cast<DType>(i);
  PyRef found = checked(PyObject_CallOneArg(hook(Hook::AsDType), object));
  for (size_t i = 0; i < dtypeCount; ++i)
    if (dtypeObjects[i] == found.get())
      return static_cast<DType>(i);
  throwError("DTypeError", "not a dtype of weft");
}

Shape weft::shapeFrom(PyObject *object, const char *what) {
  Shape shape;
  bool isSequence = PyTuple_Check(object) || PyList_Check(object);
  if (PyLong_Check(object) || (!isSequence && symbolicSizeOf(object))) {
    shape.push_back(sizeFrom(object, what));
    return shape;
  }
  PyRef items = PyRef::steal(PySequence_Fast(object, ""));
  if (!items)
    throwError("DTypeError", std::string(what) + " has to be a sequence of integers");
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i)
    shape.push_back(sizeFrom(PySequence_Fast_GET_ITEM(items.get(), i), what));
  return shape;
}

PyRef weft::toTensor(PyObject *object) {
  if (isTensor(object))
    return PyRef::borrow(object);
  return checked(PyObject_CallOneArg(hook(Hook::AsArray), object));
}

template <typename T> static void store(void *place, T value) {
  std::memcpy(place, &value, sizeof(T));
}

static const llvm::fltSemantics &semanticsOf(DType dtype) {
  switch (dtype) {
  case DType::Float16:
    return llvm::APFloat::IEEEhalf();
  case DType::BFloat16:
    return llvm::APFloat::BFloat();
  case DType::Float32:
    return llvm::APFloat::IEEEsingle();
  default:
    return llvm::APFloat::IEEEdouble();
  }
}

/// Rounds once, as a cast in compiled code does.
static void storeFloat(void *place, DType dtype, llvm::APFloat value) {
  bool loses;
  value.convert(semanticsOf(dtype), llvm::APFloat::rmNearestTiesToEven, &loses);
  uint64_t bits = value.bitcastToAPInt().getZExtValue();
  std::memcpy(place, &bits, dtypeSize(dtype));
}

static void storeFloat(void *place, DType dtype, int64_t value) {
  llvm::APFloat number(semanticsOf(dtype));
  number.convertFromAPInt(llvm::APInt(64, uint64_t(value)), true,
                          llvm::APFloat::rmNearestTiesToEven);
  storeFloat(place, dtype, number);
}

static void storeInteger(void *place, DType dtype, int64_t value) {
  if (dtype == DType::Bool)
    return store(place, uint8_t(value != 0));
  if (!fits(value, dtype))
    throwError("OutOfRangeError",
               std::to_string(value) + " does not fit into " + std::string(dtypeName(dtype)));
  std::memcpy(place, &value, dtypeSize(dtype));
}

static int64_t int64From(PyObject *number) {
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow)
    throwError("OutOfRangeError", "a Python integer does not fit into int64");
  if (value == -1 && PyErr_Occurred())
    throwError("DTypeError", std::string("a ") + Py_TYPE(number)->tp_name + " is no number");
  return value;
}

Array weft::scalarArray(PyObject *number, DType dtype) {
  StorageRef storage = Allocator::process().allocate(dtypeSize(dtype));
  if (PyFloat_Check(number)) {
    double value = PyFloat_AS_DOUBLE(number);
    if (isFloating(dtype))
      storeFloat(storage->data(), dtype, llvm::APFloat(value));
    else if (dtype == DType::Bool)
      store(storage->data(), uint8_t(value != 0));
    else if (value >= -0x1p63 && value < 0x1p63)
      storeInteger(storage->data(), dtype, int64_t(value));
    else
      throwError("OutOfRangeError",
                 "a Python float does not fit into " + std::string(dtypeName(dtype)));
  } else {
    int64_t value = int64From(number);
    if (isFloating(dtype))
      storeFloat(storage->data(), dtype, value);
    else
      storeInteger(storage->data(), dtype, value);
  }
  return {std::move(storage), dtype, {}};
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

namespace {

struct Operand {
  /// The scalar, or the tensor.
  PyObject *object;
  /// Keeps a tensor alive that was made of the operand.
  PyRef converted;
  bool scalar;
};
using Operands = llvm::SmallVector<Operand, 3>;

} // namespace

static bool isConvertible(PyObject *object) {
  return PyObject_HasAttrString(object, "__array__") ||
         PyObject_HasAttrString(object, "__dlpack__");
}

/// A Python integer beyond int64 becomes a float where it meets floats, and an infinity where it is
/// compared with integers.
static void replaceLargeIntegers(const OpCall &call, Operands &operands) {
  bool floating = llvm::any_of(operands, [](const Operand &operand) {
    return !operand.scalar ? isFloating(asTensor(operand.object)->value.dtype)
                           : PyFloat_CheckExact(operand.object) != 0;
  });
  for (Operand &operand : operands) {
    int overflow = 0;
    if (operand.scalar && PyLong_CheckExact(operand.object))
      (void)PyLong_AsLongLongAndOverflow(operand.object, &overflow);
    if (!overflow || !(floating || call.op->compares))
      continue;
    double value = overflow * std::numeric_limits<double>::infinity();
    double nearest = floating ? PyLong_AsDouble(operand.object) : value;
    // Beyond the range of double: as infinite to a comparison, an error to arithmetic.
    if (PyErr_Occurred()) {
      PyErr_Clear();
      if (!call.op->compares)
        throwError("OutOfRangeError",
                   call.op->pythonName.str() + ": a Python integer does not fit into any dtype");
      nearest = value;
    }
    operand.converted = checked(PyFloat_FromDouble(nearest));
    operand.object = operand.converted.get();
  }
}

/// False if an operand is no tensor and `strict` does not forbid that.
static bool collect(const OpCall &call, std::span<PyObject *const> objects, Operands &operands,
                    bool strict) {
  for (PyObject *object : objects) {
    if (isTensor(object)) {
      PyObject *now = reinterpret_cast<PyObject *>(current(asTensor(object)));
      operands.push_back({now, {}, false});
    } else if (isPythonScalar(object) || (currentScope && symbolicSizeOf(object))) {
      operands.push_back({object, {}, true});
    } else if (isConvertible(object)) {
      PyRef tensor = toTensor(object);
      operands.push_back({tensor.get(), tensor, false});
    } else if (strict) {
      throwError("DTypeError",
                 call.op->pythonName.str() + ": operand " + std::to_string(operands.size() + 1) +
                     " is a " + Py_TYPE(object)->tp_name + ", not a tensor, an array or a number");
    } else {
      return false;
    }
  }
  replaceLargeIntegers(call, operands);
  return true;
}

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

bool weft::numberFits(PyObject *integer, DType dtype) {
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(integer, &overflow);
  return overflow == 0 && fits(value, dtype);
}

/// An integer among the arguments meets tensors of a narrower dtype: the trace is for integers that
/// fit into it. One that does not is taken as a literal, which promotion compares or refuses.
static void checkRanges(TraceScope &scope, const OpCall &call, Operands &operands) {
  if (call.op->promotion == Promotion::None)
    return;
  std::optional<DType> common;
  for (const Operand &operand : operands)
    if (!operand.scalar && !scope.own(asTensor(operand.object))->value.weak) {
      DType dtype = scope.own(asTensor(operand.object))->value.dtype;
      common = common ? commonDType(*common, dtype) : dtype;
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
      operand.object = operand.converted.get();
      operand.scalar = true;
    }
  }
}

/// Who calls an op. For Python's operators the results of numbers are numbers, which take the dtype
/// of what they meet; for functions they are tensors.
enum class Caller { Function, Operator };

static PyRef applyTraced(TraceScope &scope, const OpCall &call, Operands &operands, Caller caller) {
  ++eagerStatistics.tracedOps;
  mlir::Location location = scope.location();
  checkRanges(scope, call, operands);
  llvm::SmallVector<ValueId, 3> ids, withGradients;
  for (const Operand &operand : operands) {
    if (operand.scalar) {
      ids.push_back(tracedScalar(scope, operand.object, location));
      continue;
    }
    TensorObject *tensor = scope.own(asTensor(operand.object));
    ValueId id = scope.read(tensor);
    bool tracked = tensor->requiresGrad || tensor->node;
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
  ValueId result = scope.graph.apply(call, ids, location)[0];
  scope.rememberLine(result);
  TensorValue value = scope.tracer(result);
  bool floating = isFloating(value.dtype);
  PyRef tensor = checked(newTensor(std::move(value)));
  bool differentiable = !withGradients.empty() && floating && call.op->differentiable;
  if (differentiable)
    scope.noteHistory(result, withGradients);
  asTensor(tensor.get())->requiresGrad = differentiable;
  asTensor(tensor.get())->derived = differentiable;
  return tensor;
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
      arrays.push_back(asTensor(operands[i].object)->value.array());
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

static std::shared_ptr<const Executable> compileOne(const OpCall &call,
                                                    llvm::ArrayRef<Array> arrays, Device *device) {
  ++eagerStatistics.compiles;
  Graph graph;
  SourceLine line = userLine();
  mlir::Location location =
      line.known() ? graph.location(line.file, line.line) : graph.unknownLocation();
  llvm::SmallVector<ValueId, 3> ids;
  for (const Array &array : arrays)
    ids.push_back(graph.addInput(array.dtype, array.shape));
  auto results = graph.apply(call, ids, location);
  CompileOptions options;
  options.device = device;
  return Compiler::instance().compile(*graph.finish(results), options);
}

void weft::executeReleasing(const Executable &executable, std::span<const StorageRef> inputs,
                            std::span<StorageRef> outputs) {
  constexpr uint64_t worthwhileBytes = 1 << 18;
  uint64_t bytes = executable.plan.arenaBytes;
  for (const StorageRef &input : inputs)
    bytes += input->bytes();
  if (bytes < worthwhileBytes) {
    execute(executable.plan, inputs, outputs);
    return;
  }
  InterpreterReleased released;
  execute(executable.plan, inputs, outputs);
}

static void recordOnTape(const OpCall &call, const Operands &operands, llvm::ArrayRef<Array> arrays,
                         TensorObject *result) {
  if (!isFloating(result->value.dtype) || !call.op->differentiable)
    return;
  bool needed = false;
  for (const Operand &operand : operands)
    needed |= !operand.scalar &&
              (asTensor(operand.object)->requiresGrad || asTensor(operand.object)->node);
  if (!needed)
    return;
  auto node = std::make_shared<TapeNode>();
  node->call = call;
  for (size_t i = 0; i < operands.size(); ++i)
    node->inputs.push_back(
        {owned(arrays[i]), operands[i].scalar ? Origin() : asTensor(operands[i].object)->origin()});
  node->outputs.push_back(result->value.array());
  result->node = std::move(node);
  result->requiresGrad = true;
}

static PyRef applyEager(const OpCall &call, const Operands &operands) {
  ++eagerStatistics.calls;
  Device *device = deviceOf(call, operands);
  llvm::SmallVector<Array, 3> arrays = operandArrays(call, operands, device);
  Key key;
  if (device)
    key.push_back(reinterpret_cast<intptr_t>(device));
  call.appendKey(key);
  llvm::SmallVector<StorageRef, 3> inputs;
  for (const Array &array : arrays) {
    appendSignature(key, array.dtype, array.shape);
    inputs.push_back(array.storage);
  }
  std::shared_ptr<const Executable> executable = eagerCache().find(key);
  if (!executable)
    executable = eagerCache().insert(key, compileOne(call, arrays, device));
  StorageRef output;
  executeReleasing(*executable, {inputs.data(), inputs.size()}, {&output, 1});
  const TensorSignature &signature = executable->plan.outputs[0];
  TensorValue value;
  value.storage = std::move(output);
  value.dtype = signature.dtype;
  value.shape.assign(signature.shape.begin(), signature.shape.end());
  PyRef result = checked(newTensor(std::move(value)));
  if (gradientsEnabled)
    recordOnTape(call, operands, arrays, asTensor(result.get()));
  return result;
}

static PyRef dispatch(const OpCall &call, Operands &operands, Caller caller) {
  if (operands.size() == 2 && operands[1].scalar && !operands[0].scalar) {
    // The dtype of a weak base is not decided yet.
    const TensorValue &base = asTensor(operands[0].object)->value;
    if (auto fixed = withFixedExponent(call, base.dtype, operands[1].object); fixed && !base.weak) {
      Operands alone = {operands[0]};
      return dispatch(*fixed, alone, caller);
    }
  }
  if (currentScope)
    return applyTraced(*currentScope, call, operands, caller);
  return applyEager(call, operands);
}

PyRef weft::apply(const OpCall &call, std::span<PyObject *const> objects) {
  Operands operands;
  collect(call, objects, operands, /*strict=*/true);
  return dispatch(call, operands, Caller::Function);
}

PyRef weft::applyOperator(const OpCall &call, std::span<PyObject *const> objects) {
  Operands operands;
  if (!collect(call, objects, operands, /*strict=*/false))
    return PyRef::borrow(Py_NotImplemented);
  return dispatch(call, operands, Caller::Operator);
}
