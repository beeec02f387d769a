// Calls of compiled functions.
#include "python/src/JitFunction.h"

#include "lib/Runtime/Executor.h"
#include "lib/Trace/Placement.h"
#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/Export.h"
#include "python/src/Lowered.h"
#include "python/src/Profile.h"

#include <chrono>
#include <structmember.h>

using namespace weft;

namespace {

struct JitObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *dictionary;
  PyObject *weakReferences;
  JitState *state;
};

JitObject *asJit(PyObject *object) { return reinterpret_cast<JitObject *>(object); }

/// What a call works with.
struct Call {
  JitState &state;
  const FlatArguments &flat;
  Specialization &specialization;

  TensorObject *handle(int number) const;
  StorageRef hiddenInput(const HiddenSource &source) const;
  /// What the plan reads: the leaves of the arguments, then the hidden inputs.
  llvm::SmallVector<StorageRef, 8> inputs() const;
};

} // namespace

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

bool weft::isStaticArgument(const JitState &state, size_t number, PyObject *name) {
  if (!name)
    return std::find(state.staticNumbers.begin(), state.staticNumbers.end(), Py_ssize_t(number)) !=
           state.staticNumbers.end();
  for (const PyRef &candidate : state.staticNames)
    if (PyUnicode_Compare(candidate.get(), name) == 0)
      return true;
  return false;
}

void weft::flattenCall(const JitState &state, PyObject *const *arguments, size_t count,
                       PyObject *keywordNames, FlatArguments &flat) {
  flat.key.push_back(int64_t(count) << 1 | gradientsEnabled);
  bool anyStatic = !state.staticNumbers.empty() || !state.staticNames.empty();
  for (size_t i = 0; i < count; ++i) {
    if (anyStatic && isStaticArgument(state, i, nullptr))
      flattenStatic(arguments[i], flat);
    else
      flatten(arguments[i], flat);
  }
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  for (size_t i = 0; i < keywords; ++i) {
    PyObject *name = PyTuple_GET_ITEM(keywordNames, Py_ssize_t(i));
    flattenStatic(name, flat);
    if (anyStatic && isStaticArgument(state, count + i, name))
      flattenStatic(arguments[count + i], flat);
    else
      flatten(arguments[count + i], flat);
  }
}

//===----------------------------------------------------------------------===//
// Finding the specialization
//===----------------------------------------------------------------------===//

TensorObject *Call::handle(int number) const {
  const HandleSource &source = specialization.handles[number];
  switch (source.kind) {
  case HandleSource::Kind::Guard:
    return specialization.guards.tensor(source.index);
  case HandleSource::Kind::Argument:
    return asTensor(flat.leaves[source.index]);
  case HandleSource::Kind::Fixed:
    break;
  }
  return asTensor(source.fixed.get());
}

static bool sameValue(PyObject *left, PyObject *right) {
  if (left == right)
    return true;
  if (Py_TYPE(left) != Py_TYPE(right))
    return false;
  int equal = PyObject_RichCompareBool(left, right, Py_EQ);
  checkStatus(equal);
  return equal;
}

/// True if the hidden inputs have the types that were traced.
static bool hiddenMatch(const Call &call, std::string &reason) {
  Specialization &specialization = call.specialization;
  for (auto [number, present] : specialization.gradientPresence) {
    TensorObject *handle = call.handle(number);
    if (bool(handle->slot && handle->slot->gradient) != present) {
      reason = present ? "the gradient of a tensor is gone" : "a tensor has a gradient now";
      return false;
    }
  }
  for (const HiddenSource &source : specialization.hidden) {
    if (source.handle < 0)
      continue;
    TensorObject *handle = call.handle(source.handle);
    bool tracked = handle->requiresGrad || handle->node;
    if (!source.gradient && tracked != source.requiresGrad) {
      reason = "requires_grad of a tensor from outside changed";
      return false;
    }
    if (source.gradient)
      handle = asTensor(handle->slot->gradient.get());
    requireConcrete(handle, "a compiled function");
    if (handle->value.dtype != source.dtype || handle->value.shape != source.shape) {
      reason = "a tensor from outside changed from " + describe(source.dtype, source.shape) +
               " to " + describe(handle->value.dtype, handle->value.shape);
      return false;
    }
    if (handle->value.storage->device() != specialization.device) {
      reason = "a tensor from outside moved from " + deviceName(specialization.device) + " to " +
               deviceName(handle->value.storage->device());
      return false;
    }
  }
  return true;
}

/// True if the call may run this trace; else `reason` says why not.
static bool matches(const Call &call, std::string &reason) {
  Specialization &specialization = call.specialization;
  for (size_t i = 0; i < specialization.statics.size(); ++i)
    if (!sameValue(specialization.statics[i].get(), call.flat.statics[i])) {
      reason = "a static argument changed";
      return false;
    }
  for (auto &[leaf, value] : specialization.scalars)
    if (!sameValue(value.get(), call.flat.leaves[leaf])) {
      reason = "argument " + std::to_string(leaf) + ", whose value the function asks for, changed";
      return false;
    }
  PyObject *function = call.state.function.get();
  return specialization.guards.check(function, call.flat.objects, reason) &&
         hiddenMatch(call, reason);
}

static Specialization &specializationFor(JitState &state, const FlatArguments &flat,
                                         PyObject *const *arguments, size_t count,
                                         PyObject *keywordNames) {
  constexpr size_t maximumReasons = 100, maximumCandidates = 64;
  auto found = state.specializations.find(flat.key);
  std::string reason = state.specializations.empty() ? "" : "new types or structure of arguments";
  if (found != state.specializations.end()) {
    Specializations &candidates = found->second;
    for (size_t i = candidates.size(); i-- > 0;)
      if (matches({state, flat, *candidates[i]}, reason))
        return *candidates[i];
  }
  if (!reason.empty() && state.retraceReasons.size() < maximumReasons)
    state.retraceReasons.push_back(userLine().prefix() + reason);
  auto traced = traceFunction(state, flat, arguments, count, keywordNames);
  Specializations &candidates = state.specializations[flat.key];
  if (candidates.size() >= maximumCandidates)
    candidates.erase(candidates.begin());
  candidates.push_back(std::move(traced));
  return *candidates.back();
}

static void compile(JitState &state, Specialization &specialization) {
  auto start = std::chrono::steady_clock::now();
  mlir::OwningOpRef<mlir::ModuleOp> copy = (*specialization.module)->clone();
  Statistics before = Compiler::instance().statistics();
  CompileOptions options;
  options.device = specialization.device;
  specialization.executable = Compiler::instance().compile(*copy, options);
  state.compiler.addDifference(before, Compiler::instance().statistics());
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  state.compileSeconds += seconds.count();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

StorageRef Call::hiddenInput(const HiddenSource &source) const {
  if (source.handle < 0)
    return source.array.storage;
  TensorObject *tensor = handle(source.handle);
  if (source.gradient)
    tensor = asTensor(tensor->slot->gradient.get());
  return tensor->value.storage;
}

llvm::SmallVector<StorageRef, 8> Call::inputs() const {
  llvm::SmallVector<StorageRef, 8> result;
  for (PyObject *leaf : flat.leaves)
    result.push_back(
        isTensor(leaf)
            ? asTensor(leaf)->value.storage
            : scalarOn(specialization.device, scalarArray(leaf, weakDType(leaf))).storage);
  for (const HiddenSource &source : specialization.hidden)
    result.push_back(hiddenInput(source));
  return result;
}

static PyObject *outputTensor(const TensorSignature &signature, StorageRef storage) {
  TensorValue value;
  value.storage = std::move(storage);
  value.dtype = signature.dtype;
  value.shape.assign(signature.shape.begin(), signature.shape.end());
  return newTensor(std::move(value));
}

static void applyEffects(const Call &call, llvm::ArrayRef<StorageRef> outputs) {
  const Plan &plan = call.specialization.executable->plan;
  for (const Effect &effect : call.specialization.effects) {
    TensorObject *handle = call.handle(effect.handle);
    if (effect.gradient) {
      PyRef gradient;
      if (effect.output >= 0)
        gradient = checked(outputTensor(plan.outputs[effect.output], outputs[effect.output]));
      handle->gradientSlot().gradient = std::move(gradient);
      continue;
    }
    const TensorSignature &signature = plan.outputs[effect.output];
    handle->value.storage = outputs[effect.output];
    handle->value.dtype = signature.dtype;
    handle->value.shape.assign(signature.shape.begin(), signature.shape.end());
    handle->node = nullptr;
  }
}

/// Records the call for gradients if an input requires one; the node, or null.
static std::shared_ptr<TapeNode> record(const Call &call, llvm::ArrayRef<StorageRef> inputs,
                                        llvm::ArrayRef<StorageRef> outputs) {
  Specialization &specialization = call.specialization;
  auto node = std::make_shared<TapeNode>();
  const Plan &plan = specialization.executable->plan;
  auto arrayOf = [](const TensorSignature &signature, const StorageRef &storage) {
    return Array{storage, signature.dtype, Shape(signature.shape.begin(), signature.shape.end())};
  };
  bool needed = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Origin origin;
    size_t leaves = call.flat.leaves.size();
    if (i < leaves && isTensor(call.flat.leaves[i]))
      origin = asTensor(call.flat.leaves[i])->origin();
    else if (i >= leaves && specialization.hidden[i - leaves].handle >= 0 &&
             !specialization.hidden[i - leaves].gradient)
      origin = call.handle(specialization.hidden[i - leaves].handle)->origin();
    needed |= bool(origin);
    node->inputs.push_back({arrayOf(plan.inputs[i], inputs[i]), std::move(origin)});
  }
  if (!needed)
    return nullptr;
  node->function = specialization.module;
  node->functionSerial = specialization.functionSerial;
  for (size_t i = 0; i < outputs.size(); ++i)
    node->outputs.push_back(arrayOf(plan.outputs[i], outputs[i]));
  return node;
}

static PyRef buildResult(const Call &call, llvm::ArrayRef<StorageRef> outputs,
                         const std::shared_ptr<TapeNode> &node) {
  Specialization &specialization = call.specialization;
  const Plan &plan = specialization.executable->plan;
  auto fill = [&](PyObject *place) {
    ValueId number = asTensor(place)->value.id;
    PyRef tensor = checked(outputTensor(plan.outputs[number], outputs[number]));
    if (node && specialization.outputRequiresGrad[number]) {
      asTensor(tensor.get())->node = node;
      asTensor(tensor.get())->nodeResult = number;
      asTensor(tensor.get())->requiresGrad = true;
    }
    return tensor;
  };
  PyObject *result = specialization.resultTemplate.get();
  return isTensor(result) ? fill(result) : mapTree(result, false, fill);
}

static PyRef run(const Call &call) {
  Specialization &specialization = call.specialization;
  const Plan &plan = specialization.executable->plan;
  llvm::SmallVector<StorageRef, 8> inputs = call.inputs();
  bool recording = gradientsEnabled && specialization.recordsGradients;
  // Handles that get another value give their buffer up, so that it can be written in place.
  llvm::SmallVector<std::pair<TensorObject *, size_t>> donors;
  size_t leaves = call.flat.leaves.size();
  if (!recording || specialization.resultCount == 0)
    for (const Effect &effect : specialization.effects)
      for (size_t i = 0; !effect.gradient && i < specialization.hidden.size(); ++i)
        if (specialization.hidden[i].handle == effect.handle &&
            !specialization.hidden[i].gradient) {
          TensorObject *handle = call.handle(effect.handle);
          handle->value.storage = StorageRef();
          donors.push_back({handle, leaves + i});
        }
  llvm::SmallVector<StorageRef, 8> outputs(plan.outputs.size());
  try {
    executeReleasing(*specialization.executable, {inputs.data(), inputs.size()},
                     {outputs.data(), outputs.size()});
  } catch (...) {
    for (auto [handle, input] : donors)
      handle->value.storage = inputs[input];
    throw;
  }
  std::shared_ptr<TapeNode> node = recording ? record(call, inputs, outputs) : nullptr;
  PyRef result = buildResult(call, outputs, node);
  applyEffects(call, outputs);
  return result;
}

static PyObject *callJit(PyObject *self, PyObject *const *arguments, size_t flags,
                         PyObject *keywordNames) {
  return guarded([&]() -> PyObject * {
    JitState &state = *asJit(self)->state;
    if (currentScope)
      return PyObject_Vectorcall(state.function.get(), arguments, flags, keywordNames);
    size_t count = size_t(PyVectorcall_NARGS(flags));
    FlatArguments flat;
    flattenCall(state, arguments, count, keywordNames, flat);
    for (PyObject *leaf : flat.leaves)
      if (isTensor(leaf))
        requireConcrete(asTensor(leaf), "a compiled function");
    Specialization &specialization = specializationFor(state, flat, arguments, count, keywordNames);
    if (!specialization.executable)
      compile(state, specialization);
    ++state.calls;
    return run({state, flat, specialization}).release();
  });
}

//===----------------------------------------------------------------------===//
// The type
//===----------------------------------------------------------------------===//

static PyObject *construct(PyTypeObject *type, PyObject *arguments, PyObject *) {
  return guarded([&]() -> PyObject * {
    PyObject *function, *numbers, *names;
    if (!PyArg_ParseTuple(arguments, "OO!O!:JitFunction", &function, &PyTuple_Type, &numbers,
                          &PyTuple_Type, &names))
      return nullptr;
    PyRef self = checked(type->tp_alloc(type, 0));
    JitObject *jit = asJit(self.get());
    jit->vectorcall = callJit;
    jit->state = new JitState();
    jit->state->function = PyRef::borrow(function);
    for (int64_t number : shapeFrom(numbers, "static_argnums"))
      jit->state->staticNumbers.push_back(number);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
      jit->state->staticNames.push_back(PyRef::borrow(PyTuple_GET_ITEM(names, i)));
    return self.release();
  });
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(asJit(self)->dictionary);
  if (asJit(self)->state)
    Py_VISIT(asJit(self)->state->function.get());
  return 0;
}

static int clear(PyObject *self) {
  Py_CLEAR(asJit(self)->dictionary);
  if (asJit(self)->state) {
    asJit(self)->state->specializations.clear();
    asJit(self)->state->function = PyRef();
  }
  return 0;
}

static void deallocate(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (asJit(self)->weakReferences)
    PyObject_ClearWeakRefs(self);
  clear(self);
  delete asJit(self)->state;
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject *bind(PyObject *self, PyObject *instance, PyObject *) {
  return instance && instance != Py_None ? PyMethod_New(self, instance) : Py_NewRef(self);
}

/// The traced function for these arguments.
static PyObject *lower(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                       PyObject *keywordNames) {
  return guarded([&] {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    Specialization &specialization =
        specializationFor(state, flat, arguments, size_t(count), keywordNames);
    return newLowered(specialization).release();
  });
}

/// The traced function as a program that stands alone; see Export.h.
static PyObject *exportMethod(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                              PyObject *keywordNames) {
  return guarded([&] {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    if (currentScope)
      throwError("UnsupportedError", "export() inside of a function that is being traced");
    auto traced = traceFunction(state, flat, arguments, size_t(count), keywordNames);
    return newProgram(*traced, flat).release();
  });
}

/// Whether an argument, given by its position or name, is compared by value.
static PyObject *isStaticMethod(PyObject *self, PyObject *argument) {
  return guarded([&] {
    bool named = PyUnicode_Check(argument);
    size_t number = named ? 0 : size_t(shapeFrom(argument, "the position")[0]);
    return PyBool_FromLong(
        isStaticArgument(*asJit(self)->state, number, named ? argument : nullptr));
  });
}

/// Runs what a call would run, again and again, without its effects; see Profile.h.
static PyObject *profile(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                         PyObject *keywordNames) {
  return guarded([&] {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    for (PyObject *leaf : flat.leaves)
      if (isTensor(leaf))
        requireConcrete(asTensor(leaf), "profile()");
    Specialization &specialization =
        specializationFor(state, flat, arguments, size_t(count), keywordNames);
    if (!specialization.executable)
      compile(state, specialization);
    llvm::SmallVector<StorageRef, 8> inputs = Call{state, flat, specialization}.inputs();
    return profileKernels(*specialization.executable, {inputs.data(), inputs.size()}).release();
  });
}

static PyObject *statistics(PyObject *self, PyObject *) {
  const JitState &state = *asJit(self)->state;
  PyRef reasons = PyRef::steal(PyList_New(0));
  for (const std::string &reason : state.retraceReasons) {
    PyRef text = PyRef::steal(PyUnicode_FromString(reason.c_str()));
    if (!text || PyList_Append(reasons.get(), text.get()) < 0)
      return nullptr;
  }
  const Statistics &compiler = state.compiler;
  return Py_BuildValue(
      "{sKsKsLsLsLsLsLsdsdsdsdsdsdsO}", "calls", state.calls, "traces", state.traces, "compiles",
      compiler.compiles, "kernels", compiler.launches, "kernels_compiled", compiler.kernelsCompiled,
      "cache_hits", compiler.memoryHits, "disk_cache_hits", compiler.diskHits, "trace_seconds",
      state.traceSeconds, "compile_seconds", state.compileSeconds, "pass_seconds",
      compiler.passSeconds, "emit_seconds", compiler.emitSeconds, "codegen_seconds",
      compiler.codegenSeconds, "load_seconds", compiler.loadSeconds, "retraces", reasons.get());
}

static PyObject *getFunction(PyObject *self, void *) {
  return Py_NewRef(asJit(self)->state->function.get());
}

int weft::registerJitType(PyObject *module) {
  static PyMethodDef methods[] = {
      {"_lower", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(lower)),
       METH_FASTCALL | METH_KEYWORDS, "The traced function for these arguments."},
      {"_export", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(exportMethod)),
       METH_FASTCALL | METH_KEYWORDS, "The program, and what the function returned."},
      {"_is_static", isStaticMethod, METH_O, "Whether an argument is a constant of the code."},
      {"_profile", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(profile)),
       METH_FASTCALL | METH_KEYWORDS, "The kernels of a call with these arguments, timed."},
      {"_statistics", statistics, METH_NOARGS, "Counters and times."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(JitObject, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(JitObject, dictionary), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(JitObject, weakReferences), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"_function", getFunction, nullptr, "The function that was compiled.", nullptr},
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void *>(construct)},
      {Py_tp_dealloc, reinterpret_cast<void *>(deallocate)},
      {Py_tp_traverse, reinterpret_cast<void *>(traverse)},
      {Py_tp_clear, reinterpret_cast<void *>(clear)},
      {Py_tp_call, reinterpret_cast<void *>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void *>(bind)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_getset, attributes},
      {Py_tp_doc, const_cast<char *>("A function compiled for each new signature of its "
                                     "arguments, see weft.jit.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"weft._core.JitFunction", sizeof(JitObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                          Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
                      slots};
  PyRef type = PyRef::steal(PyType_FromSpec(&spec));
  return type ? PyModule_AddObjectRef(module, "JitFunction", type.get()) : -1;
}
