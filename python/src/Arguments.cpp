// What a call is given: its structure as a key, and its leaves.
#include "python/src/Arguments.h"

#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/state/Guards.h"

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

static void flattenTensor(TensorObject *tensor, FlatArguments &flat) {
  if (tensor->lens)
    refresh(tensor);
  const TensorValue &value = tensor->value;
  bool tracked = tensor->requiresGrad || tensor->node;
  // How the elements lie decides what is a view of them.
  bool isSparse = tensor->lens && tensor->lens->path.strides && !isContiguous(tensor);
  flat.key.push_back(TensorTag | int64_t(tracked) << 8 | int64_t(tensor->isLeaf()) << 9 |
                     int64_t(isSparse) << 10 | int64_t(value.dtype) << 16 |
                     int64_t(value.shape.size()) << 24);
  flat.key.append(value.shape.begin(), value.shape.end());
  if (isSparse)
    llvm::append_range(flat.key, *tensor->lens->path.strides);
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
    return flattenTensor(asTensor(object), flat);
  if (isPythonScalar(object)) {
    flat.key.push_back(ScalarTag | int64_t(weakDType(object)) << 8);
    flat.leaves.push_back(object);
    return;
  }
  const TreeType &type = treeTypeOf(Py_TYPE(object));
  if (type.kind == TreeKind::Leaf && type.isArray) {
    flat.converted.push_back(toTensor(object));
    flat.madeOfArrays.push_back(flat.converted.back().get());
    return flattenTensor(asTensor(flat.converted.back().get()), flat);
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
        (scalars && (isPythonScalar(leaf) || (type.kind == TreeKind::Leaf && type.isArray)));
    return isLeaf ? replace(leaf) : PyRef();
  });
}
