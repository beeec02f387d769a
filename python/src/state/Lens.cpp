// Reading and writing through views.
#include "python/src/state/Lens.h"

#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"

using namespace weft;

/// More steps than this are not remembered: such a view can't be read or written once its root
/// changed. Slices, reshapes and transposes that follow their own kind are one step.
static constexpr size_t mostSteps = 64;

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

static const OpInfo *sliceOp() {
  static const OpInfo &op = requireOp("weft.slice");
  return &op;
}
static const OpInfo *reshapeOp() {
  static const OpInfo &op = requireOp("weft.reshape");
  return &op;
}
static const OpInfo *transposeOp() {
  static const OpInfo &op = requireOp("weft.transpose");
  return &op;
}

static const Shape &listOf(const OpCall &call, llvm::StringRef name) {
  for (const NamedValue &attribute : call.attributes)
    if (attribute.name == name)
      return std::get<Shape>(attribute.value);
  throw Error(Error::Kind::Value, call.op->pythonName.str() + ": no attribute " + name.str());
}

bool ViewStep::operator==(const ViewStep &other) const {
  Key mine, others;
  call.appendKey(mine);
  other.call.appendKey(others);
  return mine == others && source == other.source;
}

/// The shape of what `call` gives.
static Shape resultShape(const OpCall &call, const Shape &source) {
  if (call.op != transposeOp())
    return call.resultShape;
  Shape shape;
  for (int64_t axis : listOf(call, "permutation"))
    shape.push_back(source[axis]);
  return shape;
}

std::optional<Shape> weft::rowMajorStrides(const Shape &shape) {
  if (hasSymbolicSize(shape))
    return std::nullopt;
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  return strides;
}

/// Strides of the same elements in another shape; nullopt if they do not lie evenly for it.
static std::optional<Shape> reshapedStrides(const Shape &shape, const Shape &strides,
                                            const Shape &wanted) {
  if (elementCount(shape) == 0)
    return rowMajorStrides(wanted);
  // Dimensions that are evenly spaced together, the innermost first.
  struct Run {
    int64_t size, stride;
  };
  llvm::SmallVector<Run, 4> runs;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1)
      continue;
    if (!runs.empty() && runs.back().size * runs.back().stride == strides[i])
      runs.back().size *= shape[i];
    else
      runs.push_back({shape[i], strides[i]});
  }
  Shape result(wanted.size(), 1);
  size_t run = 0;
  for (size_t i = wanted.size(); i-- > 0;) {
    if (wanted[i] == 1)
      continue;
    if (runs[run].size == 1)
      ++run;
    if (runs[run].size % wanted[i] != 0)
      return std::nullopt;
    result[i] = runs[run].stride;
    runs[run].stride *= wanted[i];
    runs[run].size /= wanted[i];
  }
  return result;
}

static std::optional<Shape> stridesAfter(const OpCall &call, const Shape &shape,
                                         const Shape &strides) {
  if (call.op == reshapeOp())
    return reshapedStrides(shape, strides, call.resultShape);
  Shape result;
  if (call.op == sliceOp()) {
    const Shape &steps = listOf(call, "steps");
    for (size_t i = 0; i < strides.size(); ++i)
      result.push_back(strides[i] * steps[i]);
  } else if (call.op == transposeOp()) {
    for (int64_t axis : listOf(call, "permutation"))
      result.push_back(strides[axis]);
  } else {
    result.assign(call.resultShape.size(), 0);
    for (auto [i, target] : llvm::enumerate(listOf(call, "dimensions")))
      if (shape[i] == call.resultShape[target])
        result[target] = strides[i];
  }
  return result;
}

/// One step for two that follow each other, both of one kind; nullopt for others.
static std::optional<OpCall> merged(const OpCall &first, const OpCall &second) {
  if (first.op != second.op)
    return std::nullopt;
  if (first.op == reshapeOp())
    return second;
  OpCall result(*first.op);
  result.resultDType = second.resultDType;
  result.resultShape = second.resultShape;
  if (first.op == transposeOp()) {
    Shape permutation;
    for (int64_t axis : listOf(second, "permutation"))
      permutation.push_back(listOf(first, "permutation")[axis]);
    return result.set("permutation", permutation);
  }
  if (first.op != sliceOp())
    return std::nullopt;
  const Shape &outerStarts = listOf(first, "starts"), &outerSteps = listOf(first, "steps");
  const Shape &innerStarts = listOf(second, "starts"), &innerSteps = listOf(second, "steps");
  Shape starts, steps;
  for (size_t i = 0; i < outerStarts.size(); ++i) {
    starts.push_back(outerStarts[i] + outerSteps[i] * innerStarts[i]);
    steps.push_back(outerSteps[i] * innerSteps[i]);
  }
  return result.set("starts", starts).set("steps", steps);
}

static bool changesNothing(const ViewStep &step) {
  if (resultShape(step.call, step.source) != step.source)
    return false;
  if (step.call.op == transposeOp())
    return llvm::is_sorted(listOf(step.call, "permutation"));
  if (step.call.op == sliceOp())
    return llvm::all_of(listOf(step.call, "starts"), [](int64_t start) { return start == 0; }) &&
           llvm::all_of(listOf(step.call, "steps"), [](int64_t step) { return step == 1; });
  return true;
}

static void append(ViewPath &path, ViewStep step) {
  if (!path.steps.empty() && !hasSymbolicSize(step.source))
    if (auto both = merged(path.steps.back().call, step.call)) {
      step = {std::move(*both), path.steps.back().source};
      path.steps.pop_back();
    }
  if (!changesNothing(step))
    path.steps.push_back(std::move(step));
}

std::optional<ViewPath> weft::extended(const ViewPath &path, const Shape &shape,
                                       const OpCall &step) {
  ViewPath result = path;
  if (path.strides) {
    result.strides =
        hasSymbolicSize(step.resultShape) ? std::nullopt : stridesAfter(step, shape, *path.strides);
    if (!result.strides && step.op == reshapeOp() && !hasSymbolicSize(step.resultShape))
      return std::nullopt;
  }
  append(result, {step, shape});
  if (result.steps.size() > mostSteps) {
    result.steps.clear();
    result.strides.reset();
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Making views
//===----------------------------------------------------------------------===//

static std::shared_ptr<Root> rootOf(TensorObject *tensor) {
  if (tensor->lens)
    return tensor->lens->root;
  if (!tensor->root) {
    tensor->root = std::make_shared<Root>();
    tensor->root->handle = tensor;
  }
  return tensor->root;
}

static ViewPath pathOf(TensorObject *tensor) {
  if (tensor->lens)
    return tensor->lens->path;
  if (tensor->root && tensor->root->strides)
    return {{}, tensor->root->strides};
  return {{}, rowMajorStrides(tensor->value.shape)};
}

TensorObject *weft::slotOf(TensorObject *tensor) {
  return tensor->lens ? tensor->lens->root->holder() : tensor;
}

void weft::setStrides(TensorObject *tensor, Shape strides) {
  rootOf(tensor)->strides = std::move(strides);
}

std::optional<ViewPath> weft::pathFrom(TensorObject *parent, const ViewPath &path) {
  std::optional<ViewPath> result = pathOf(parent);
  for (const ViewStep &step : path.steps)
    if (result)
      result = extended(*result, step.source, step.call);
  return result;
}

bool weft::isContiguous(TensorObject *tensor) {
  if (!tensor->lens && !(tensor->root && tensor->root->strides))
    return true;
  std::optional<Shape> strides = pathOf(tensor).strides;
  auto dense = rowMajorStrides(tensor->value.shape);
  if (!strides || !dense)
    return false;
  for (size_t i = 0; i < dense->size(); ++i)
    if (tensor->value.shape[i] > 1 && (*strides)[i] != (*dense)[i])
      return false;
  return true;
}

void weft::makeView(TensorObject *view, TensorObject *parent, ViewPath path, bool tracked,
                    bool detached) {
  auto lens = std::make_unique<Lens>();
  lens->root = rootOf(parent);
  lens->owner =
      parent->lens ? parent->lens->owner : PyRef::borrow(reinterpret_cast<PyObject *>(parent));
  lens->path = std::move(path);
  lens->seen = lens->root->generation;
  lens->tracked = tracked && (!parent->lens || parent->lens->tracked);
  lens->detached = detached || (parent->lens && parent->lens->detached);
  view->lens = std::move(lens);
  // Only the tensor that was made of foreign memory shows what its owner writes later.
  if (view->value.storage)
    view->value.storage = ownedCopy(view->value.storage);
}

PyRef weft::applyView(const OpCall &call, PyObject *operand) {
  PyRef source = toTensor(operand);
  TensorObject *parent = owned(asTensor(source.get()));
  PyRef result = apply(call, {{reinterpret_cast<PyObject *>(parent)}});
  if (auto path = extended(pathOf(parent), parent->value.shape, call))
    makeView(asTensor(result.get()), parent, std::move(*path), gradientsEnabled, false);
  return result;
}

PyRef weft::detach(TensorObject *tensor) {
  TensorObject *parent = owned(tensor);
  TensorValue value = parent->value;
  if (currentScope) {
    ValueId id = currentScope->read(parent);
    if (parent->requiresGrad || parent->node)
      id = currentScope->detached(id, currentScope->location());
    value = currentScope->tracer(id);
  }
  PyRef result = checked(newTensor(std::move(value)));
  makeView(asTensor(result.get()), parent, pathOf(parent), false, true);
  return result;
}

//===----------------------------------------------------------------------===//
// Reading and writing
//===----------------------------------------------------------------------===//

TensorObject *Root::holder() const { return remnant ? asTensor(remnant.get()) : handle; }

/// Throws if the way to the view was not kept.
static void requireSteps(const Lens &lens, const char *action) {
  if (!lens.path.strides && lens.path.steps.empty() && !lens.detached)
    throwError("UnsupportedError", std::string(action) + " a view that is more than " +
                                       std::to_string(mostSteps) +
                                       " steps away from its tensor, which changed; clone() it "
                                       "before");
}

/// The root's value and what each step but the last makes of it.
static std::vector<PyRef> valuesAlong(const Lens &lens) {
  std::vector<PyRef> values = {PyRef::borrow(reinterpret_cast<PyObject *>(lens.root->holder()))};
  for (size_t i = 0; i + 1 < lens.path.steps.size(); ++i)
    values.push_back(apply(lens.path.steps[i].call, {{values.back().get()}}));
  return values;
}

/// Takes value and history of another handle.
static void take(TensorObject *target, TensorObject *source, bool withHistory) {
  target->value = source->value;
  bool tracked = withHistory && (source->node || source->requiresGrad);
  target->node = tracked ? source->node : nullptr;
  target->nodeResult = source->nodeResult;
  target->derived = tracked && (source->derived || source->isLeaf());
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
    PyRef value = apply(lens.path.steps.back().call, {{values.back().get()}});
    TensorObject *fresh = asTensor(value.get());
    bool ownLeaf = lens.detached && view->requiresGrad;
    take(view, fresh, !lens.detached);
    view->requiresGrad = ownLeaf || (!lens.detached && fresh->requiresGrad);
  }
  lens.seen = generation;
}

void weft::checkExpanded(TensorObject *tensor, const char *action) {
  if (!tensor->lens && !(tensor->root && tensor->root->strides))
    return;
  std::optional<Shape> strides = pathOf(tensor).strides;
  for (size_t i = 0; strides && i < strides->size(); ++i)
    if (tensor->value.shape[i] > 1 && (*strides)[i] == 0)
      throwError("UnsupportedError", std::string(action) +
                                         " on an expanded view, in which several elements are one; "
                                         "clone() it before");
}

void weft::checkWrite(TensorObject *view, const char *action) {
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

/// What the value before `step` becomes when the elements that the step takes become `value`.
static PyRef putBack(const ViewStep &step, PyObject *before, PyRef value) {
  if (step.call.op == sliceOp()) {
    PyRef starts = tupleOf(listOf(step.call, "starts")),
          steps = tupleOf(listOf(step.call, "steps"));
    return checked(PyObject_CallFunctionObjArgs(hook(Hook::PutSlice), before, value.get(),
                                                starts.get(), steps.get(), nullptr));
  }
  OpCall call(step.call.op == transposeOp() ? *transposeOp() : *reshapeOp());
  if (call.op == transposeOp()) {
    const Shape &permutation = listOf(step.call, "permutation");
    Shape inverse(permutation.size());
    for (auto [i, axis] : llvm::enumerate(permutation))
      inverse[axis] = int64_t(i);
    call.set("permutation", inverse);
  } else {
    // Also of a broadcast: one that repeats elements was refused.
    call.resultShape = step.source;
    call.resultDType = asTensor(value.get())->value.dtype;
  }
  return apply(call, {{value.get()}});
}

void weft::writeThrough(TensorObject *view, TensorObject *source) {
  Lens &lens = *view->lens;
  requireSteps(lens, "writing");
  GradientMode mode(gradientsEnabled && !lens.detached);
  PyRef value = PyRef::borrow(reinterpret_cast<PyObject *>(source));
  std::vector<PyRef> values = valuesAlong(lens);
  for (size_t i = lens.path.steps.size(); i-- > 0;)
    value = putBack(lens.path.steps[i], values[i].get(), std::move(value));
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

void weft::changed(TensorObject *handle) {
  if (handle->root)
    ++handle->root->generation;
}

void weft::leaveSlot(TensorObject *handle) {
  if (handle->lens) {
    refresh(handle);
    handle->lens.reset();
  }
  std::shared_ptr<Root> root = std::move(handle->root);
  if (!root || root.use_count() == 1)
    return;
  root->remnant = checked(newTensor(handle->value));
  TensorObject *remnant = asTensor(root->remnant.get());
  take(remnant, handle, true);
  remnant->requiresGrad = handle->requiresGrad;
}
