// Views as data: slots, paths, and where elements lie.
#include "python/src/state/View.h"

#include "lib/Runtime/Storage.h"
#include "python/src/Errors.h"

#include "llvm/ADT/STLExtras.h"

using namespace weft;

static std::shared_ptr<Root> rootOf(TensorObject *tensor) {
  if (tensor->lens)
    return tensor->lens->root;
  if (!tensor->root) {
    tensor->root = std::make_shared<Root>();
    tensor->root->handle = tensor;
  }
  return tensor->root;
}

ViewPath weft::pathOf(TensorObject *tensor) {
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

bool weft::isContiguous(TensorObject *tensor) {
  if (!tensor->lens && !(tensor->root && tensor->root->strides))
    return true;
  std::optional<Shape> strides = pathOf(tensor).strides;
  auto dense = rowMajorStrides(tensor->value.shape);
  if (!strides || !dense)
    return false;
  if (elementCount(tensor->value.shape) == 0)
    return true;
  for (size_t i = 0; i < dense->size(); ++i)
    if (tensor->value.shape[i] > 1 && (*strides)[i] != (*dense)[i])
      return false;
  return true;
}

std::optional<Shape> weft::unusualStrides(TensorObject *tensor) {
  bool mayBe = tensor->lens || (tensor->root && tensor->root->strides);
  return mayBe && !isContiguous(tensor) ? pathOf(tensor).strides : std::nullopt;
}

/// True if places that lie `strides` apart may be the same: a dimension's neighbours lie within the
/// reach of those that are closer together.
static bool mayMeet(const Shape &shape, const Shape &strides) {
  llvm::SmallVector<std::pair<int64_t, int64_t>, 6> dimensions;
  for (auto [size, stride] : llvm::zip(shape, strides))
    if (size > 1)
      dimensions.push_back({std::abs(stride), size});
  llvm::sort(dimensions);
  int64_t reach = 0;
  for (auto [stride, size] : dimensions) {
    if (stride <= reach)
      return true;
    reach += stride * (size - 1);
  }
  return false;
}

bool weft::isExpanded(TensorObject *tensor) {
  if (!tensor->lens && !(tensor->root && tensor->root->strides))
    return false;
  std::optional<Shape> strides = pathOf(tensor).strides;
  return strides && elementCount(tensor->value.shape) != 0 &&
         mayMeet(tensor->value.shape, *strides);
}

void weft::checkExpanded(TensorObject *tensor, const char *action) {
  if (isExpanded(tensor))
    throwError("UnsupportedError", std::string(action) +
                                       " on an expanded view, in which several elements are one; "
                                       "clone() it before");
}

void weft::makeView(TensorObject *view, TensorObject *parent, ViewPath path, bool tracked,
                    bool detached) {
  auto lens = std::make_unique<Lens>();
  lens->root = rootOf(parent);
  lens->owner = parent->lens ? parent->lens->owner : referenceTo(parent);
  lens->path = std::move(path);
  lens->seen = lens->root->generation;
  lens->tracked = tracked && (!parent->lens || parent->lens->tracked);
  lens->detached = detached || (parent->lens && parent->lens->detached);
  view->lens = std::move(lens);
  // Only the tensor that was made of foreign memory shows what its owner writes later.
  if (view->value.storage)
    view->value.storage = ownedCopy(view->value.storage);
}

void weft::changed(TensorObject *handle) {
  if (handle->root)
    ++handle->root->generation;
}

void weft::take(TensorObject *target, TensorObject *source, bool withHistory) {
  target->value = source->value;
  bool tracked = withHistory && source->isTracked();
  target->node = tracked ? source->node : nullptr;
  target->nodeResult = source->nodeResult;
  target->derived = tracked && (source->derived || source->isLeaf());
}
