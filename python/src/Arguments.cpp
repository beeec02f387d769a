// What a call is given: its structure as a key, and its leaves.
#include "python/src/Arguments.h"

#include "python/src/Conversion.h"
#include "python/src/Errors.h"
#include "python/src/state/Guards.h"
#include "python/src/state/Handle.h"
#include "python/src/state/ObjectParts.h"
#include "python/src/state/View.h"

using namespace weft;

namespace {
/// The words of a key that say what follows.
enum Tag : int64_t {
  TensorTag = 1,
  ScalarTag,
  ContainerTag,
  ObjectTag,
  StaticTag,
  DeviceTag,
};
} // namespace

static int64_t word(const void *pointer) { return reinterpret_cast<intptr_t>(pointer); }

uint64_t weft::nextCallNumber() {
  static uint64_t last = 0;
  return ++last;
}

/// A number that becomes an input of a trace. An integer beyond int64 fits into none: it is a
/// constant.
static bool isNumberArgument(PyObject *object) {
  return PyLong_CheckExact(object) ? numberFits(object, DType::Int64) : isPythonScalar(object);
}

/// A tensor of the user's class is looked into as any object: its class, and what it has in its
/// attributes.
static int64_t flattenClass(TensorObject *tensor, FlatArguments &flat) {
  if (Py_TYPE(tensor) == tensorClass)
    return 0;
  flat.objects.push_back(reinterpret_cast<PyObject *>(Py_TYPE(tensor)));
  PyRef attributes = instanceDict(asObject(tensor));
  if (!attributes || PyDict_GET_SIZE(attributes.get()) == 0)
    return 1;
  flat.objects.push_back(attributes.get());
  flat.converted.push_back(std::move(attributes));
  return 3;
}

static void flattenTensor(TensorObject *tensor, bool isOfArray, FlatArguments &flat) {
  if (tensor->lens)
    refresh(tensor);
  const TensorValue &value = tensor->value;
  bool tracked = tensor->isTracked();
  // How the elements lie decides what is a view of them.
  const Lens *lens = tensor->lens.get();
  const Shape *strides =
      lens && lens->path.strides && !isContiguous(tensor) ? &*lens->path.strides : nullptr;
  flat.key.push_back(TensorTag | int64_t(tracked) << 8 | int64_t(tensor->isLeaf()) << 9 |
                     int64_t(strides != nullptr) << 10 | int64_t(isOfArray) << 11 |
                     flattenClass(tensor, flat) << 12 | int64_t(value.dtype) << 16 |
                     int64_t(value.shape.size()) << 24);
  flat.key.append(value.shape.begin(), value.shape.end());
  if (strides)
    llvm::append_range(flat.key, *strides);
  if (Device *device = value.storage ? value.storage->device() : nullptr) {
    flat.key.push_back(DeviceTag);
    flat.key.push_back(word(device));
  }
  // The same tensor again: the key says which leaf it is.
  if (callOfMark(tensor->mark) == flat.call)
    flat.key.push_back(-1 - int64_t(numberOfMark(tensor->mark)));
  else
    tensor->mark = makeMark(flat.call, flat.leaves.size());
  flat.leaves.push_back(reinterpret_cast<PyObject *>(tensor));
}

/// Objects that are compared by the guards; the type is told by its number.
static void flattenObject(PyObject *object, const TreeType &type, FlatArguments &flat) {
  bool constant = isConstant(object);
  flat.key.push_back(constant ? StaticTag : ObjectTag);
  flat.key.push_back(type.serial);
  (constant ? flat.statics : flat.objects).push_back(object);
}

void weft::flattenStatic(PyObject *object, FlatArguments &flat) {
  flattenObject(object, treeTypeOf(Py_TYPE(object)), flat);
}

static void flattenAt(PyObject *object, FlatArguments &flat, unsigned depth) {
  if (isTensor(object))
    return flattenTensor(asTensor(object), false, flat);
  if (isNumberArgument(object)) {
    flat.key.push_back(ScalarTag | int64_t(weakDType(object)) << 8);
    flat.leaves.push_back(object);
    return;
  }
  const TreeType &type = treeTypeOf(Py_TYPE(object));
  if (type.kind == TreeKind::Leaf && type.isArray) {
    flat.converted.push_back(toTensor(object));
    flat.madeOfArrays.push_back(flat.converted.back().get());
    return flattenTensor(asTensor(flat.converted.back().get()), true, flat);
  }
  if (type.kind == TreeKind::Leaf)
    return flattenObject(object, type, flat);
  TreeNode node(object, type, depth);
  flat.key.push_back(ContainerTag | int64_t(node.items.size()) << 8);
  flat.key.push_back(type.serial);
  for (const PyRef &fact : node.description)
    flattenStatic(fact.get(), flat);
  for (const PyRef &item : node.items)
    flattenAt(item.get(), flat, depth + 1);
  // Plain containers keep their items; others made them for us.
  bool plain = type.kind == TreeKind::Tuple || type.kind == TreeKind::List ||
               type.kind == TreeKind::Dict || type.kind == TreeKind::CopiedDict;
  if (!plain)
    for (auto *made : {&node.items, &node.description})
      flat.converted.insert(flat.converted.end(), made->begin(), made->end());
}

void weft::flatten(PyObject *object, FlatArguments &flat) { flattenAt(object, flat, 0); }

PyRef weft::mapLeaves(PyObject *object, bool scalars,
                      llvm::function_ref<PyRef(PyObject *)> replace) {
  return mapTree(object, [&](PyObject *leaf, const TreeType &type) {
    bool isLeaf =
        isTensor(leaf) ||
        (scalars && (isNumberArgument(leaf) || (type.kind == TreeKind::Leaf && type.isArray)));
    return isLeaf ? replace(leaf) : PyRef();
  });
}
