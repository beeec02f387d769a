// Reading, changing and copying handles.
#include "python/src/state/Handle.h"

#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/View.h"

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
    values.push_back(dispatch(lens.path.steps[i].call, {asTensor(values.back().get())}));
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
    PyRef value = dispatch(lens.path.steps.back().call, {asTensor(values.back().get())});
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

/// No op is needed where there is no history to extend: values never change. Memory that its owner
/// can write is copied by the op.
PyRef weft::clone(TensorObject *tensor) {
  tensor = owned(tensor);
  bool tracked = gradientsEnabled && tensor->isTracked();
  bool isForeign = tensor->value.storage && tensor->value.storage->isForeign();
  if (!currentScope && (tracked || isForeign)) {
    OpCall copy(requireOp("weft.reshape"));
    copy.resultDType = tensor->value.dtype;
    copy.resultShape = tensor->value.shape;
    return dispatch(copy, {tensor});
  }
  PyRef result = checked(newTensor(valueOf(tensor)));
  asTensor(result.get())->requiresGrad = asTensor(result.get())->derived = tracked;
  return result;
}

PyRef weft::detach(TensorObject *tensor) {
  TensorObject *parent = owned(tensor);
  PyRef result = checked(newTensor(detachedValue(parent)));
  makeView(asTensor(result.get()), parent, pathOf(parent), false, true);
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

/// What the value before `step` becomes when the elements that the step takes become `value`.
static PyRef putBack(const ViewStep &step, PyObject *before, const PyRef &value) {
  if (!step.isSlice()) {
    TensorObject *after = asTensor(value.get());
    return dispatch(step.inverse(after->value.dtype), {after});
  }
  PyRef starts = tupleOf(step.call.list("starts")), steps = tupleOf(step.call.list("steps"));
  return checked(PyObject_CallFunctionObjArgs(hook(Hook::PutSlice), before, value.get(),
                                              starts.get(), steps.get(), nullptr));
}

/// Puts the value that `source` has into the view's root.
static void writeThrough(TensorObject *view, TensorObject *source) {
  Lens &lens = *view->lens;
  requireSteps(lens, "writing");
  GradientMode mode(gradientsEnabled && !lens.detached);
  PyRef value = referenceTo(source);
  std::vector<PyRef> values = valuesAlong(lens);
  for (size_t i = lens.path.steps.size(); i-- > 0;)
    value = putBack(lens.path.steps[i], values[i].get(), value);
  TensorObject *root = lens.root->holder(), *written = asTensor(value.get());
  if (lens.detached)
    setValue(root, written);
  else
    adopt(root, written);
  // A remnant does not know its root.
  if (lens.root->remnant)
    ++lens.root->generation;
  refresh(view);
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
