// What a call is given: its structure as a key, and its leaves.
#include "python/src/Arguments.h"

#include "python/src/Conversion.h"
#include "python/src/Errors.h"
#include "python/src/state/Guards.h"
#include "python/src/state/Handle.h"
#include "python/src/state/View.h"

using namespace weft;

static int64_t word(const void *pointer) { return reinterpret_cast<intptr_t>(pointer); }

FlatArguments::~FlatArguments() {
  for (PyObject *object : statics)
    Py_DECREF(object);
}

static void flattenTensor(TensorObject *tensor, bool isOfArray, FlatArguments &flat) {
  flat.leaves.push_back(Py_NewRef(asObject(tensor)));
  if (tensor->lens)
    refresh(tensor);
  const TensorValue &value = tensor->value;
  if (Py_TYPE(tensor) != tensorClass)
    flat.objects.push_back(Py_NewRef(asObject(tensor)));
  // How the elements lie decides what is a view of them.
  std::optional<Shape> strides = unusualStrides(tensor);
  int64_t signature = tensorSignature(tensor, strides.has_value(), isOfArray);
  flat.pattern.addTensor(tensor, signature);
  flat.key.push_back(signature);
  flat.key.append(value.shape.begin(), value.shape.end());
  if (strides)
    llvm::append_range(flat.key, *strides);
  if (Device *device = value.storage ? value.storage->device() : nullptr) {
    flat.key.push_back(DeviceTag);
    flat.key.push_back(word(device));
  }
}

/// In one go: reading a view may let another thread in, which marks handles as well.
void weft::finishKey(FlatArguments &flat) {
  for (auto [number, leaf] : llvm::enumerate(flat.leaves)) {
    if (!isTensor(leaf))
      continue;
    TensorObject *tensor = asTensor(leaf);
    if (callOfMark(tensor->mark) == flat.call) {
      flat.key.push_back(-1 - int64_t(numberOfMark(tensor->mark)));
      flat.key.push_back(int64_t(number));
      flat.pattern.setSame(number, numberOfMark(tensor->mark));
    } else {
      tensor->mark = makeMark(flat.call, number);
    }
  }
}

/// Objects that are compared by the guards; the type is told by its number.
static void flattenObject(PyObject *object, const TreeType &type, FlatArguments &flat) {
  bool constant = isConstant(object);
  constant ? flat.pattern.addConstant(object) : flat.pattern.addObject(object);
  flat.key.push_back(constant ? StaticTag : ObjectTag);
  flat.key.push_back(type.serial);
  (constant ? flat.statics : flat.objects).push_back(Py_NewRef(object));
}

void weft::flattenStatic(PyObject *object, FlatArguments &flat) {
  flattenObject(object, treeTypeOf(Py_TYPE(object)), flat);
}

static void flattenAt(PyObject *object, FlatArguments &flat, unsigned depth) {
  if (isTensor(object))
    return flattenTensor(asTensor(object), false, flat);
  if (isNumberArgument(object)) {
    flat.pattern.addNumber(numberSignature(object));
    flat.key.push_back(numberSignature(object));
    flat.leaves.push_back(Py_NewRef(object));
    return;
  }
  const TreeType &type = treeTypeOf(Py_TYPE(object));
  if (type.kind == TreeKind::Leaf && type.isArray) {
    PyRef tensor = toTensor(object);
    flat.pattern.setIncomplete();
    flat.madeOfArrays.push_back(tensor.get());
    return flattenTensor(asTensor(tensor.get()), true, flat);
  }
  if (type.kind == TreeKind::Leaf)
    return flattenObject(object, type, flat);
  TreeNode node(object, type, depth);
  flat.key.push_back(ContainerTag | int64_t(node.items.size()) << 8);
  flat.key.push_back(type.serial);
  flat.pattern.addContainer(type, Py_TYPE(object), node.items.size());
  for (const PyRef &fact : node.description) {
    flattenStatic(fact.get(), flat);
    if (!isConstant(fact.get()))
      flat.pattern.setIncomplete();
  }
  for (const PyRef &item : node.items)
    flattenAt(item.get(), flat, depth + 1);
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
