// From a call of a Python function to a specialization.
#include "lib/Trace/Promotion.h"
#include "python/src/Apply.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/JitFunction.h"

#include <algorithm>
#include <chrono>
#include <functional>

using namespace weft;

namespace {

/// One trace in progress.
class Tracer {
public:
  Tracer(JitState &state, const FlatArguments &flat, std::span<PyObject *const> arguments,
         PyObject *keywordNames)
      : state(state),
        flat(flat),
        arguments(arguments),
        keywordNames(keywordNames),
        scope(std::make_shared<TraceScope>()),
        result(std::make_unique<Specialization>()) {}

  std::unique_ptr<Specialization> run();

private:
  void addArguments();
  PyRef call();
  PyRef argumentFor(PyObject *object);
  int handleNumber(PyObject *handle);
  unsigned addOutput(ValueId id, bool requiresGrad);
  void collectResult(PyObject *value);
  void collectEffects();
  void collectHidden();
  void checkDevices();
  std::string leafName(size_t leaf) const;
  std::string hiddenName(const HiddenSource &source) const;
  void finish();

  JitState &state;
  const FlatArguments &flat;
  /// Positional ones, then those of `keywordNames`.
  std::span<PyObject *const> arguments;
  PyObject *keywordNames;
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
      scope->meet(source);
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
PyRef Tracer::call() {
  std::vector<PyRef> kept;
  std::vector<PyObject *> replaced;
  auto replace = [&](PyObject *object) { return argumentFor(object); };
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  size_t count = arguments.size() - keywords;
  for (size_t i = 0; i < arguments.size(); ++i) {
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
  if (result->device && isGeneratorState(asTensor(handle))) {
    PyRef state = generatorStateOn(result->device);
    result->handles.push_back({HandleSource::Kind::Fixed, 0, std::move(state)});
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

//===----------------------------------------------------------------------===//
// Where the function runs
//===----------------------------------------------------------------------===//

/// "argument `x`": the argument that a leaf is, or is in.
std::string Tracer::leafName(size_t leaf) const {
  size_t passed = 0, number = 0;
  auto count = [&](PyObject *object) {
    ++passed;
    return PyRef::borrow(object);
  };
  size_t positional = arguments.size() - (keywordNames ? PyTuple_GET_SIZE(keywordNames) : 0);
  PyObject *name = nullptr;
  for (; passed <= leaf; ++number) {
    name = number < positional ? nullptr : PyTuple_GET_ITEM(keywordNames, number - positional);
    if (!isStaticArgument(state, number, name))
      mapTree(arguments[number], true, count);
  }
  if (name)
    return std::string("argument `") + PyUnicode_AsUTF8(name) + "`";
  PyRef module = checked(PyImport_ImportModule("weft._devices"));
  PyRef text = checked(PyObject_CallMethod(module.get(), "argument_name", "On",
                                           state.function.get(), Py_ssize_t(number - 1)));
  return PyUnicode_AsUTF8(text.get());
}

std::string Tracer::hiddenName(const HiddenSource &source) const {
  std::string name = "a tensor made in the function";
  if (source.handle >= 0) {
    const HandleSource &handle = result->handles[source.handle];
    name = handle.kind == HandleSource::Kind::Guard      ? result->guards.path(handle.index)
           : handle.kind == HandleSource::Kind::Argument ? leafName(size_t(handle.index))
                                                         : "a tensor from outside";
  }
  return source.gradient ? "the gradient of " + name : name;
}

/// All tensors have to be on the device of the first that was met. Arrays of the host that were
/// made in the trace are constants of the function: they are brought there.
void Tracer::checkDevices() {
  std::vector<std::pair<Device *, std::function<std::string()>>> places;
  for (size_t i = 0; i < flat.leaves.size(); ++i)
    if (isTensor(flat.leaves[i]) && asTensor(flat.leaves[i])->value.storage)
      places.push_back(
          {asTensor(flat.leaves[i])->value.storage->device(), [this, i] { return leafName(i); }});
  for (size_t i = 0; i < scope->hidden.size(); ++i) {
    const HiddenInput &input = scope->hidden[i];
    HiddenSource &source = result->hidden[i];
    if (source.handle < 0 && !input.array.storage->device())
      source.array.storage = copyTo(result->device, input.array.storage);
    else if (!input.handle || !isGeneratorState(asTensor(input.handle.get())))
      places.push_back(
          {input.array.storage->device(), [this, i] { return hiddenName(result->hidden[i]); }});
  }
  auto isHere = [&](auto &place) { return place.first == result->device; };
  auto other = std::find_if_not(places.begin(), places.end(), isHere);
  if (other == places.end())
    return;
  auto here = std::find_if(places.begin(), places.end(), isHere);
  throwError("DeviceError", "the tensors of a compiled function have to be on one device, but " +
                                here->second() + " is on " + deviceName(here->first) + ", and " +
                                other->second() + " on " + deviceName(other->first) +
                                "; move them to one by .to(\"" + deviceName(here->first) +
                                "\") before the call");
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

std::unique_ptr<Specialization> Tracer::run() {
  auto start = std::chrono::steady_clock::now();
  ++state.traces;
  result->guards.build(state.function.get(), flat.objects);
  addArguments();
  ActiveScope active(scope.get());
  try {
    PyRef value = call();
    collectResult(value.get());
    result->device = scope->device();
    collectEffects();
    collectHidden();
    checkDevices();
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
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  return Tracer(state, flat, {arguments, count + keywords}, keywordNames).run();
}
