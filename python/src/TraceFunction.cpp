// From a call of a Python function to a specialization.
#include "lib/Trace/Promotion.h"
#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/JitFunction.h"

#include <chrono>

using namespace weft;

namespace {

/// One trace in progress.
class Tracer {
public:
  Tracer(JitState &state, const FlatArguments &flat)
      : state(state),
        flat(flat),
        scope(std::make_shared<TraceScope>()),
        result(std::make_unique<Specialization>()) {}

  std::unique_ptr<Specialization> run(PyObject *const *arguments, size_t count,
                                      PyObject *keywordNames);

private:
  void addArguments();
  PyRef call(PyObject *const *arguments, size_t count, PyObject *keywordNames);
  PyRef argumentFor(PyObject *object);
  int handleNumber(PyObject *handle);
  unsigned addOutput(ValueId id, bool requiresGrad);
  void collectResult(PyObject *value);
  void collectEffects();
  void collectHidden();
  void finish();

  JitState &state;
  const FlatArguments &flat;
  std::shared_ptr<TraceScope> scope;
  std::unique_ptr<Specialization> result;
  /// The tracer of each leaf, and its value at the start.
  std::vector<PyRef> tracers;
  std::vector<ValueId> tracerIds;
  std::unordered_map<PyObject *, int> handleNumbers;
  llvm::SmallVector<ValueId> outputs;
  size_t nextLeaf = 0;
};

/// Sets the trace in progress for a scope.
class ActiveScope {
public:
  explicit ActiveScope(TraceScope *scope) : former(std::exchange(currentScope, scope)) {}
  ~ActiveScope() { currentScope = former; }

private:
  TraceScope *former;
};

} // namespace

void Tracer::addArguments() {
  std::unordered_map<PyObject *, PyRef> known;
  for (size_t i = 0; i < flat.leaves.size(); ++i) {
    PyObject *leaf = flat.leaves[i];
    PyRef tracer;
    if (isTensor(leaf)) {
      TensorObject *source = asTensor(leaf);
      TensorValue value =
          scope->addArgument(source->value.dtype, source->value.shape, source->value.weak);
      ValueId id = value.id;
      auto [found, isNew] = known.try_emplace(leaf);
      if (isNew) {
        found->second = checked(newTensor(std::move(value)));
        TensorObject *fresh = asTensor(found->second.get());
        fresh->requiresGrad = source->requiresGrad || source->node;
        fresh->derived = !source->isLeaf();
      }
      tracer = found->second;
      tracerIds.push_back(id);
    } else {
      TensorValue value = scope->addArgument(weakDType(leaf), {}, true);
      scope->addScalar(value.id, PyRef::borrow(leaf));
      tracerIds.push_back(value.id);
      tracer = checked(newTensor(std::move(value)));
    }
    tracers.push_back(std::move(tracer));
  }
}

PyRef Tracer::argumentFor(PyObject *) { return tracers[nextLeaf++]; }

/// The function's arguments with tracers in the places of leaves, in the order of flattenCall.
PyRef Tracer::call(PyObject *const *arguments, size_t count, PyObject *keywordNames) {
  std::vector<PyRef> kept;
  std::vector<PyObject *> replaced;
  auto replace = [&](PyObject *object) { return argumentFor(object); };
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  for (size_t i = 0; i < count + keywords; ++i) {
    PyObject *name = i < count ? nullptr : PyTuple_GET_ITEM(keywordNames, Py_ssize_t(i - count));
    bool isStatic = isStaticArgument(state, i, name);
    kept.push_back(isStatic ? PyRef::borrow(arguments[i]) : mapTree(arguments[i], true, replace));
    replaced.push_back(kept.back().get());
  }
  return checked(PyObject_Vectorcall(state.function.get(), replaced.data(), count, keywordNames));
}

int Tracer::handleNumber(PyObject *handle) {
  auto [found, isNew] = handleNumbers.try_emplace(handle, int(result->handles.size()));
  if (!isNew)
    return found->second;
  for (size_t i = 0; i < tracers.size(); ++i)
    if (tracers[i].get() == handle) {
      result->handles.push_back({HandleSource::Kind::Argument, int(i), {}});
      return found->second;
    }
  int guard = result->guards.find(asTensor(handle));
  if (guard >= 0)
    result->handles.push_back({HandleSource::Kind::Guard, guard, {}});
  else
    result->handles.push_back({HandleSource::Kind::Fixed, 0, PyRef::borrow(handle)});
  return found->second;
}

unsigned Tracer::addOutput(ValueId id, bool requiresGrad) {
  if (scope->graph.isWeak(id))
    id =
        scope->graph.cast(id, defaultDType(scope->graph.dtype(id)), scope->graph.unknownLocation());
  outputs.push_back(id);
  result->outputRequiresGrad.push_back(requiresGrad);
  return outputs.size() - 1;
}

void Tracer::collectResult(PyObject *value) {
  result->resultTemplate = mapTree(value, false, [&](PyObject *leaf) {
    TensorObject *tensor = asTensor(leaf);
    ValueId id = scope->read(tensor);
    unsigned number = addOutput(id, tensor->requiresGrad);
    TensorValue place;
    place.id = number;
    return checked(newTensor(std::move(place)));
  });
  result->resultCount = outputs.size();
}

void Tracer::collectEffects() {
  for (auto &saved : scope->rebound) {
    ValueId id = scope->read(asTensor(saved.handle.get()));
    result->effects.push_back({handleNumber(saved.handle.get()), false, int(addOutput(id, false))});
  }
  for (size_t i = 0; i < tracers.size(); ++i) {
    TensorObject *tracer = asTensor(tracers[i].get());
    if (!isTensor(flat.leaves[i]) || tracer->value.id == tracerIds[i])
      continue;
    if (std::find(flat.leaves.begin(), flat.leaves.begin() + i, flat.leaves[i]) !=
        flat.leaves.begin() + i)
      continue;
    result->effects.push_back(
        {handleNumber(tracers[i].get()), false, int(addOutput(scope->read(tracer), false))});
  }
  auto addGradient = [&](PyObject *handle) {
    TensorObject *tensor = asTensor(handle);
    PyObject *gradient = tensor->slot ? tensor->slot->gradient.get() : nullptr;
    int output = gradient ? int(addOutput(scope->read(asTensor(gradient)), false)) : -1;
    result->effects.push_back({handleNumber(handle), true, output});
  };
  for (auto &saved : scope->gradientsSet)
    addGradient(saved.handle.get());
  for (size_t i = 0; i < tracers.size(); ++i) {
    TensorObject *tracer = asTensor(tracers[i].get());
    if (isTensor(flat.leaves[i]) && tracer->slot && tracer->slot->gradient)
      addGradient(tracers[i].get());
  }
}

void Tracer::collectHidden() {
  for (HiddenInput &input : scope->hidden) {
    HiddenSource source{-1,   input.gradient, input.array, input.array.dtype, input.array.shape,
                        false};
    TensorObject *handle = input.handle ? asTensor(input.handle.get()) : nullptr;
    bool older = handle && handle->serial < scope->firstSerial;
    if (older) {
      source.handle = handleNumber(input.handle.get());
      source.requiresGrad = !input.gradient && (handle->requiresGrad || handle->node);
      source.array = {};
    }
    result->hidden.push_back(std::move(source));
  }
  for (auto &[handle, present] : scope->gradientsRead)
    result->gradientPresence.push_back({handleNumber(handle.get()), present});
  for (size_t i = 0, scalar = 0; i < flat.leaves.size(); ++i)
    if (!isTensor(flat.leaves[i]) && scope->scalars[scalar++].specialized)
      result->scalars.push_back({unsigned(i), PyRef::borrow(flat.leaves[i])});
}

void Tracer::finish() {
  // A handle that the call changes gives its buffer up for the new value.
  for (const Effect &effect : result->effects)
    for (size_t i = 0; i < result->hidden.size(); ++i)
      if (!effect.gradient && result->hidden[i].handle == effect.handle &&
          !result->hidden[i].gradient)
        scope->graph.donateInput(flat.leaves.size() + i);
  for (PyObject *object : flat.statics)
    result->statics.push_back(PyRef::borrow(object));
  result->recordsGradients = !scope->differentiated;
  auto module = scope->graph.finish(outputs);
  result->module = std::make_shared<mlir::OwningOpRef<mlir::ModuleOp>>(std::move(module));
}

std::unique_ptr<Specialization> Tracer::run(PyObject *const *arguments, size_t count,
                                            PyObject *keywordNames) {
  auto start = std::chrono::steady_clock::now();
  ++state.traces;
  result->guards.build(state.function.get(), flat.objects);
  addArguments();
  ActiveScope active(scope.get());
  try {
    PyRef value = call(arguments, count, keywordNames);
    collectResult(value.get());
    collectEffects();
    collectHidden();
  } catch (...) {
    scope->undo();
    scope->close();
    throw;
  }
  scope->undo();
  finish();
  scope->close();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  state.traceSeconds += seconds.count();
  return std::move(result);
}

std::unique_ptr<Specialization> weft::traceFunction(JitState &state, const FlatArguments &flat,
                                                    PyObject *const *arguments, size_t count,
                                                    PyObject *keywordNames) {
  return Tracer(state, flat).run(arguments, count, keywordNames);
}
