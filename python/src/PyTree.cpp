// Nested containers, by what the Python side says of their types.
#include "python/src/PyTree.h"

#include "python/src/Errors.h"
#include "python/src/Hooks.h"

#include "llvm/ADT/DenseMap.h"

#include <memory>

using namespace weft;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static llvm::DenseMap<PyTypeObject *, std::unique_ptr<TreeType>> &treeTypes() {
  static auto &types = *new llvm::DenseMap<PyTypeObject *, std::unique_ptr<TreeType>>();
  return types;
}

static uint64_t typesVersion = 0;

uint64_t weft::treeTypesVersion() { return typesVersion; }

/// Called when a type dies, with its address: another may come to be there.
static PyObject *forgetType(PyObject *address, PyObject *reference) {
  ++typesVersion;
  treeTypes().erase(static_cast<PyTypeObject *>(PyLong_AsVoidPtr(address)));
  Py_DECREF(reference);
  Py_RETURN_NONE;
}

static void watchType(PyTypeObject *type) {
  static PyMethodDef definition = {"forget_type", forgetType, METH_O, nullptr};
  PyRef address = checked(PyLong_FromVoidPtr(type));
  PyRef callback = checked(PyCFunction_New(&definition, address.get()));
  // The reference lives as long as the type.
  checked(PyWeakref_NewRef(reinterpret_cast<PyObject *>(type), callback.get())).release();
}

static int64_t nextSerial() {
  static int64_t serial = 0;
  return ++serial;
}

/// What weft._pytree says of a type: (kind, is an array, fields).
static std::unique_ptr<TreeType> describeType(PyTypeObject *type) {
  PyRef row =
      checked(PyObject_CallOneArg(hook(Hook::DescribeType), reinterpret_cast<PyObject *>(type)));
  int kind, isArray;
  PyObject *fields;
  if (!PyArg_ParseTuple(row.get(), "ipO", &kind, &isArray, &fields))
    throw PythonError();
  return std::make_unique<TreeType>(
      TreeType{nextSerial(), TreeKind(kind), isArray != 0, PyRef::borrow(fields), nullptr});
}

const TreeType &weft::treeTypeOf(PyTypeObject *type) {
  auto found = treeTypes().find(type);
  if (found != treeTypes().end())
    return *found->second;
  auto described = describeType(type);
  watchType(type);
  // Describing runs Python: another thread may have been faster, and use what it got.
  return *treeTypes().try_emplace(type, std::move(described)).first->second;
}

void weft::registerTreeType(PyObject *type, PyObject *flatten, PyObject *unflatten) {
  auto *key = reinterpret_cast<PyTypeObject *>(type);
  bool isArray = treeTypeOf(key).isArray;
  std::unique_ptr<TreeType> &place = treeTypes()[key];
  ++typesVersion;
  // Another thread may be amid an object of the type.
  place = std::make_unique<TreeType>(TreeType{nextSerial(), TreeKind::Registered, isArray,
                                              checked(PyTuple_Pack(2, flatten, unflatten)),
                                              std::move(place)});
}

//===----------------------------------------------------------------------===//
// Taking apart
//===----------------------------------------------------------------------===//

TreeNode::TreeNode(PyObject *object, const TreeType &type, unsigned depth)
    : object(object), type(type) {
  constexpr unsigned maximumDepth = 1000;
  if (depth > maximumDepth)
    throwError("UnsupportedError",
               "a container among the arguments or results of a compiled function holds itself, or "
               "is nested more than " +
                   std::to_string(maximumDepth) + " deep");
  takeApart();
}

void TreeNode::takeApart() {
  PyObject *key, *value;
  Py_ssize_t position = 0;
  switch (type.kind) {
  case TreeKind::Tuple:
  case TreeKind::List:
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i)
      items.push_back(PyRef::borrow(PySequence_Fast_GET_ITEM(object, i)));
    break;
  case TreeKind::Dict:
  case TreeKind::CopiedDict:
    // An OrderedDict has an order of its own; its subclasses may iterate otherwise.
    if (PyODict_Check(object)) {
      PyRef keys = checked(PySequence_List(checked(PyODict_Type.tp_iter(object)).get()));
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys.get()); ++i) {
        key = PyList_GET_ITEM(keys.get(), i);
        description.push_back(PyRef::borrow(key));
        items.push_back(PyRef::borrow(PyDict_GetItemWithError(object, key)));
        if (!items.back())
          throw PythonError();
      }
      break;
    }
    while (PyDict_Next(object, &position, &key, &value)) {
      description.push_back(PyRef::borrow(key));
      items.push_back(PyRef::borrow(value));
    }
    break;
  case TreeKind::CopiedSequence: {
    PyRef list = checked(PySequence_List(object));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i)
      items.push_back(PyRef::borrow(PyList_GET_ITEM(list.get(), i)));
    break;
  }
  case TreeKind::Fields:
    return takeFields();
  case TreeKind::Registered:
    return takeRegistered();
  case TreeKind::Leaf:
    break;
  }
}

/// True if the object itself has the attribute: in its dict, or in a slot.
static bool hasOwn(PyObject *object, PyObject *dict, PyObject *name) {
  if (dict && PyDict_Contains(dict, name) == 1)
    return true;
  PyRef slot = PyRef::steal(PyObject_GetAttr(reinterpret_cast<PyObject *>(Py_TYPE(object)), name));
  PyErr_Clear();
  return slot && Py_TYPE(slot.get())->tp_descr_set;
}

/// A field may have no value yet, or that of the class.
void TreeNode::takeFields() {
  PyRef dict = PyRef::steal(PyObject_GenericGetDict(object, nullptr));
  PyErr_Clear();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type.fields.get()); ++i) {
    PyObject *name = PyTuple_GET_ITEM(type.fields.get(), i);
    if (!hasOwn(object, dict.get(), name))
      continue;
    PyRef value = PyRef::steal(PyObject_GetAttr(object, name));
    if (!value && !PyErr_ExceptionMatches(PyExc_AttributeError))
      throw PythonError();
    PyErr_Clear();
    if (!value)
      continue;
    description.push_back(PyRef::borrow(name));
    items.push_back(std::move(value));
  }
}

/// The function gives the items and what else describes the object: (items, description, ...).
void TreeNode::takeRegistered() {
  PyRef flat = checked(PyObject_CallOneArg(PyTuple_GET_ITEM(type.fields.get(), 0), object));
  PyRef pair = checked(PySequence_Tuple(flat.get()));
  if (PyTuple_GET_SIZE(pair.get()) < 2)
    throwError("DTypeError", "the function that takes a " + std::string(Py_TYPE(object)->tp_name) +
                                 " apart has to give its items and what describes it beside them");
  PyRef list = checked(PySequence_List(PyTuple_GET_ITEM(pair.get(), 0)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i)
    items.push_back(PyRef::borrow(PyList_GET_ITEM(list.get(), i)));
  description.push_back(PyRef::borrow(PyTuple_GET_ITEM(pair.get(), 1)));
}

//===----------------------------------------------------------------------===//
// Putting together
//===----------------------------------------------------------------------===//

static PyRef tupleOf(llvm::ArrayRef<PyRef> items) {
  PyRef tuple = checked(PyTuple_New(Py_ssize_t(items.size())));
  for (size_t i = 0; i < items.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), Py_ssize_t(i), Py_NewRef(items[i].get()));
  return tuple;
}

static PyRef copyOf(PyObject *object) {
  return checked(PyObject_CallOneArg(hook(Hook::Copy), object));
}

/// A tuple of the type itself: a subclass's own constructor may take other arguments.
static PyRef rebuildTuple(PyObject *object, llvm::ArrayRef<PyRef> items) {
  PyRef tuple = tupleOf(items);
  if (PyTuple_CheckExact(object))
    return tuple;
  PyRef arguments = checked(PyTuple_Pack(1, tuple.get()));
  PyTypeObject *type = Py_TYPE(object);
  bool inPython = type->tp_flags & Py_TPFLAGS_HEAPTYPE;
  PyRef result =
      checked(inPython ? PyTuple_Type.tp_new(type, arguments.get(), nullptr)
                       : PyObject_CallOneArg(reinterpret_cast<PyObject *>(type), tuple.get()));
  PyRef attributes = PyRef::steal(PyObject_GenericGetDict(object, nullptr));
  PyErr_Clear();
  if (attributes && PyDict_GET_SIZE(attributes.get())) {
    PyRef own = checked(PyObject_GenericGetDict(result.get(), nullptr));
    checkStatus(PyDict_Update(own.get(), attributes.get()));
  }
  return result;
}

/// An object of the class whose __init__ did not run, with the same attributes.
static PyRef copyOfFields(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object), *inC = type;
  while (inC->tp_flags & Py_TPFLAGS_HEAPTYPE)
    inC = inC->tp_base;
  PyRef nothing = checked(PyTuple_New(0));
  PyRef result = checked(inC->tp_new(type, nothing.get(), nullptr));
  PyRef attributes = PyRef::steal(PyObject_GenericGetDict(object, nullptr));
  PyErr_Clear();
  if (attributes) {
    PyRef own = checked(PyObject_GenericGetDict(result.get(), nullptr));
    checkStatus(PyDict_Update(own.get(), attributes.get()));
  }
  return result;
}

PyRef TreeNode::rebuild(llvm::ArrayRef<PyRef> replaced) const {
  PyRef result;
  switch (type.kind) {
  case TreeKind::Tuple:
    return rebuildTuple(object, replaced);
  case TreeKind::List:
    result = checked(PyList_New(Py_ssize_t(replaced.size())));
    for (size_t i = 0; i < replaced.size(); ++i)
      PyList_SET_ITEM(result.get(), Py_ssize_t(i), Py_NewRef(replaced[i].get()));
    return result;
  case TreeKind::Registered: {
    PyRef items = tupleOf(replaced);
    return checked(PyObject_CallFunctionObjArgs(PyTuple_GET_ITEM(type.fields.get(), 1),
                                                description[0].get(), items.get(), nullptr));
  }
  case TreeKind::Dict:
    result = checked(PyDict_New());
    break;
  case TreeKind::Fields:
    result = copyOfFields(object);
    break;
  default:
    result = copyOf(object);
  }
  for (size_t i = 0; i < replaced.size(); ++i) {
    PyObject *item = replaced[i].get();
    if (type.kind == TreeKind::Fields)
      // Past __setattr__: the object may be frozen.
      checkStatus(PyObject_GenericSetAttr(result.get(), description[i].get(), item));
    else if (type.kind == TreeKind::CopiedSequence)
      checkStatus(PySequence_SetItem(result.get(), Py_ssize_t(i), item));
    else
      checkStatus(PyDict_SetItem(result.get(), description[i].get(), item));
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Walking
//===----------------------------------------------------------------------===//

static PyRef mapAt(PyObject *object, LeafMap replace, unsigned depth) {
  const TreeType &type = treeTypeOf(Py_TYPE(object));
  if (PyRef replaced = replace(object, type))
    return replaced;
  if (type.kind == TreeKind::Leaf)
    return PyRef::borrow(object);
  TreeNode node(object, type, depth);
  llvm::SmallVector<PyRef, 8> items;
  for (const PyRef &item : node.items)
    items.push_back(mapAt(item.get(), replace, depth + 1));
  return node.rebuild(items);
}

PyRef weft::mapTree(PyObject *object, LeafMap replace) { return mapAt(object, replace, 0); }

static void outlineAt(PyObject *object, std::vector<PyRef> &outline, unsigned depth) {
  const TreeType &type = treeTypeOf(Py_TYPE(object));
  outline.push_back(PyRef::borrow(object));
  if (type.kind == TreeKind::Leaf)
    return;
  TreeNode node(object, type, depth);
  if (type.kind != TreeKind::Registered)
    outline.insert(outline.end(), node.description.begin(), node.description.end());
  for (const PyRef &item : node.items)
    outlineAt(item.get(), outline, depth + 1);
}

std::vector<PyRef> weft::outlineOf(PyObject *object) {
  std::vector<PyRef> outline;
  outlineAt(object, outline, 0);
  return outline;
}
