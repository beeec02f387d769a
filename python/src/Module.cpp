// The extension module weft._core.
#include "lib/Compiler/Compiler.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Cuda/DeviceLink.h"
#include "lib/Runtime/Library.h"
#include "lib/Runtime/PreparedValues.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Interpreter.h"
#include "lib/Trace/ExecutableCache.h"
#include "lib/Trace/Promotion.h"
#include "lib/Trace/TapeRegions.h"
#include "python/src/Apply.h"
#include "python/src/Collectives.h"
#include "python/src/ControlFlow.h"
#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/Export.h"
#include "python/src/FunctionalBatching.h"
#include "python/src/FunctionalGradient.h"
#include "python/src/GradientHooks.h"
#include "python/src/Hooks.h"
#include "python/src/Interop.h"
#include "python/src/JitFunction.h"
#include "python/src/Lowered.h"
#include "python/src/Printing.h"
#include "python/src/PyTree.h"
#include "python/src/PythonThreads.h"
#include "python/src/Recording.h"
#include "python/src/SafeTensorsFile.h"
#include "python/src/SourceLine.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TensorType.h"
#include "python/src/TraceScope.h"
#include "python/src/Translated.h"
#include "python/src/state/Handle.h"
#include "python/src/state/View.h"
#include "python/src/state/ViewSteps.h"

#include <malloc.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;
using namespace weft;

/// Hands a result to pybind11, or an error.
static py::object adopted(PyObject *object) {
  if (!object)
    throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

static AttributeValue attributeFrom(PyObject *value) {
  if (PyBool_Check(value))
    return value == Py_True;
  if (PyFloat_Check(value))
    return PyFloat_AS_DOUBLE(value);
  if (PyLong_Check(value)) {
    long long integer = PyLong_AsLongLong(value);
    if (integer == -1 && PyErr_Occurred())
      throw PythonError();
    return int64_t(integer);
  }
  Shape numbers = shapeFrom(value, "an attribute");
  for (int64_t number : numbers)
    if (isSymbolicSize(number))
      throwUnknownSize(number, "a parameter of the operation");
  return numbers;
}

/// Throws if no memory could hold such a tensor.
static void checkBytes(DType dtype, const Shape &shape) {
  if (!hasSymbolicSize(shape))
    TensorSignature{dtype, {shape.begin(), shape.end()}}.bytes();
}

static OpCall callFrom(const char *name, PyObject *attributes, PyObject *shape, PyObject *dtype,
                       PyObject *device) {
  const OpInfo *op = findOp(name);
  if (!op)
    throwError("WeftError", std::string("there is no op \"") + name + "\"");
  OpCall call(*op);
  if (attributes != Py_None) {
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(attributes, &position, &key, &value))
      call.set(PyUnicode_AsUTF8(key), attributeFrom(value));
  }
  if (shape != Py_None)
    call.resultShape = shapeFrom(shape, "the shape");
  if (dtype != Py_None)
    call.resultDType = dtypeFrom(dtype);
  call.device = deviceFrom(device);
  for (int64_t dimension : call.resultShape)
    if (dimension < 0)
      throwError("ShapeError", op->pythonName.str() + ": negative dimension in shape " +
                                   shapeTuple(call.resultShape));
  checkBytes(call.resultDType, call.resultShape);
  return call;
}

namespace {

/// (name, operands, attributes=None, shape=None, dtype=None, device=None), as Python passes them.
struct OpArguments {
  OpArguments(PyObject *const *arguments, Py_ssize_t count, PyObject *keywordNames)
      : name(PyUnicode_AsUTF8(arguments[0])), operands(arguments[1]) {
    static const char *names[] = {"attributes", "shape", "dtype", "device"};
    for (Py_ssize_t i = 2; i < count && i < 6; ++i)
      values[i - 2] = arguments[i];
    for (Py_ssize_t i = 0; keywordNames && i < PyTuple_GET_SIZE(keywordNames); ++i)
      for (size_t name = 0; name < std::size(names); ++name)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywordNames, i), names[name]) == 0)
          values[name] = arguments[count + i];
  }
  OpCall call() const { return callFrom(name, values[0], values[1], values[2], values[3]); }

  const char *name;
  PyObject *operands;
  PyObject *values[4] = {Py_None, Py_None, Py_None, Py_None};
};

} // namespace

/// apply(name, operands, ...)
static PyObject *applyFunction(PyObject *, PyObject *const *arguments, Py_ssize_t count,
                               PyObject *keywordNames) {
  return guarded([&] {
    OpArguments given(arguments, count, keywordNames);
    OpCall call = given.call();
    PyRef operands = checked(PySequence_Tuple(given.operands));
    auto *items = reinterpret_cast<PyTupleObject *>(operands.get())->ob_item;
    return apply(call, {items, size_t(PyTuple_GET_SIZE(operands.get()))}).release();
  });
}

/// apply_one(name, operands, result, attributes)
static py::object applyOneOf(const char *name, py::tuple operands, unsigned result,
                             py::object attributes) {
  return adopted(guarded([&] {
    OpCall call = callFrom(name, attributes.ptr(), Py_None, Py_None, Py_None);
    auto *items = reinterpret_cast<PyTupleObject *>(operands.ptr())->ob_item;
    return applyOne(call, {items, operands.size()}, result).release();
  }));
}

/// view(name, operand, ...)
static PyObject *viewFunction(PyObject *, PyObject *const *arguments, Py_ssize_t count,
                              PyObject *keywordNames) {
  return guarded([&] {
    OpArguments given(arguments, count, keywordNames);
    return applyView(given.call(), given.operands).release();
  });
}

/// The view that `makeStep` takes of a tensor, by its shape and dtype.
template <typename MakeStep> static py::object viewOf(py::handle operand, MakeStep makeStep) {
  return adopted(guarded([&] {
    TensorObject *parent = owned(asTensor(operand.ptr()));
    return viewBy(makeStep(parent->value.shape, parent->value.dtype), parent).release();
  }));
}

/// diagonal_view(tensor, order, start, length): of the last two dimensions of `order`.
static py::object diagonalView(py::handle operand, py::object order, int64_t start,
                               int64_t length) {
  return viewOf(operand, [&](const Shape &shape, DType dtype) {
    return diagonalStep(shape, dtype, shapeFrom(order.ptr(), "the order"), start, length);
  });
}

/// windows_view(tensor, count, size, pitch): along the last dimension.
static py::object windowsView(py::handle operand, int64_t count, int64_t size, int64_t pitch) {
  return viewOf(operand, [&](const Shape &shape, DType dtype) {
    return windowsStep(shape, dtype, count, size, pitch);
  });
}

static py::object pairsView(py::handle operand) { return viewOf(operand, pairsStep); }

static py::object numbersView(py::handle operand) { return viewOf(operand, numbersStep); }

static py::object eachOnceOf(py::handle tensor) {
  return adopted(guarded([&] { return eachOnce(asTensor(tensor.ptr())).release(); }));
}

/// require_size(size, error): Graph::require in the trace in progress, with the user's line; False
/// if there is none.
static bool requireSize(py::object size, const std::string &error) {
  return translated([&] {
    if (currentScope)
      currentScope->graph.require(sizeFrom(size.ptr(), "a size"), userLine().prefix() + error);
    return currentScope != nullptr;
  });
}

/// update(tensor, name, operands, attributes, shape, action)
static void updateTensor(py::handle target, const char *name, py::tuple operands,
                         py::object attributes, py::object shape, const char *action) {
  translated([&] {
    OpCall call = callFrom(name, attributes.ptr(), Py_None, Py_None, Py_None);
    auto *items = reinterpret_cast<PyTupleObject *>(operands.ptr())->ob_item;
    applyUpdate(target.ptr(), call, shapeFrom(shape.ptr(), "the shape"), {items, operands.size()},
                action);
    return 0;
  });
}

/// put_slice(tensor, value, starts, steps, action)
static void putSliceOf(py::handle target, py::handle value, py::object starts, py::object steps,
                       const char *action) {
  translated([&] {
    TensorObject *tensor = asTensor(target.ptr()), *source = asTensor(value.ptr());
    Shape first = shapeFrom(starts.ptr(), "starts"), apart = shapeFrom(steps.ptr(), "steps");
    if (isExpanded(tensor)) {
      // Its parts may be none.
      OpCall slice(requireOp("weft.slice"));
      slice.resultShape = source->value.shape;
      slice.resultDType = tensor->value.dtype;
      slice.set("starts", std::move(first)).set("steps", std::move(apart));
      PyRef part = applyView(slice, target.ptr());
      checkInPlace(asTensor(part.get()), action);
      adopt(asTensor(part.get()), source);
      return 0;
    }
    checkInPlace(tensor, action);
    putSlice(tensor, source, first, apart);
    return 0;
  });
}

static py::object fromBuffer(py::object object, py::object reinterpreted, bool copy) {
  return adopted(guarded([&] {
    std::optional<DType> dtype;
    if (!reinterpreted.is_none())
      dtype = dtypeFrom(reinterpreted.ptr());
    return tensorFromBuffer(object.ptr(), dtype, copy).release();
  }));
}

/// A constant of the present trace, of a number that fits into the dtype.
static ValueId tracedNumber(PyObject *number, DType dtype) {
  mlir::Location location = currentScope->location();
  Graph &graph = currentScope->graph;
  if (isComplex(dtype))
    return graph.constant(dtype, {}, complexFrom(number), location);
  bool isLarge = PyLong_CheckExact(number) && !numberFits(number, DType::Int64);
  if (isFloating(dtype) && (isLarge || PyFloat_Check(number)))
    return graph.constant(dtype, {}, PyFloat_AsDouble(number), false, location);
  if (dtype == DType::Bool)
    return graph.constant(dtype, {}, int64_t(PyObject_IsTrue(number)), false, location);
  PyRef whole = checked(PyNumber_Long(number));
  return graph.constant(dtype, {}, int64_t(PyLong_AsUnsignedLongLongMask(whole.get())), false,
                        location);
}

/// A constant tensor (of dtype and shape) inside a trace, a filled one on the device outside.
static py::object full(py::object shape, py::object value, py::object dtype, py::object device) {
  return adopted(guarded([&]() -> PyObject * {
    Shape dimensions = shapeFrom(shape.ptr(), "the shape");
    DType type = dtypeFrom(dtype.ptr());
    Device *place = deviceFrom(device.ptr());
    Array scalar = scalarOn(currentScope ? nullptr : place, scalarArray(value.ptr(), type));
    PyRef tensor = checked(newTensor(TensorValue::of(std::move(scalar))));
    if (currentScope)
      tensor = checked(newTensor(currentScope->tracer(tracedNumber(value.ptr(), type))));
    if (dimensions.empty())
      return tensor.release();
    OpCall call(requireOp("weft.broadcast"));
    call.set("dimensions", Shape());
    call.resultShape = dimensions;
    call.resultDType = type;
    checkBytes(type, dimensions);
    return apply(call, {{tensor.get()}}).release();
  }));
}

/// The Python number that a tensor of a trace is, on which the trace then depends: it was computed
/// from Python numbers among the arguments alone. None for others.
static py::object pythonNumber(const py::object &tensor) {
  const TensorValue &value = asTensor(tensor.ptr())->value;
  if (!currentScope || value.scope.get() != currentScope)
    return py::none();
  PyRef number = currentScope->specialize(value.id);
  return number ? py::reinterpret_steal<py::object>(number.release()) : py::none();
}

/// In a trace, a 0-d int64 or float64 tensor as one of Python's numbers.
static py::object asNumber(const py::object &tensor) {
  return adopted(guarded([&] {
    ValueId id = currentScope->graph.weakened(traced(asTensor(tensor.ptr())));
    return checked(newTensor(currentScope->tracer(id))).release();
  }));
}

/// A 0-d int64 tensor with the number that a SymbolicSize stands for.
static py::object sizeTensor(py::object size) {
  return adopted(guarded([&] {
    int64_t handle = sizeFrom(size.ptr(), "the size");
    if (!currentScope)
      throwUnknownSize(handle, "a tensor outside of the exported function");
    ValueId id = currentScope->graph.sizeValue(handle, /*weak=*/false, currentScope->location());
    return checked(newTensor(currentScope->tracer(id))).release();
  }));
}

/// Takes the addresses of LAPACK's and BLAS's functions, by name. False if one is missing.
static bool provideLapackFrom(const py::dict &addresses) {
  return provideLapack([&](const char *name) -> void * {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses come from Python as integers.
    return addresses.contains(name) ? reinterpret_cast<void *>(addresses[name].cast<uintptr_t>())
                                    : nullptr;
  });
}

static py::dict statistics() {
  py::dict result;
  AllocatorStatistics memory = Allocator::process().statistics();
  result["eager_calls"] = eagerStatistics.calls;
  result["eager_compiles"] = eagerStatistics.compiles;
  result["traced_ops"] = eagerStatistics.tracedOps;
  result["interop_copies"] = interopCopies;
  result["device_copies"] = deviceCopies.count;
  result["device_copy_bytes"] = deviceCopies.bytes;
  result["nccl_collectives"] = cuda::DeviceLink::collectives();
  PreparedStatistics prepared = PreparedValues::process().statistics();
  result["prepared_values"] = prepared.computed;
  result["prepared_hits"] = prepared.hits;
  result["prepared_bytes"] = prepared.bytes;
  Statistics compiler = Compiler::instance().statistics();
  result["compiles"] = compiler.compiles;
  result["kernels"] = compiler.launches;
  result["kernels_compiled"] = compiler.kernelsCompiled;
  result["cache_hits"] = compiler.memoryHits;
  result["disk_cache_hits"] = compiler.diskHits;
  result["disk_cache_failures"] = compiler.diskFailures;
  result["kernels_tuned"] = compiler.kernelsTuned;
  result["pass_seconds"] = compiler.passSeconds;
  result["emit_seconds"] = compiler.emitSeconds;
  result["codegen_seconds"] = compiler.codegenSeconds;
  result["load_seconds"] = compiler.loadSeconds;
  result["tune_seconds"] = compiler.tuneSeconds;
  result["bytes_in_use"] = memory.bytesInUse;
  result["bytes_cached"] = memory.bytesCached;
  result["peak_bytes_in_use"] = memory.peakBytesInUse;
  return result;
}

/// A dict for each kernel whose schedule was measured: what it is, and the schedules, the fastest
/// first, each as (text, estimated nanoseconds, measured nanoseconds, whether it is the one that is
/// chosen where nothing is measured).
static py::list tunedKernels() {
  py::list result;
  for (const TunedKernel &kernel : Compiler::instance().tunedKernels()) {
    py::list schedules;
    for (const MeasuredSchedule &entry : kernel.schedules)
      schedules.append(
          py::make_tuple(entry.schedule, entry.estimated, entry.measured, entry.isChosen));
    result.append(
        py::dict(py::arg("description") = kernel.description, py::arg("schedules") = schedules));
  }
  return result;
}

/// Gives memory back that is kept for reuse. Returns its bytes.
static uint64_t trim() {
  CompiledCache::clearAll();
  PreparedValues::process().trim();
  uint64_t bytes = Compiler::instance().trim();
  bytes += Allocator::process().trim();
  malloc_trim(0);
  return bytes;
}

/// Adds what the other files define.
static void registerTypes(py::module_ &module) {
  if (registerTensorType(module.ptr()) < 0 || registerJitType(module.ptr()) < 0)
    throw py::error_already_set();
  registerLowered(module);
  registerSymbolicSize(module);
  registerProgram(module);
  registerSafeTensors(module);
  registerFunctionalGradient(module);
  registerFunctionalBatching(module);
  registerControlFlow(module);
  registerDevices(module);
  registerPrinting(module);
  registerRecording(module);
  registerCollectives(module);
}

/// Adds `apply` and `view`, which take their arguments without pybind11.
static void registerOps(py::module_ &module) {
  static PyMethodDef applyDefinition = {
      "apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(applyFunction)),
      METH_FASTCALL | METH_KEYWORDS, "Applies an op to operands."};
  module.add_object("apply", adopted(PyCFunction_New(&applyDefinition, nullptr)));
  static PyMethodDef viewDefinition = {
      "view", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(viewFunction)),
      METH_FASTCALL | METH_KEYWORDS, "Applies an op whose result is a view of its operand."};
  module.add_object("view", adopted(PyCFunction_New(&viewDefinition, nullptr)));
  module.def("apply_one", applyOneOf);
  module.def("update", updateTensor);
  module.def("put_slice", putSliceOf);
  module.def("diagonal_view", diagonalView);
  module.def("windows_view", windowsView);
  module.def("pairs_view", pairsView);
  module.def("numbers_view", numbersView);
  module.def("each_once", eachOnceOf);
  module.def("require_size", requireSize);
  module.def("provide_lapack", provideLapackFrom);
}

static void registerTreeTypeOf(const py::object &type, const py::object &flatten,
                               const py::object &unflatten) {
  translated([&] {
    registerTreeType(type.ptr(), flatten.ptr(), unflatten.ptr());
    return 0;
  });
}

/// What belongs to the process: counters, memory, threads.
static void registerProcess(py::module_ &module) {
  module.def("statistics", statistics);
  module.def("tuned_kernels", [] { return translated(tunedKernels); });
  module.def("find_note", [](const std::string &name) {
    return translated([&]() -> py::object {
      std::optional<std::string> note = Compiler::instance().findNote(name);
      return note ? py::object(py::bytes(*note)) : py::none();
    });
  });
  module.def("store_note", [](const std::string &name, const std::string &text) {
    translated([&] { Compiler::instance().storeNote(name, text); });
  });
  module.def("reset_peak", [] { Allocator::process().resetPeak(); });
  module.def("trim", [] { return translated(trim); });
  module.def("thread_count", [] { return ThreadPool::process().threadCount(); });
  module.def("set_thread_count", [](int count) {
    translated([&] {
      InterpreterReleased released; // it waits for kernels that run
      ThreadPool::process().setThreadCount(count);
      return 0;
    });
  });
}

/// What Python code does differently, or tells, in a trace.
static void registerTracing(py::module_ &module) {
  module.def("store", [](py::dict dict, py::str key, py::object tensor) {
    translated([&] {
      currentScope->store(dict.ptr(), key.ptr(), tensor.ptr());
      return 0;
    });
  });
  module.def("gives_value_of", [](py::object tensor) {
    return translated([&] {
      TensorObject *object = current(asTensor(tensor.ptr()));
      const TensorValue &value = object->value;
      if (value.isTracer())
        return value.scope.get() == currentScope && currentScope->givesValueOf(value.id);
      return !currentScope || !currentScope->isOlder(object) || currentScope->answers;
    });
  });
  module.def("is_tracing", [] { return currentScope != nullptr; });
  module.def("python_number", pythonNumber);
}

static void registerDTypeFunctions(py::module_ &module) {
  module.def("register_dtypes", [](py::object list) {
    translated([&] {
      registerDTypes(list.ptr());
      return 0;
    });
  });
  module.def("common_dtype", [](py::object left, py::object right) -> py::object {
    auto common =
        translated([&] { return findCommonDType(dtypeFrom(left.ptr()), dtypeFrom(right.ptr())); });
    return common ? py::reinterpret_borrow<py::object>(dtypeObject(*common)) : py::none();
  });
}

/// What this thread records and computes in.
static void registerModes(py::module_ &module) {
  module.def("gradients_enabled", [] { return gradientsEnabled; });
  module.def("set_gradients_enabled",
             [](bool enabled) { return std::exchange(gradientsEnabled, enabled); });
  module.def("open_tape_region", openTapeRegion);
  module.def("close_tape_region", closeTapeRegion);
  module.def("autocast_dtype", [] {
    return autocastDType ? adopted(Py_NewRef(dtypeObject(*autocastDType))) : py::object(py::none());
  });
  module.def("set_autocast_dtype", [](py::object dtype) {
    translated([&] {
      autocastDType.reset();
      if (!dtype.is_none())
        autocastDType = dtypeFrom(dtype.ptr());
      return 0;
    });
  });
}

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compiled part of weft: tensors, tracing, compiled functions.";
  registerThreads();
  registerTypes(module);

  registerOps(module);
  registerProcess(module);

  registerDTypeFunctions(module);
  module.def("register_hooks", [](py::dict byName) {
    translated([&] {
      registerHooks(byName.ptr());
      return 0;
    });
  });
  module.def("set_package_folder", [](const std::string &folder) {
    Compiler::setPackagedKernels(folder + "/kernels");
    addInternalFolder(folder + "/");
  });
  module.def("add_internal_folder", addInternalFolder);
  module.def("element_bits", [](py::object tensor) {
    return adopted(guarded([&] {
      TensorValue bits =
          TensorValue::of(elementsOf(asTensor(tensor.ptr()), "reading the elements"));
      bits.dtype = dtypeSize(bits.dtype) == 1 ? DType::UInt8 : DType::UInt16;
      return newTensor(std::move(bits));
    }));
  });
  module.def("register_tree_type", registerTreeTypeOf);
  module.def("from_buffer", fromBuffer, py::arg("object"), py::arg("dtype") = py::none(),
             py::arg("copy") = false);
  module.def("full", full, py::arg("shape"), py::arg("value"), py::arg("dtype"),
             py::arg("device") = py::none());
  module.def("as_number", asNumber);
  module.def("size_tensor", sizeTensor);
  module.def("to_dlpack", [](py::object tensor, bool versioned, bool copy) {
    return adopted(
        guarded([&] { return toDLPack(asTensor(tensor.ptr()), versioned, copy).release(); }));
  });
  module.def("dlpack_device", [](py::object tensor) {
    return translated([&] { return dlpackDevice(asTensor(tensor.ptr())); });
  });
  module.def(
      "from_dlpack",
      [](py::object capsule, bool constant) {
        return adopted(guarded([&] { return fromDLPack(capsule.ptr(), constant).release(); }));
      },
      py::arg("capsule"), py::arg("constant") = false);
  registerModes(module);
  registerTracing(module);
  registerGradientHooks(module);
  module.def("located", located);
  module.def("user_line", [] {
    SourceLine line = userLine();
    return py::make_tuple(line.file, line.line);
  });
}
