// From a call of a Python function to a specialization.
#include "lib/Runtime/Recorder.h"
#include "lib/Trace/Promotion.h"
#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/TraceScope.h"
#include "python/src/state/CutTrace.h"
#include "python/src/state/Handle.h"
#include "python/src/state/ObjectParts.h"
#include "python/src/state/ReadRecorder.h"
#include "python/src/state/Specialization.h"
#include "python/src/state/View.h"

#include <algorithm>
#include <chrono>
#include <functional>

using namespace weft;

namespace {

/// One trace in progress.
class Tracer {
public:
  Tracer(JitState &state, const FlatArguments &flat, std::span<PyObject *const> arguments,
         PyObject *keywordNames, ArgumentViews argumentViews, ResultViews resultViews,
         const Questions *questions)
      : state(state),
        flat(flat),
        arguments(arguments),
        keywordNames(keywordNames),
        argumentViews(argumentViews),
        resultViews(resultViews),
        scope(std::make_shared<TraceScope>()),
        result(std::make_shared<Specialization>()),
        cuts(state, *scope, flat, questions) {
    if (questions)
      scope->answers = &cuts;
    scope->matmulPrecision = state.matmulPrecision;
    for (PyObject *leaf : flat.leaves)
      kept.push_back(PyRef::borrow(leaf));
  }

  std::shared_ptr<Specialization> run();

private:
  void addArguments();
  PyRef tensorArgument(size_t leaf);
  void tieViews();
  PyRef call();
  PyRef recordedCall(PyObject *const *replaced, size_t count);
  PyRef argumentFor(PyObject *object);
  int handleNumber(TensorObject *handle);
  HandleSource sourceOf(TensorObject *handle);
  void collectTies();
  unsigned addOutput(ValueId id, bool hasHistory);
  TensorObject *innerRoot(TensorObject *inside) const;
  ResultSource resultSource(TensorObject *inside);
  /// True for a tensor that a call makes of an array or number among its arguments.
  bool isConverted(TensorObject *handle) const;
  void noteMadeObjects(PyObject *value);
  void collectResult(PyObject *value);
  void addResult(TensorObject *inside, ResultSource source);
  void collectStores();
  void collectLeft(PyRef value);
  void putNumbers(std::vector<PyRef> &left);
  void tieResults();
  void collectEffects();
  void collectHidden();
  void checkDevices();
  void noteUnwatched();
  std::string argumentName(size_t number) const;
  std::string leafName(size_t leaf) const;
  std::string hiddenName(const HiddenSource &source) const;
  void findOverwritten();
  void sortInputs(llvm::SmallVectorImpl<unsigned> &changed,
                  llvm::SmallVectorImpl<unsigned> &prepared) const;
  void finish();

  JitState &state;
  const FlatArguments &flat;
  /// Positional ones, then those of `keywordNames`.
  std::span<PyObject *const> arguments;
  PyObject *keywordNames;
  ArgumentViews argumentViews;
  ResultViews resultViews;
  std::shared_ptr<TraceScope> scope;
  std::shared_ptr<Specialization> result;
  CutTrace cuts;
  std::vector<PyRef> kept;
  /// The tracer of each leaf.
  std::vector<PyRef> tracers;
  std::unordered_map<TensorObject *, int> leafNumbers;
  std::unordered_map<TensorObject *, int> handleNumbers;
  llvm::SmallVector<ValueId> outputs;
  /// By the handle in the trace.
  std::unordered_map<TensorObject *, unsigned> resultNumbers;
  /// The effects that set gradients, and the tensors that these are in the trace; null if removed.
  std::vector<std::pair<size_t, TensorObject *>> gradients;
  /// Results that look into tensors that are no results, and these.
  std::vector<std::pair<size_t, TensorObject *>> looseViews;
  size_t nextLeaf = 0;
};

/// Sets the trace in progress for a scope.
class ActiveScope {
public:
  explicit ActiveScope(TraceScope *scope) : former(std::exchange(currentScope, scope)) {
    currentMaker = scope;
  }
  ~ActiveScope() { currentMaker = currentScope = former; }

private:
  TraceScope *former;
};

} // namespace

PyRef Tracer::tensorArgument(size_t leaf) {
  TensorObject *source = asTensor(flat.leaves[leaf]);
  scope->meet(source);
  TensorValue value =
      scope->addArgument(source->value.dtype, source->value.shape, source->value.weak);
  ValueId id = value.id;
  auto [first, isNew] = leafNumbers.try_emplace(source, int(leaf));
  if (!isNew)
    return tracers[first->second];
  // One dict of attributes: what the function sets, the argument has.
  bool isPlain = Py_TYPE(source) == tensorClass;
  PyRef attributes = isPlain ? PyRef() : instanceDict(asObject(source));
  PyRef tracer = newTensorOf(Py_TYPE(source), std::move(value), attributes.get());
  TensorObject *inside = asTensor(tracer.get());
  inside->requiresGrad = source->isTracked();
  inside->derived = !source->isLeaf();
  if (inside->derived)
    scope->noteComputedOutside(id);
  if (auto strides = unusualStrides(source))
    setStrides(inside, *strides);
  if (!source->lens || argumentViews == ArgumentViews::Values)
    scope->addSharedArgument(source, tracer, int(leaf));
  return tracer;
}

void Tracer::addArguments() {
  for (size_t i = 0; i < flat.leaves.size(); ++i) {
    PyObject *leaf = flat.leaves[i];
    if (isTensor(leaf)) {
      tracers.push_back(tensorArgument(i));
      continue;
    }
    TensorValue value = scope->addArgument(weakDType(leaf), {}, true);
    scope->addScalar(value.id, PyRef::borrow(leaf));
    tracers.push_back(checked(newTensor(std::move(value))));
  }
  if (argumentViews == ArgumentViews::Tied)
    tieViews();
}

/// Views among the arguments become views of what stands for their roots.
void Tracer::tieViews() {
  for (size_t i = 0; i < flat.leaves.size(); ++i) {
    if (!isTensor(flat.leaves[i]) || !asTensor(flat.leaves[i])->lens)
      continue;
    TensorObject *source = asTensor(flat.leaves[i]);
    size_t first = leafNumbers.at(source);
    if (first == i)
      scope->addSharedArgument(source, scope->standForView(source), int(i));
    tracers[i] = first == i ? scope->shared.back().stand : tracers[first];
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
    kept.push_back(isStatic ? PyRef::borrow(arguments[i]) : mapLeaves(arguments[i], true, replace));
    replaced.push_back(kept.back().get());
  }
  std::vector<std::vector<PyRef>> outlines;
  outlines.reserve(replaced.size());
  for (PyObject *argument : replaced)
    outlines.push_back(outlineOf(argument));
  PyRef value = recordedCall(replaced.data(), count);
  for (size_t i = 0; i < replaced.size(); ++i)
    if (!std::ranges::equal(outlineOf(replaced[i]), outlines[i], {}, &PyRef::get, &PyRef::get))
      throwError("UnsupportedError",
                 argumentName(i) +
                     " is a container that the function changes, and a compiled "
                     "function gets a copy of it: return what is new instead, or keep "
                     "it in an object that is no argument");
  return value;
}

/// Calls the function, and sees what it reads.
PyRef Tracer::recordedCall(PyObject *const *replaced, size_t count) {
  ReadRecorder recorder(result->guards);
  return checked(PyObject_Vectorcall(state.function.get(), replaced, count, keywordNames));
}

//===----------------------------------------------------------------------===//
// Handles
//===----------------------------------------------------------------------===//

HandleSource Tracer::sourceOf(TensorObject *handle) {
  if (auto leaf = leafNumbers.find(handle); leaf != leafNumbers.end())
    return {HandleSource::Kind::Argument, leaf->second};
  if (result->device && isOfEachDevice(handle))
    return {HandleSource::Kind::Fixed, 0, stateOn(result->device, handle)};
  if (int guard = result->guards.find(handle); guard >= 0)
    return {HandleSource::Kind::Guard, guard};
  if (TensorObject *owner = scope->gradientOwner(handle))
    return {HandleSource::Kind::Gradient, handleNumber(owner)};
  if (TensorObject *view = scope->viewOf(handle))
    return {HandleSource::Kind::Root, handleNumber(view)};
  return {HandleSource::Kind::Fixed, 0, PyRef::borrow(reinterpret_cast<PyObject *>(handle))};
}

int Tracer::handleNumber(TensorObject *handle) {
  if (auto found = handleNumbers.find(handle); found != handleNumbers.end())
    return found->second;
  HandleSource source = sourceOf(handle);
  int number = int(result->handles.size());
  handleNumbers[handle] = number;
  result->handles.push_back(std::move(source));
  return number;
}

/// What was found out about handles that are views, and about arguments that the function also
/// reached in another way.
void Tracer::collectTies() {
  for (size_t i = 0; i < scope->shared.size(); ++i) {
    const SharedHandle &entry = scope->shared[i];
    TensorObject *handle = asTensor(entry.handle.get());
    if (const Lens *lens = asTensor(entry.stand.get())->lens.get()) {
      int view = handleNumber(handle);
      int root = handleNumber(handle->lens->root->holder());
      result->handles[view].path = lens->path;
      result->handles[view].slot = root;
    }
    if (!entry.reachedElsewhere || entry.leaf < 0)
      continue;
    HandleSource elsewhere{HandleSource::Kind::Fixed, 0, entry.handle};
    if (int guard = result->guards.find(handle); guard >= 0)
      elsewhere = {HandleSource::Kind::Guard, guard};
    elsewhere.slot = handleNumber(handle);
    result->handles.push_back(std::move(elsewhere));
  }
}

//===----------------------------------------------------------------------===//
// Results and effects
//===----------------------------------------------------------------------===//

unsigned Tracer::addOutput(ValueId id, bool hasHistory) {
  History history = !hasHistory           ? History::None
                    : scope->isUsedUp(id) ? History::Released
                                          : History::Recorded;
  if (history == History::Recorded) {
    scope->checkReach(id, [this](TensorObject *leaf) { return resultNumbers.contains(leaf); });
    result->recordsGradients = true;
  }
  if (scope->graph.isWeak(id))
    id =
        scope->graph.cast(id, defaultDType(scope->graph.dtype(id)), scope->graph.unknownLocation());
  outputs.push_back(id);
  result->outputHistories.push_back(history);
  return outputs.size() - 1;
}

bool Tracer::isConverted(TensorObject *handle) const {
  return llvm::is_contained(flat.madeOfArrays, reinterpret_cast<PyObject *>(handle));
}

/// The tensor that a result looks into, made in the trace; null for others.
TensorObject *Tracer::innerRoot(TensorObject *inside) const {
  const Lens *lens = inside->lens.get();
  if (!lens || lens->root->remnant || scope->outsideOf(lens->root->handle))
    return nullptr;
  return lens->root->handle;
}

ResultSource Tracer::resultSource(TensorObject *inside) {
  if (resultViews == ResultViews::Copied)
    return {};
  if (TensorObject *outside = scope->outsideOf(inside); outside && !isConverted(outside))
    return {ResultSource::Kind::Handle, handleNumber(outside)};
  const Lens *lens = inside->lens.get();
  if (!lens || lens->root->remnant)
    return {};
  if (TensorObject *root = innerRoot(inside)) {
    auto base = resultNumbers.find(root);
    if (base == resultNumbers.end()) {
      // It may yet turn out that the function stores it, or leaves it somewhere.
      looseViews.push_back({result->results.size(), root});
      return {ResultSource::Kind::Fresh, 0, lens->path, lens->detached};
    }
    return {ResultSource::Kind::ViewOfResult, int(base->second), lens->path, lens->detached};
  }
  TensorObject *outside = scope->outsideOf(lens->root->handle);
  if (isConverted(outside))
    return {};
  return {ResultSource::Kind::ViewOfHandle, handleNumber(outside), lens->path, lens->detached};
}

/// An object that the function makes and returns has to be another one at each call.
void Tracer::noteMadeObjects(PyObject *value) {
  mapTree(value, [&](PyObject *leaf, const TreeType &type) {
    bool isNew = type.kind == TreeKind::Leaf && !isTensor(leaf) && !isConstant(leaf) &&
                 result->guards.findObject(leaf) < 0 && !llvm::is_contained(flat.objects, leaf);
    if (isNew && !result->guards.isSpent()) {
      PyRef fixed = checked(PyObject_CallOneArg(hook(Hook::IsFixed), leaf));
      if (fixed.get() != Py_True)
        result->guards.spend("the function returns an object that it makes, a " +
                             std::string(Py_TYPE(leaf)->tp_name));
    }
    return PyRef();
  });
}

void Tracer::collectResult(PyObject *value) {
  std::vector<TensorObject *> returned;
  result->resultTemplate = mapLeaves(value, false, [&](PyObject *leaf) {
    TensorValue place;
    place.id = ValueId(returned.size());
    returned.push_back(scope->own(asTensor(leaf)));
    return checked(newTensor(std::move(place)));
  });
  if (resultViews == ResultViews::Kept)
    noteMadeObjects(value);
  std::unordered_map<TensorObject *, unsigned> views;
  for (TensorObject *inside : returned)
    if (resultNumbers.try_emplace(inside, resultNumbers.size()).second)
      if (TensorObject *root = innerRoot(inside))
        ++views[root];
  resultNumbers.clear();
  for (size_t i = 0; i < returned.size(); ++i)
    resultNumbers.try_emplace(returned[i], i);
  size_t count = returned.size();
  for (size_t i = 0; i < count && resultViews == ResultViews::Kept; ++i)
    if (TensorObject *root = innerRoot(returned[i]); root && views[root] > 1)
      if (resultNumbers.try_emplace(root, returned.size()).second)
        returned.push_back(root);
  for (size_t i = 0; i < returned.size(); ++i) {
    unsigned first = resultNumbers.at(returned[i]);
    bool isFirst = first == i || resultViews == ResultViews::Copied;
    addResult(returned[i], isFirst ? resultSource(returned[i])
                                   : ResultSource{ResultSource::Kind::Same, int(first)});
  }
}

void Tracer::addResult(TensorObject *inside, ResultSource source) {
  source.isLeaf = inside->requiresGrad && inside->isLeaf();
  if (Py_TYPE(inside) != tensorClass && !scope->outsideOf(inside)) {
    source.type = PyRef::borrow(reinterpret_cast<PyObject *>(Py_TYPE(inside)));
    source.attributes = instanceDict(asObject(inside));
    Py_ssize_t position = 0;
    PyObject *value;
    while (source.attributes && PyDict_Next(source.attributes.get(), &position, nullptr, &value))
      if (!isConstant(value))
        result->guards.spend("the function returns a tensor with an object that it makes");
  }
  source.output = addOutput(traced(inside), inside->requiresGrad && !inside->isLeaf());
  result->results.push_back(std::move(source));
}

/// Stored tensors are results, which calls store. Where no guard finds the dict, it is as if the
/// function had left the tensor there in any other way.
void Tracer::collectStores() {
  for (const Store &store : scope->stores) {
    int dict = result->guards.findObject(store.dict.get());
    if (dict < 0 && resultViews == ResultViews::Kept) {
      checkStatus(PyDict_SetItem(store.dict.get(), store.key.get(), store.value.get()));
      continue;
    }
    TensorObject *inside = scope->own(asTensor(store.value.get()));
    auto [number, isNew] = resultNumbers.try_emplace(inside, result->results.size());
    if (isNew)
      addResult(inside, resultSource(inside));
    result->stores.push_back({dict, store.key, number->second});
  }
}

/// A gradient that is returned, or left, is the one that the tensor has; and results look into what
/// is stored, or left.
void Tracer::tieResults() {
  for (auto [view, root] : looseViews)
    if (auto number = resultNumbers.find(root); number != resultNumbers.end()) {
      result->results[view].kind = ResultSource::Kind::ViewOfResult;
      result->results[view].index = int(number->second);
    }
  for (auto [effect, gradient] : gradients)
    if (auto number = resultNumbers.find(gradient); number != resultNumbers.end())
      if (result->results[number->second].kind == ResultSource::Kind::Fresh)
        result->effects[effect].result = int(number->second);
}

/// Numbers among the arguments that the function left in objects are Python's there.
void Tracer::putNumbers(std::vector<PyRef> &left) {
  PyRef numbers = checked(PyDict_New());
  for (const PyRef &tensor : left)
    if (PyObject *number = scope->scalarValue(asTensor(tensor.get())->value.id)) {
      PyRef address = checked(PyLong_FromVoidPtr(tensor.get()));
      checkStatus(PyDict_SetItem(numbers.get(), address.get(), number));
    }
  if (PyDict_GET_SIZE(numbers.get()) == 0)
    return;
  checked(PyObject_CallFunctionObjArgs(
      hook(Hook::PutNumbers), result->guards.watchedObjects().get(), numbers.get(), nullptr));
  result->guards.spend("the function leaves a number that is an argument in an object");
  left.clear();
  left = scope->letGo();
}

/// Tensors that the function left in objects get values by the call, as results do. It is the only
/// one of this trace: another one would have to put others there.
void Tracer::collectLeft(PyRef value) {
  value = PyRef();
  tracers.clear();
  std::vector<PyRef> left = scope->letGo();
  putNumbers(left);
  if (!left.empty() && !state.leavesTensors) {
    // Garbage in a circle, as of a local function that calls itself, is no place to leave one in.
    // A collection takes long, and one that found it so is enough.
    left.clear();
    PyGC_Collect();
    left = scope->letGo();
  }
  if (left.empty())
    return;
  state.leavesTensors = true;
  result->guards.spend("the function leaves a tensor that it made in an object");
  auto isNew = [&](TensorObject *inside) {
    return !resultNumbers.contains(inside) || scope->outsideOf(inside);
  };
  size_t next = result->results.size();
  for (const PyRef &tensor : left)
    if (isNew(asTensor(tensor.get())))
      resultNumbers[asTensor(tensor.get())] = next++;
  for (PyRef &tensor : left) {
    TensorObject *inside = asTensor(tensor.get());
    unsigned number = resultNumbers.at(inside);
    if (number >= result->results.size())
      addResult(inside, resultSource(inside));
    result->results[number].left = std::move(tensor);
  }
}

void Tracer::collectEffects() {
  for (size_t i = 0; i < scope->shared.size(); ++i) {
    SharedHandle entry = scope->shared[i];
    TensorObject *handle = asTensor(entry.handle.get()), *stand = asTensor(entry.stand.get());
    bool changes = !stand->lens && (stand->value.id != entry.initial || entry.replaced);
    if (changes && isConverted(handle))
      throwError("UnsupportedError", "a compiled function changes an argument in place that is no "
                                     "tensor of weft but an array: the array would not change; "
                                     "pass weft.asarray(...) of it, or return the new value");
    if (changes) {
      auto output = int(addOutput(traced(stand), stand->requiresGrad && stand->derived));
      result->effects.push_back({handleNumber(handle), false, output, entry.replaced});
    }
    if (entry.gradientSet) {
      PyObject *gradient = stand->slot ? stand->slot->gradient.get() : nullptr;
      int output = gradient ? int(addOutput(traced(asTensor(gradient)), false)) : -1;
      gradients.push_back({result->effects.size(), asTensor(gradient)});
      result->effects.push_back({handleNumber(handle), true, output});
    }
  }
}

void Tracer::collectHidden() {
  for (HiddenInput &input : scope->hidden) {
    HiddenSource source{-1, input.array, input.array.dtype, input.array.shape, false};
    if (input.handle) {
      TensorObject *handle = asTensor(input.handle.get());
      source.handle = handleNumber(handle);
      source.requiresGrad = handle->isTracked();
      source.array = {};
    }
    result->hidden.push_back(std::move(source));
  }
  for (const SharedHandle &entry : scope->shared)
    if (entry.gradientRead)
      result->gradientPresence.push_back(
          {handleNumber(asTensor(entry.handle.get())), entry.gradientPresent});
  for (const SharedHandle &entry : scope->shared)
    if (entry.hasNoHooks)
      result->withoutHooks.push_back(handleNumber(asTensor(entry.handle.get())));
  std::vector<unsigned> scalarLeaves;
  for (size_t i = 0; i < flat.leaves.size(); ++i)
    if (!isTensor(flat.leaves[i]))
      scalarLeaves.push_back(i);
  for (size_t i = 0; i < scalarLeaves.size(); ++i)
    if (scope->specialized[i])
      result->scalars.push_back({scalarLeaves[i], PyRef::borrow(flat.leaves[scalarLeaves[i]])});
  result->numbers = std::move(scope->numbers);
  collectTies();
}

//===----------------------------------------------------------------------===//
// Where the function runs
//===----------------------------------------------------------------------===//

/// "argument `x`": by its name if the function tells it.
std::string Tracer::argumentName(size_t number) const {
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  size_t positional = arguments.size() - keywords;
  if (number >= positional)
    return std::string("argument `") +
           PyUnicode_AsUTF8(PyTuple_GET_ITEM(keywordNames, Py_ssize_t(number - positional))) + "`";
  PyRef text = checked(PyObject_CallFunction(hook(Hook::ArgumentName), "On", state.function.get(),
                                             Py_ssize_t(number)));
  return PyUnicode_AsUTF8(text.get());
}

/// The argument that a leaf is, or is in.
std::string Tracer::leafName(size_t leaf) const {
  size_t passed = 0, number = 0;
  auto count = [&](PyObject *object) {
    ++passed;
    return PyRef::borrow(object);
  };
  size_t positional = arguments.size() - (keywordNames ? PyTuple_GET_SIZE(keywordNames) : 0);
  while (passed <= leaf && number < arguments.size()) {
    PyObject *name =
        number < positional ? nullptr : PyTuple_GET_ITEM(keywordNames, number - positional);
    if (!isStaticArgument(state, number, name))
      mapLeaves(arguments[number], true, count);
    ++number;
  }
  return argumentName(number - 1);
}

std::string Tracer::hiddenName(const HiddenSource &source) const {
  if (source.handle < 0)
    return "a tensor made in the function";
  const HandleSource &handle = result->handles[source.handle];
  switch (handle.kind) {
  case HandleSource::Kind::Guard:
    return result->guards.path(handle.index);
  case HandleSource::Kind::Argument:
    return leafName(size_t(handle.index));
  case HandleSource::Kind::Gradient:
    return "the gradient of a tensor";
  default:
    return "a tensor from outside";
  }
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
    else if (!input.handle || !isOfEachDevice(asTensor(input.handle.get())))
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

/// What was read and can't be compared at later calls.
void Tracer::noteUnwatched() {
  constexpr size_t maximumNotes = 100;
  for (auto &[what, why] : result->guards.notWatched()) {
    std::string note = what + ": " + why;
    if (state.strict)
      throwError("UnsupportedError", "strict: the function reads what can't be watched: " + note +
                                         ". Pass it as an argument, or read it before the call");
    auto &notes = state.notWatched;
    if (notes.size() < maximumNotes && std::ranges::find(notes, note) == notes.end())
      notes.push_back(std::move(note));
  }
}

/// Handles that get another value and keep their slots: what they had may be written over.
void Tracer::findOverwritten() {
  std::vector<bool> changes(result->handles.size());
  for (const Effect &effect : result->effects)
    changes[effect.handle] = changes[effect.handle] || !effect.gradient;
  for (const Effect &effect : result->effects)
    if (effect.replaces)
      changes[effect.handle] = false;
  for (int i = 0; i < int(changes.size()); ++i)
    if (changes[i] && result->handles[i].isOwnArgument())
      result->overwritten.push_back({i, unsigned(result->handles[i].index)});
  for (size_t i = 0; i < result->hidden.size(); ++i)
    if (int handle = result->hidden[i].handle; handle >= 0 && changes[handle])
      result->overwritten.push_back({handle, unsigned(flat.leaves.size() + i)});
}

/// The inputs whose buffers may be written over, and those that are tensors from outside else.
void Tracer::sortInputs(llvm::SmallVectorImpl<unsigned> &changed,
                        llvm::SmallVectorImpl<unsigned> &prepared) const {
  for (auto [handle, input] : result->overwritten)
    changed.push_back(input);
  std::vector<bool> changes(result->handles.size());
  for (const Effect &effect : result->effects)
    changes[effect.handle] = changes[effect.handle] || !effect.gradient;
  for (size_t i = 0; i < result->hidden.size(); ++i) {
    int handle = result->hidden[i].handle;
    const StorageRef &storage = scope->hidden[i].array.storage;
    // What others may write is read anew at each call: no plan is to count on values kept of it.
    bool canPrepare = !storage || storage->canPrepare();
    if (canPrepare && (handle < 0 || !changes[handle]))
      prepared.push_back(unsigned(flat.leaves.size() + i));
  }
}

void Tracer::finish() {
  for (PyObject *object : flat.statics)
    result->statics.push_back(PyRef::borrow(object));
  llvm::SmallVector<unsigned> changed, prepared;
  findOverwritten();
  sortInputs(changed, prepared);
  if (cuts.anyAsked())
    cuts.finish(*result, outputs, changed, prepared);
  if (!result->cuts.empty() && !result->recordsGradients)
    return;
  for (unsigned number : changed)
    scope->graph.donateInput(number);
  for (unsigned number : prepared)
    scope->graph.hideInput(number);
  auto module = scope->graph.finish(outputs);
  if (!state.matmulPrecision.empty())
    (*module->getOps<mlir::func::FuncOp>().begin())
        ->setAttr("weft.matmul_precision",
                  mlir::StringAttr::get(module->getContext(), state.matmulPrecision));
  result->module = std::make_shared<mlir::OwningOpRef<mlir::ModuleOp>>(std::move(module));
}

std::shared_ptr<Specialization> Tracer::run() {
  auto start = std::chrono::steady_clock::now();
  ++state.traces;
  std::shared_ptr<Specialization> last = state.lastTraced.lock();
  RecordedSpan span("compile", "trace");
  result->guards.begin(state.function.get(), flat.objects, last ? &last->guards : nullptr);
  ActiveScope active(scope.get());
  try {
    addArguments();
    PyRef value = call();
    scope->undoStores();
    result->guards.finish();
    noteUnwatched();
    collectResult(value.get());
    collectStores();
    result->device = scope->device();
    collectEffects();
    collectHidden();
    checkDevices();
    if (resultViews == ResultViews::Kept)
      collectLeft(std::move(value));
    tieResults();
  } catch (...) {
    scope->undoStores();
    scope->close();
    throw;
  }
  if (!result->guards.isSpent())
    result->guards.settle(state.function.get(), flat.objects);
  finish();
  scope->close();
  state.lastTraced = result;
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  state.traceSeconds += seconds.count();
  return std::move(result);
}

std::shared_ptr<Specialization>
weft::traceFunction(JitState &state, const FlatArguments &flat, PyObject *const *arguments,
                    size_t count, PyObject *keywordNames, ArgumentViews argumentViews,
                    ResultViews resultViews, const Questions *questions) {
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  return Tracer(state, flat, {arguments, count + keywords}, keywordNames, argumentViews,
                resultViews, questions)
      .run();
}
