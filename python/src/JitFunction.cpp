// Calls of compiled functions.
#include "python/src/JitFunction.h"

#include "lib/Runtime/Executor.h"
#include "lib/Trace/Placement.h"
#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/Export.h"
#include "python/src/Lowered.h"
#include "python/src/Profile.h"
#include "python/src/state/StateLock.h"

#include <bit>
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

/// What a call works with. It owns the handles and the specialization: while kernels run, others
/// may change containers, guards and tables.
struct Call {
  JitState &state;
  const FlatArguments &flat;
  std::shared_ptr<Specialization> specialization;
  llvm::SmallVector<PyRef, 4> handles = {};

  TensorObject *handle(int number) const { return asTensor(handles[number].get()); }
  /// Finds the handles anew, and says whether they and their slots are as they were traced; else
  /// `reason` says what is not.
  bool findHandles(std::string &reason);
  /// What the plan reads: the leaves of the arguments, then the hidden inputs.
  llvm::SmallVector<StorageRef, 8> inputs() const;

private:
  bool slotsHold(std::string &reason) const;
  bool argumentsHaveOwnSlots() const;
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

TensorObject *weft::findHandle(const Specialization &specialization, int number,
                               llvm::ArrayRef<PyObject *> leaves, llvm::ArrayRef<PyRef> found) {
  const HandleSource &source = specialization.handles[number];
  switch (source.kind) {
  case HandleSource::Kind::Guard:
    return specialization.guards.tensor(source.index);
  case HandleSource::Kind::Argument:
    return asTensor(leaves[source.index]);
  case HandleSource::Kind::Fixed:
    return asTensor(source.fixed.get());
  case HandleSource::Kind::Gradient: {
    TensorObject *owner = asTensor(found[source.index].get());
    return owner->slot ? asTensor(owner->slot->gradient.get()) : nullptr;
  }
  case HandleSource::Kind::Root:
    break;
  }
  TensorObject *view = asTensor(found[source.index].get());
  if (!view->lens)
    return nullptr;
  const Root &root = *view->lens->root;
  return root.remnant ? asTensor(root.remnant.get()) : root.handle;
}

/// The handle whose slot the tensor has or looks into.
static TensorObject *slotOf(TensorObject *tensor) {
  if (!tensor->lens)
    return tensor;
  const Root &root = *tensor->lens->root;
  return root.remnant ? asTensor(root.remnant.get()) : root.handle;
}

bool Call::findHandles(std::string &reason) {
  handles.clear();
  for (size_t i = 0; i < specialization->handles.size(); ++i) {
    TensorObject *found = findHandle(*specialization, int(i), flat.leaves, handles);
    if (!found) {
      reason = "a gradient, or what a view looks into, is not there any more";
      return false;
    }
    handles.push_back(PyRef::borrow(reinterpret_cast<PyObject *>(found)));
  }
  return slotsHold(reason);
}

/// Different handles must have different slots, and views must look into the slots that they were
/// traced with: only then are the writes and reads of the trace those of the call.
bool Call::slotsHold(std::string &reason) const {
  const std::vector<HandleSource> &sources = specialization->handles;
  uint64_t call = nextCallNumber();
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].slot >= 0)
      continue;
    TensorObject *tensor = handle(int(i)), *slot = slotOf(tensor);
    bool byValue = sources[i].kind == HandleSource::Kind::Argument;
    if (callOfMark(slot->mark) == call || (tensor->lens && !byValue)) {
      reason = "a tensor is, or became a view of, another one that the function uses";
      return false;
    }
    slot->mark = makeMark(call, i);
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].slot < 0)
      continue;
    TensorObject *tensor = handle(int(i));
    const std::optional<ViewPath> &path = sources[i].path;
    bool same = path ? tensor->lens && slotOf(tensor) == handle(sources[i].slot) &&
                           tensor->lens->path == *path
                     : tensor == handle(sources[i].slot);
    if (!same) {
      reason = "a view looks elsewhere, or an argument is not the tensor from outside that it was";
      return false;
    }
  }
  if (specialization->effects.empty() || argumentsHaveOwnSlots())
    return true;
  reason = "an argument shares its elements with another tensor that the function uses";
  return false;
}

/// True if no argument looks into the slot of another handle that the call uses. The handles were
/// marked.
bool Call::argumentsHaveOwnSlots() const {
  uint64_t call = 0;
  for (size_t i = 0; i < handles.size() && !call; ++i)
    call = callOfMark(slotOf(handle(int(i)))->mark);
  for (PyObject *leaf : flat.leaves) {
    if (!isTensor(leaf))
      continue;
    TensorObject *slot = slotOf(asTensor(leaf));
    if (callOfMark(slot->mark) != call)
      continue;
    uint64_t number = numberOfMark(slot->mark);
    bool known = handles[number].get() == leaf;
    for (size_t i = 0; i < handles.size() && !known; ++i)
      known = handles[i].get() == leaf && specialization->handles[i].slot == int(number);
    if (!known)
      return false;
  }
  return true;
}

/// True if the hidden inputs have the types that were traced.
static bool hiddenMatch(const Call &call, std::string &reason) {
  const Specialization &specialization = *call.specialization;
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
    if (tracked != source.requiresGrad) {
      reason = "requires_grad of a tensor from outside changed";
      return false;
    }
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

/// True if the call may run its trace; else `reason` says why not.
static bool matches(Call &call, std::string &reason) {
  Specialization &specialization = *call.specialization;
  for (size_t i = 0; i < specialization.statics.size(); ++i)
    if (!sameConstant(specialization.statics[i].get(), call.flat.statics[i])) {
      reason = "a static argument changed";
      return false;
    }
  for (auto &[leaf, value] : specialization.scalars)
    if (!sameConstant(value.get(), call.flat.leaves[leaf])) {
      reason = "argument " + std::to_string(leaf) + ", whose value the function asks for, changed";
      return false;
    }
  for (auto [leaf, dtype] : specialization.fits)
    if (!numberFits(call.flat.leaves[leaf], dtype)) {
      reason = "argument " + std::to_string(leaf) + " does not fit into " +
               std::string(dtypeName(dtype)) + " any more";
      return false;
    }
  PyObject *function = call.state.function.get();
  return specialization.guards.check(function, call.flat.objects, reason) &&
         call.findHandles(reason) && hiddenMatch(call, reason);
}

/// The table of traces for these arguments.
static std::shared_ptr<Specializations> &tableFor(JitState &state, const Key &key) {
  constexpr size_t mostKeys = 4096;
  if (state.specializations.size() >= mostKeys && !state.specializations.contains(key))
    state.specializations.clear();
  auto &table = state.specializations[key];
  if (!table)
    table = std::make_shared<Specializations>();
  return table;
}

static bool findIn(JitState &state, const Key &key, Call &call, std::string &reason) {
  auto found = state.specializations.find(key);
  if (found == state.specializations.end())
    return false;
  // Guards may run code of the user, which may call this function: the table is kept.
  std::shared_ptr<Specializations> table = found->second;
  for (size_t i = table->size(); i-- > 0;) {
    if (i >= table->size())
      continue;
    call.specialization = (*table)[i];
    if (matches(call, reason))
      return true;
  }
  return false;
}

static void addReason(JitState &state, const std::string &reason) {
  constexpr size_t maximumReasons = 100;
  if (state.retraceReasons.size() < maximumReasons)
    state.retraceReasons.push_back(userLine().prefix() + reason);
}

/// Traces the function for the call. A trace takes views among the arguments by their values; where
/// it turns out that it changes what they look into, another one is made that ties them.
static void traceInto(JitState &state, const Key &plain, const Key &tied, Call &call,
                      PyObject *const *arguments, size_t count, PyObject *keywordNames) {
  constexpr size_t mostCandidates = 64;
  auto keep = [&](const Key &key) {
    if (call.specialization->guards.isSpent()) {
      addReason(state, call.specialization->guards.spentBecause());
      return;
    }
    Specializations &table = *tableFor(state, key);
    if (table.size() >= mostCandidates)
      table.erase(table.begin());
    table.push_back(call.specialization);
  };
  std::string reason;
  call.specialization = traceFunction(state, call.flat, arguments, count, keywordNames,
                                      ArgumentViews::Values, ResultViews::Kept);
  bool anyView = llvm::any_of(
      call.flat.leaves, [](PyObject *leaf) { return isTensor(leaf) && asTensor(leaf)->lens; });
  if (call.findHandles(reason))
    return keep(plain);
  if (anyView) {
    call.specialization = traceFunction(state, call.flat, arguments, count, keywordNames,
                                        ArgumentViews::Tied, ResultViews::Kept);
    if (call.findHandles(reason))
      return keep(tied);
  }
  throwError("UnsupportedError", "a compiled function can't keep tensors apart: " + reason);
}

/// Finds or makes what the call runs.
static Call specializedCall(JitState &state, const FlatArguments &flat, PyObject *const *arguments,
                            size_t count, PyObject *keywordNames) {
  Call call{state, flat, nullptr};
  Key tied = flat.key;
  tied.push_back(-1);
  std::string reason = state.specializations.empty() ? "" : "new types or structure of arguments";
  if (findIn(state, flat.key, call, reason) || findIn(state, tied, call, reason))
    return call;
  if (!reason.empty())
    addReason(state, reason);
  traceInto(state, flat.key, tied, call, arguments, count, keywordNames);
  return call;
}

static void compile(JitState &state, Specialization &specialization) {
  auto start = std::chrono::steady_clock::now();
  mlir::OwningOpRef<mlir::ModuleOp> copy = (*specialization.module)->clone();
  Statistics before = Compiler::threadStatistics();
  CompileOptions options;
  options.device = specialization.device;
  specialization.executable = Compiler::instance().compile(*copy, options);
  state.compiler.addDifference(before, Compiler::threadStatistics());
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  state.compileSeconds += seconds.count();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

llvm::SmallVector<StorageRef, 8> Call::inputs() const {
  llvm::SmallVector<StorageRef, 8> result;
  Device *device = specialization->device;
  for (PyObject *leaf : flat.leaves)
    result.push_back(isTensor(leaf) ? asTensor(leaf)->value.storage
                                    : scalarOn(device, scalarArray(leaf, weakDType(leaf))).storage);
  for (const HiddenSource &source : specialization->hidden)
    result.push_back(source.handle < 0 ? source.array.storage
                                       : handle(source.handle)->value.storage);
  return result;
}

namespace {

/// One execution of a call, from its inputs to its effects and result.
class Execution {
public:
  explicit Execution(const Call &call)
      : call(call),
        specialization(*call.specialization),
        plan(specialization.executable->plan),
        inputs(call.inputs()),
        outputs(plan.outputs.size()) {
    if (gradientsEnabled && specialization.recordsGradients)
      prepareRecord();
  }

  PyRef run();

private:
  void prepareRecord();
  void finishRecord();
  void execute();
  PyRef outputTensor(int number) const;
  void applyEffects();
  PyRef view(int number, PyObject *parent) const;
  PyRef buildResult() const;

  const Call &call;
  const Specialization &specialization;
  const Plan &plan;
  llvm::SmallVector<StorageRef, 8> inputs, outputs;
  /// Where the gradients of the outputs go; null if no input needs one.
  std::shared_ptr<TapeNode> node;
};

Array arrayOf(const TensorSignature &signature, const StorageRef &storage) {
  return {storage, signature.dtype, Shape(signature.shape.begin(), signature.shape.end())};
}

} // namespace

void Execution::prepareRecord() {
  auto prepared = std::make_shared<TapeNode>();
  bool needed = false;
  size_t leaves = call.flat.leaves.size();
  for (size_t i = 0; i < inputs.size(); ++i) {
    Origin origin;
    if (i < leaves && isTensor(call.flat.leaves[i]))
      origin = asTensor(call.flat.leaves[i])->origin();
    else if (i >= leaves && specialization.hidden[i - leaves].handle >= 0)
      origin = call.handle(specialization.hidden[i - leaves].handle)->origin();
    needed |= bool(origin);
    prepared->inputs.push_back({owned(arrayOf(plan.inputs[i], inputs[i])), std::move(origin)});
  }
  if (needed)
    node = std::move(prepared);
}

void Execution::finishRecord() {
  if (!node)
    return;
  node->function = specialization.module;
  node->functionSerial = specialization.functionSerial;
  for (size_t i = 0; i < outputs.size(); ++i)
    node->outputs.push_back(arrayOf(plan.outputs[i], outputs[i]));
}

/// Handles that get another value give their buffer up, so that it can be written in place.
void Execution::execute() {
  llvm::SmallVector<std::pair<TensorObject *, size_t>> donors;
  if (!node) {
    std::vector<bool> changes(call.handles.size());
    for (const Effect &effect : specialization.effects)
      if (!effect.gradient)
        changes[effect.handle] = true;
    for (size_t i = 0; i < specialization.hidden.size(); ++i) {
      int number = specialization.hidden[i].handle;
      if (number < 0 || !changes[number])
        continue;
      call.handle(number)->value.storage = StorageRef();
      donors.push_back({call.handle(number), call.flat.leaves.size() + i});
    }
  }
  try {
    executeReleasing(*specialization.executable, {inputs.data(), inputs.size()},
                     {outputs.data(), outputs.size()});
  } catch (...) {
    for (auto [handle, input] : donors)
      handle->value.storage = inputs[input];
    throw;
  }
  for (auto [handle, input] : donors)
    inputs[input] = StorageRef();
}

PyRef Execution::outputTensor(int number) const {
  PyRef tensor =
      checked(newTensor(TensorValue::of(arrayOf(plan.outputs[number], outputs[number]))));
  if (node && specialization.outputRequiresGrad[number]) {
    asTensor(tensor.get())->node = node;
    asTensor(tensor.get())->nodeResult = uint32_t(number);
    asTensor(tensor.get())->requiresGrad = true;
  }
  return tensor;
}

/// First all that can't fail: whatever happens after, no handle is left without a value.
void Execution::applyEffects() {
  auto setWhole = [&](const Effect &effect) {
    TensorObject *handle = call.handle(effect.handle);
    handle->value = TensorValue::of(arrayOf(plan.outputs[effect.output], outputs[effect.output]));
    bool tracked = node && specialization.outputRequiresGrad[effect.output];
    handle->node = tracked ? node : nullptr;
    handle->nodeResult = uint32_t(effect.output);
    handle->requiresGrad |= tracked;
    changed(handle);
  };
  for (const Effect &effect : specialization.effects)
    if (!effect.gradient && !effect.replaces && !call.handle(effect.handle)->lens)
      setWhole(effect);
  for (const Effect &effect : specialization.effects) {
    TensorObject *handle = call.handle(effect.handle);
    if (effect.gradient) {
      handle->gradientSlot().gradient = effect.output >= 0 ? outputTensor(effect.output) : PyRef();
    } else if (effect.replaces) {
      leaveSlot(handle);
      setWhole(effect);
    } else if (handle->lens) {
      PyRef value = outputTensor(effect.output);
      writeThrough(handle, asTensor(value.get()));
    }
  }
}

PyRef Execution::view(int number, PyObject *parent) const {
  const ResultSource &source = specialization.results[number];
  PyRef result = outputTensor(number);
  if (auto path = pathFrom(asTensor(parent), source.path))
    makeView(asTensor(result.get()), asTensor(parent), std::move(*path), gradientsEnabled,
             source.detached);
  return result;
}

PyRef Execution::buildResult() const {
  std::vector<PyRef> made(specialization.results.size());
  // What others are, or look into, comes first.
  for (size_t i = 0; i < made.size(); ++i) {
    const ResultSource &source = specialization.results[i];
    if (source.kind == ResultSource::Kind::Fresh)
      made[i] = outputTensor(int(i));
    else if (source.kind == ResultSource::Kind::Handle)
      made[i] = call.handles[source.index];
    else if (source.kind == ResultSource::Kind::ViewOfHandle)
      made[i] = view(int(i), call.handles[source.index].get());
  }
  for (size_t i = 0; i < made.size(); ++i) {
    const ResultSource &source = specialization.results[i];
    if (source.kind == ResultSource::Kind::ViewOfResult)
      made[i] = view(int(i), made[source.index].get());
  }
  for (size_t i = 0; i < made.size(); ++i)
    if (specialization.results[i].kind == ResultSource::Kind::Same)
      made[i] = made[specialization.results[i].index];
  PyObject *result = specialization.resultTemplate.get();
  auto fill = [&](PyObject *place) { return made[asTensor(place)->value.id]; };
  return isTensor(result) ? fill(result) : mapLeaves(result, false, fill);
}

PyRef Execution::run() {
  execute();
  finishRecord();
  applyEffects();
  return buildResult();
}

/// While the call waited or compiled, other threads may have changed what it found.
static bool stillFits(Call &call) {
  std::string reason;
  return call.findHandles(reason) && hiddenMatch(call, reason);
}

static PyObject *callJit(PyObject *self, PyObject *const *arguments, size_t flags,
                         PyObject *keywordNames) {
  return guarded([&]() -> PyObject * {
    JitState &state = *asJit(self)->state;
    if (currentScope)
      return PyObject_Vectorcall(state.function.get(), arguments, flags, keywordNames);
    size_t count = size_t(PyVectorcall_NARGS(flags));
    while (true) {
      FlatArguments flat;
      flattenCall(state, arguments, count, keywordNames, flat);
      for (PyObject *leaf : flat.leaves)
        if (isTensor(leaf))
          requireConcrete(asTensor(leaf), "a compiled function");
      Call call = specializedCall(state, flat, arguments, count, keywordNames);
      bool fits = true;
      if (!call.specialization->executable) {
        compile(state, *call.specialization);
        fits = stillFits(call);
      }
      while (fits) {
        StateLock lock(!call.specialization->effects.empty());
        if (!lock.waited()) {
          ++state.calls;
          return Execution(call).run().release();
        }
        fits = stillFits(call);
      }
    }
  });
}

//===----------------------------------------------------------------------===//
// The type
//===----------------------------------------------------------------------===//

static PyObject *construct(PyTypeObject *type, PyObject *arguments, PyObject *) {
  return guarded([&]() -> PyObject * {
    PyObject *function, *numbers, *names;
    int strict = 0;
    if (!PyArg_ParseTuple(arguments, "OO!O!|p:JitFunction", &function, &PyTuple_Type, &numbers,
                          &PyTuple_Type, &names, &strict))
      return nullptr;
    PyRef self = checked(type->tp_alloc(type, 0));
    JitObject *jit = asJit(self.get());
    jit->vectorcall = callJit;
    jit->state = new JitState();
    jit->state->function = PyRef::borrow(function);
    jit->state->strict = strict;
    for (int64_t number : shapeFrom(numbers, "static_argnums"))
      jit->state->staticNumbers.push_back(number);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
      jit->state->staticNames.push_back(PyRef::borrow(PyTuple_GET_ITEM(names, i)));
    return self.release();
  });
}

/// All that a specialization refers to. Only the table that is visited owns it: a call that runs
/// it belongs to a caller who has the function too.
static int traverseSpecialization(const Specialization &specialization, visitproc visit,
                                  void *arg) {
  for (const PyRef &object : specialization.statics)
    Py_VISIT(object.get());
  for (const auto &[leaf, value] : specialization.scalars)
    Py_VISIT(value.get());
  for (const HandleSource &source : specialization.handles)
    Py_VISIT(source.fixed.get());
  Py_VISIT(specialization.resultTemplate.get());
  return specialization.guards.traverse(visit, arg);
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(asJit(self)->dictionary);
  if (!asJit(self)->state)
    return 0;
  Py_VISIT(asJit(self)->state->function.get());
  for (auto &[key, table] : asJit(self)->state->specializations)
    for (const auto &specialization : *table)
      if (int status = traverseSpecialization(*specialization, visit, arg))
        return status;
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
    Call call = specializedCall(state, flat, arguments, size_t(count), keywordNames);
    return newLowered(*call.specialization).release();
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
    auto traced = traceFunction(state, flat, arguments, size_t(count), keywordNames,
                                ArgumentViews::Values, ResultViews::Copied);
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
    Call call = specializedCall(state, flat, arguments, size_t(count), keywordNames);
    if (!call.specialization->executable)
      compile(state, *call.specialization);
    llvm::SmallVector<StorageRef, 8> inputs = call.inputs();
    return profileKernels(*call.specialization->executable, {inputs.data(), inputs.size()})
        .release();
  });
}

static PyRef listOf(const std::vector<std::string> &texts) {
  PyRef list = PyRef::steal(PyList_New(0));
  for (const std::string &text : texts) {
    PyRef item = PyRef::steal(PyUnicode_FromString(text.c_str()));
    if (!list || !item || PyList_Append(list.get(), item.get()) < 0)
      return {};
  }
  return list;
}

static PyObject *statistics(PyObject *self, PyObject *) {
  const JitState &state = *asJit(self)->state;
  PyRef reasons = listOf(state.retraceReasons), notWatched = listOf(state.notWatched);
  if (!reasons || !notWatched)
    return nullptr;
  const Statistics &compiler = state.compiler;
  return Py_BuildValue(
      "{sKsKsLsLsLsLsLsdsdsdsdsdsdsOsO}", "calls", state.calls, "traces", state.traces, "compiles",
      compiler.compiles, "kernels", compiler.launches, "kernels_compiled", compiler.kernelsCompiled,
      "cache_hits", compiler.memoryHits, "disk_cache_hits", compiler.diskHits, "trace_seconds",
      state.traceSeconds, "compile_seconds", state.compileSeconds, "pass_seconds",
      compiler.passSeconds, "emit_seconds", compiler.emitSeconds, "codegen_seconds",
      compiler.codegenSeconds, "load_seconds", compiler.loadSeconds, "retraces", reasons.get(),
      "not_watched", notWatched.get());
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
