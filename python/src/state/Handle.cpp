// Reading, changing and copying handles.
#include "python/src/state/Handle.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Trace/Placement.h"
#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/StateLock.h"
#include "python/src/state/View.h"
#include "python/src/state/ViewSteps.h"

using namespace weft;

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Throws if the way to the view was not kept.
static void requireSteps(const Lens &lens, const char *action) {
  if (!lens.path.isKept() && !lens.detached)
    throwError("UnsupportedError", std::string(action) + " a view that is more than " +
                                       std::to_string(ViewPath::mostSteps) +
                                       " steps away from its tensor, which changed; clone() it "
                                       "before");
}

/// The root's value and what each step but the last makes of it.
static std::vector<PyRef> valuesAlong(const Lens &lens) {
  std::vector<PyRef> values = {referenceTo(lens.root->holder())};
  for (size_t i = 0; i + 1 < lens.path.steps.size(); ++i)
    values.push_back(taken(lens.path.steps[i], asTensor(values.back().get())));
  return values;
}

void weft::refresh(TensorObject *view) {
  Lens &lens = *view->lens;
  uint64_t generation = lens.root->generation;
  if (lens.seen == generation)
    return;
  requireSteps(lens, "reading");
  TensorObject *root = lens.root->holder();
  if (lens.path.steps.empty()) {
    PyRef whole = lens.detached ? detach(root) : clone(root);
    take(view, asTensor(whole.get()), !lens.detached);
    view->requiresGrad =
        asTensor(whole.get())->requiresGrad || (lens.detached && view->requiresGrad);
  } else {
    GradientMode mode(lens.tracked && !lens.detached);
    std::vector<PyRef> values = valuesAlong(lens);
    PyRef value = taken(lens.path.steps.back(), asTensor(values.back().get()));
    TensorObject *fresh = asTensor(value.get());
    bool ownLeaf = lens.detached && view->requiresGrad;
    take(view, fresh, !lens.detached);
    view->requiresGrad = ownLeaf || (!lens.detached && fresh->requiresGrad);
  }
  lens.seen = generation;
}

TensorObject *weft::current(TensorObject *tensor) {
  if (currentScope)
    tensor = currentScope->known(tensor);
  // What an older one has of values is not the trace's.
  if (tensor->lens && !(currentScope && currentScope->isOlder(tensor)))
    refresh(tensor);
  return tensor;
}

TensorObject *weft::owned(TensorObject *tensor) {
  return current(currentScope ? currentScope->own(tensor) : tensor);
}

ValueId weft::traced(TensorObject *tensor) { return currentScope->read(owned(tensor)); }

Array weft::elementsOf(TensorObject *tensor, const char *action) {
  tensor = current(tensor);
  bool isOfTrace =
      currentScope && (tensor->value.scope.get() == currentScope || currentScope->isOlder(tensor));
  if (isOfTrace)
    return currentScope->valueOf(owned(tensor)->value.id, action);
  requireConcrete(tensor, action);
  return copyTo(nullptr, tensor->value.array());
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// The value of an owned handle without its history.
static TensorValue detachedValue(TensorObject *tensor) {
  if (!currentScope) {
    // Another thread's call may be about to give it a new one.
    requireConcrete(tensor, "a copy");
    return tensor->value;
  }
  ValueId id = currentScope->read(tensor);
  if (tensor->isTracked())
    id = currentScope->detached(id, currentScope->location());
  return currentScope->tracer(id);
}

/// The value to hand to another handle: in a trace a tracer, without history while none is
/// recorded.
static TensorValue valueOf(TensorObject *source) {
  if (currentScope && gradientsEnabled)
    return currentScope->tracer(traced(source));
  return detachedValue(owned(source));
}

/// No op is needed where there is no history to extend: values never change. Where there is one, a
/// trace has the op, too: gradients are added up in the order of the ops. Memory that its owner can
/// write is copied by the op.
PyRef weft::clone(TensorObject *tensor) {
  tensor = owned(tensor);
  bool tracked = gradientsEnabled && tensor->isTracked();
  bool isForeign = !currentScope && tensor->value.storage && tensor->value.storage->isForeign();
  if (tracked || isForeign) {
    OpCall copy(requireOp("weft.reshape"));
    copy.resultDType = tensor->value.dtype;
    copy.resultShape = tensor->value.shape;
    return dispatch(copy, {tensor});
  }
  return checked(newTensor(valueOf(tensor)));
}

PyRef weft::detach(TensorObject *tensor) {
  TensorObject *parent = owned(tensor);
  PyRef result = checked(newTensor(detachedValue(parent)));
  makeView(asTensor(result.get()), parent, pathOf(parent), false, true);
  return result;
}

PyRef weft::viewBy(const ViewStep &step, TensorObject *parent) {
  PyRef result = taken(step, parent);
  if (auto path = extended(pathOf(parent), step))
    makeView(asTensor(result.get()), parent, std::move(*path), gradientsEnabled, false);
  return result;
}

/// Of windows: the elements from the first one's start to the last one's end.
static ViewStep coveredBy(const ViewStep &windows) {
  const Shape &shape = windows.call.resultShape;
  ViewStep slice{OpCall(requireOp("weft.slice")), windows.source};
  slice.call.resultDType = windows.call.resultDType;
  slice.call.resultShape = windows.source;
  slice.call.resultShape.back() = (shape[shape.size() - 2] - 1) * windows.pitch + shape.back();
  slice.call.set("starts", Shape(windows.source.size(), 0))
      .set("steps", Shape(windows.source.size(), 1));
  return slice;
}

PyRef weft::eachOnce(TensorObject *tensor) {
  tensor = owned(tensor);
  if (!tensor->lens || !isExpanded(tensor))
    return referenceTo(tensor);
  const Lens &lens = *tensor->lens;
  std::vector<ViewStep> steps = lens.path.steps;
  auto repeated = llvm::find_if(steps, [](const ViewStep &step) { return step.repeats(); });
  // What comes behind has to take all elements, and to leave a number one.
  auto isWhole = [](const ViewStep &step) {
    return step.isPart() || step.isConjugate() ||
           (step.moves() && !step.isSlice() && !step.isDiagonal() && !step.isWindows());
  };
  if (repeated == steps.end() || !std::all_of(std::next(repeated), steps.end(), isWhole))
    return referenceTo(tensor);
  PyRef result = lens.detached ? detach(lens.root->holder()) : referenceTo(lens.root->holder());
  auto take = [&](ViewStep step) {
    TensorObject *parent = current(asTensor(result.get()));
    if (!step.moves())
      step.source = parent->value.shape;
    result = viewBy(step, parent);
  };
  std::for_each(steps.begin(), repeated, take);
  if (repeated->isWindows())
    take(coveredBy(*repeated));
  for (const ViewStep &step : llvm::make_range(std::next(repeated), steps.end()))
    if (!step.moves())
      take(step);
  return result;
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

/// Throws if an in-place operation on the view has to be refused.
static void checkWrite(TensorObject *view, const char *action) {
  const Lens &lens = *view->lens;
  auto refuse = [&](const char *error, const char *what) {
    throwError(error, std::string(action) + " on " + what);
  };
  if (!lens.path.strides && hasSymbolicSize(view->value.shape))
    refuse("UnsupportedError",
           "a view whose sizes are not known while exporting; clone() it before");
  checkExpanded(view, action);
  auto repeats = [](const ViewStep &step) { return step.repeats(); };
  if (elementCount(view->value.shape) != 0 && llvm::any_of(lens.path.steps, repeats))
    refuse("UnsupportedError",
           "a part of a view in which several elements are one; clone() it before");
  TensorObject *root = lens.root->holder();
  if (gradientsEnabled && !lens.detached && root->requiresGrad && root->isLeaf())
    refuse("GradientError", "a view of a leaf tensor that requires a gradient: use `with "
                            "weft.no_grad():`, or clone() it before");
  if (currentScope && lens.detached && !root->isLeaf())
    refuse("UnsupportedError", "the .data (or .detach()) of a tensor that was computed with "
                               "gradients, in a compiled function; clone() it before");
}

void weft::checkInPlace(TensorObject *target, const char *action) {
  if (currentScope)
    target = currentScope->own(target);
  if (target->lens)
    return checkWrite(target, action);
  checkExpanded(target, action);
  if (gradientsEnabled && target->requiresGrad && target->isLeaf())
    throwError("GradientError", std::string(action) +
                                    " on a leaf tensor that requires a gradient: use "
                                    "`with weft.no_grad():`, or detach it");
}

static OpCall reshapeTo(const Shape &shape, DType dtype) {
  OpCall reshape(requireOp("weft.reshape"));
  reshape.resultShape = shape;
  reshape.resultDType = dtype;
  return reshape;
}

static PyRef reshaped(TensorObject *tensor, const Shape &shape) {
  if (tensor->value.shape == shape)
    return referenceTo(tensor);
  return dispatch(reshapeTo(shape, tensor->value.dtype), {tensor});
}

/// The same by an array of positions, where the slice is some rows along one dimension: eager ops
/// are compiled for each place of a slice, but not for each value of an index.
static std::optional<SliceUpdate> rowsUpdate(TensorObject *value, const Shape &whole,
                                             const Shape &starts, const Shape &steps) {
  constexpr int64_t mostRows = 64;
  const Shape &part = value->value.shape;
  std::optional<size_t> axis;
  for (size_t i = 0; i < whole.size(); ++i) {
    if (starts[i] == 0 && steps[i] == 1 && part[i] == whole[i])
      continue;
    if (axis || part[i] > mostRows)
      return std::nullopt;
    axis = i;
  }
  if (!axis || value->value.storage->device())
    return std::nullopt;
  int64_t count = part[*axis];
  Array rows{Allocator::process().allocate(static_cast<uint64_t>(count) * sizeof(int64_t)),
             DType::Int64,
             {count}};
  for (int64_t i = 0; i < count; ++i)
    static_cast<int64_t *>(rows.storage->data())[i] = starts[*axis] + i * steps[*axis];
  SliceUpdate result{OpCall(requireOp("weft.scatter")), {}};
  result.call.set("axis", static_cast<int64_t>(*axis));
  result.add(checked(newTensor(TensorValue::of(std::move(rows)))));
  result.add(referenceTo(value));
  return result;
}

/// Gives the root of a view a new value.
static void setRoot(TensorObject *view, TensorObject *written) {
  const Lens &lens = *view->lens;
  TensorObject *root = lens.root->holder();
  if (lens.detached)
    setValue(root, written);
  else
    adopt(root, written);
  // A remnant does not know its root.
  if (lens.root->remnant)
    ++lens.root->generation;
  refresh(view);
}

/// Gives the slot of a handle a new value.
static void setSlot(TensorObject *handle, TensorObject *written) {
  if (handle->lens)
    setRoot(handle, written);
  else
    adopt(handle, written);
}

/// Updates `base`, which is `handle` or what it looks into, in its memory if nobody else has it.
/// False if another call has given it a value that does not fit.
static bool updateInPlace(TensorObject *handle, TensorObject *base, const OpCall &call,
                          const Shape &shape, const Operands &others) {
  PyRef kept = referenceTo(base);
  Shape former = base->value.shape;
  while (true) {
    requireConcrete(base, call.op->pythonName.str().c_str());
    StateLock lock(true);
    if (lock.waited() || !base->value.storage)
      continue;
    if (base->value.shape != former)
      return false;
    // A view of all is read anew afterwards.
    bool isShared = handle != base && handle->value.storage == base->value.storage;
    if (isShared)
      handle->value.storage = StorageRef();
    try {
      PyRef written = dispatchInto(base, shape, call, others);
      asTensor(written.get())->value.shape = former;
      setSlot(handle, asTensor(written.get()));
    } catch (...) {
      if (isShared)
        handle->value.storage = base->value.storage;
      throw;
    }
    return true;
  }
}

/// True if gradients of what is made of `base` and the others may be asked for.
static bool isRecorded(TensorObject *base, const Operands &others) {
  auto isTracked = [](const Operand &other) { return asTensor(other.object)->isTracked(); };
  return gradientsEnabled && (base->isTracked() || llvm::any_of(others, isTracked));
}

/// Updates `base`, which is `handle` or what it looks into.
static void updateSlot(TensorObject *handle, TensorObject *base, const OpCall &call,
                       const Shape &shape, const Operands &others) {
  GradientMode mode(gradientsEnabled && !(handle->lens && handle->lens->detached));
  if (!currentScope && !isRecorded(base, others) &&
      updateInPlace(handle, base, call, shape, others))
    return;
  PyRef before = reshaped(base, shape);
  Operands operands = {{before.get(), before, false}};
  llvm::append_range(operands, others);
  PyRef after = dispatch(call, operands, Caller::Function);
  setSlot(handle, asTensor(reshaped(asTensor(after.get()), base->value.shape).get()));
}

/// Puts `value` at starts + i * steps of `base`, which is `handle` or what it looks into.
static void putInSlot(TensorObject *handle, TensorObject *base, const Shape &shape,
                      TensorObject *value, const Shape &starts, const Shape &steps) {
  std::optional<SliceUpdate> update;
  bool isDetached = handle->lens && handle->lens->detached;
  if (!currentScope && (isDetached || !isRecorded(base, {{asObject(value), {}, false}}))) {
    requireConcrete(value, "assignment to elements");
    update = rowsUpdate(value, shape, starts, steps);
  }
  if (!update)
    update = sliceUpdate(value, starts, steps);
  updateSlot(handle, base, update->call, shape, update->others);
}

/// How many of the first steps take all elements in their order.
static size_t reshapesAhead(const Lens &lens) {
  const std::vector<ViewStep> &steps = lens.path.steps;
  return llvm::find_if_not(steps, [](auto &step) { return step.isReshape(); }) - steps.begin();
}

/// Puts the value that `source` has into the view's root.
static void writeThrough(TensorObject *view, TensorObject *source) {
  Lens &lens = *view->lens;
  requireSteps(lens, "writing");
  if (elementCount(view->value.shape) == 0)
    return;
  GradientMode mode(gradientsEnabled && !lens.detached);
  PyRef value = referenceTo(source);
  std::vector<PyRef> values = valuesAlong(lens);
  const std::vector<ViewStep> &steps = lens.path.steps;
  size_t first = reshapesAhead(lens);
  bool isUpdate = first < steps.size() && steps[first].isSlice();
  for (size_t i = steps.size(); i-- > (isUpdate ? first + 1 : 0);)
    value = putBack(steps[i], asTensor(values[i].get()), value);
  if (!isUpdate)
    return setRoot(view, asTensor(value.get()));
  // The root's own value is not to be held by others.
  values.clear();
  const ViewStep &step = steps[first];
  putInSlot(view, lens.root->holder(), step.source, asTensor(value.get()), step.call.list("starts"),
            step.call.list("steps"));
}

/// The handle whose value has the elements of `target` in their order: itself, or its root; null if
/// it is a view of some of them.
static TensorObject *wholeOf(TensorObject *target) {
  if (!target->lens)
    return target;
  requireSteps(*target->lens, "writing");
  bool isWhole = reshapesAhead(*target->lens) == target->lens->path.steps.size();
  return isWhole ? target->lens->root->holder() : nullptr;
}

void weft::update(TensorObject *target, const OpCall &call, const Shape &shape,
                  const Operands &others) {
  target = owned(target);
  if (TensorObject *whole = wholeOf(target))
    return updateSlot(target, whole, call, shape, others);
  PyRef before = reshaped(target, shape);
  Operands operands = {{before.get(), before, false}};
  llvm::append_range(operands, others);
  PyRef after = dispatch(call, operands, Caller::Function);
  adopt(target, asTensor(reshaped(asTensor(after.get()), target->value.shape).get()));
}

void weft::putSlice(TensorObject *target, TensorObject *value, const Shape &starts,
                    const Shape &steps) {
  target = owned(target);
  value = owned(value);
  if (TensorObject *whole = wholeOf(target))
    return putInSlot(target, whole, target->value.shape, value, starts, steps);
  SliceUpdate slice = sliceUpdate(value, starts, steps);
  update(target, slice.call, target->value.shape, slice.others);
}

void weft::setValue(TensorObject *target, TensorObject *source) {
  target->value = valueOf(source);
  changed(target);
}

void weft::adopt(TensorObject *target, TensorObject *source) {
  if (currentScope)
    target = currentScope->own(target);
  source = owned(source);
  if (target->lens)
    return writeThrough(target, source);
  bool tracked = gradientsEnabled && source->isTracked();
  PyRef copy;
  if (tracked && source->isLeaf()) {
    copy = clone(source);
    source = asTensor(copy.get());
  }
  // A leaf stays one; what had a history has that of its new value.
  bool isLeaf = target->requiresGrad && target->isLeaf();
  target->value = valueOf(source);
  target->node = tracked ? source->node : nullptr;
  target->nodeResult = source->nodeResult;
  target->derived = tracked && currentScope;
  target->requiresGrad = tracked || isLeaf;
  changed(target);
}

void weft::leaveSlot(TensorObject *handle) {
  if (handle->lens) {
    refresh(handle);
    handle->lens.reset();
  }
  std::shared_ptr<Root> root = std::move(handle->root);
  if (!root || root.use_count() == 1)
    return;
  requireConcrete(handle, "`.data = ...`");
  root->remnant = checked(newTensor(handle->value));
  TensorObject *remnant = asTensor(root->remnant.get());
  take(remnant, handle, true);
  remnant->requiresGrad = handle->requiresGrad;
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

PyObject *weft::gradientOf(TensorObject *tensor) {
  if (currentScope)
    tensor = currentScope->gradientIsRead(tensor);
  return tensor->slot ? tensor->slot->gradient.get() : nullptr;
}

void weft::setGradient(TensorObject *tensor, PyRef gradient) {
  if (currentScope)
    tensor = currentScope->gradientChanges(tensor);
  tensor->gradientSlot().gradient = std::move(gradient);
}

/// In place, as in PyTorch: who has the former gradient sees the sum.
void weft::accumulateGradient(TensorObject *tensor, PyRef gradient) {
  PyObject *former = gradientOf(tensor);
  if (!former)
    return setGradient(tensor, std::move(gradient));
  static const OpCall &add = *new OpCall(requireOp("weft.add"));
  GradientMode mode(false);
  PyRef kept = PyRef::borrow(former);
  PyRef sum = dispatch(add, {owned(asTensor(former)), owned(asTensor(gradient.get()))});
  adopt(asTensor(former), asTensor(sum.get()));
}
