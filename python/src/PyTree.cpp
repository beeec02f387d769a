// Taking containers apart and putting them together.
#include "python/src/PyTree.h"

#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/Guards.h"

using namespace weft;

namespace {
/// The words of a key that say what follows.
enum Tag : int64_t {
  TensorTag = 1,
  ScalarTag,
  TupleTag,
  ListTag,
  DictTag,
  DataclassTag,
  ObjectTag,
  StaticTag,
  DeviceTag,
};
} // namespace

bool weft::isArrayLike(PyObject *object) {
  return PyObject_HasAttrString(object, "__array_interface__") ||
         PyObject_HasAttrString(object, "__dlpack__");
}

static PyObject *fieldsOf(PyObject *object) {
  if (PyType_Check(object))
    return nullptr;
  PyObject *fields =
      PyObject_GetAttrString(reinterpret_cast<PyObject *>(Py_TYPE(object)), "__dataclass_fields__");
  PyErr_Clear();
  Py_XDECREF(fields);
  return fields;
}

static bool isNamedTuple(PyObject *object) {
  return PyTuple_Check(object) && !PyTuple_CheckExact(object) &&
         PyObject_HasAttrString(object, "_fields");
}

/// Objects that report their changes: modules and optimizers.
static bool isGoverned(PyObject *object) {
  return !PyType_Check(object) &&
         PyObject_HasAttrString(reinterpret_cast<PyObject *>(Py_TYPE(object)), "__weft_epoch__");
}

static bool isStatic(PyObject *object) {
  return object == Py_None || object == Py_Ellipsis || PyUnicode_Check(object) ||
         PyBytes_Check(object) || PyType_Check(object) || PySlice_Check(object) ||
         PyRange_Check(object) || PyCallable_Check(object) ||
         PyObject_HasAttrString(object, "__weft_static__");
}

uint64_t weft::nextCallNumber() {
  static uint64_t last = 0;
  return ++last;
}

static int64_t word(const void *pointer) { return reinterpret_cast<intptr_t>(pointer); }

static void flattenTensor(TensorObject *tensor, FlatArguments &flat) {
  if (tensor->lens)
    refresh(tensor);
  const TensorValue &value = tensor->value;
  bool tracked = tensor->requiresGrad || tensor->node;
  flat.key.push_back(TensorTag | int64_t(tracked) << 8 | int64_t(tensor->isLeaf()) << 9 |
                     int64_t(value.dtype) << 16 | int64_t(value.shape.size()) << 24);
  flat.key.append(value.shape.begin(), value.shape.end());
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

void weft::flattenStatic(PyObject *object, FlatArguments &flat) {
  flat.key.push_back(StaticTag);
  flat.key.push_back(word(Py_TYPE(object)));
  flat.statics.push_back(object);
}

static void flattenDict(PyObject *dict, FlatArguments &flat) {
  flat.key.push_back(DictTag);
  flat.key.push_back(PyDict_GET_SIZE(dict));
  Py_ssize_t position = 0;
  PyObject *key, *value;
  while (PyDict_Next(dict, &position, &key, &value)) {
    flattenStatic(key, flat);
    flatten(value, flat);
  }
}

static void flattenDataclass(PyObject *object, FlatArguments &flat) {
  PyRef fields = checked(PyObject_GetAttrString(object, "__dataclass_fields__"));
  flat.key.push_back(DataclassTag);
  flat.key.push_back(word(Py_TYPE(object)));
  Py_ssize_t position = 0;
  PyObject *name, *field;
  while (PyDict_Next(fields.get(), &position, &name, &field)) {
    PyRef value = checked(PyObject_GetAttr(object, name));
    flat.converted.push_back(value);
    flatten(value.get(), flat);
  }
}

void weft::flatten(PyObject *object, FlatArguments &flat) {
  if (isTensor(object)) {
    flattenTensor(asTensor(object), flat);
  } else if (isPythonScalar(object)) {
    flat.key.push_back(ScalarTag | int64_t(weakDType(object)) << 8);
    flat.leaves.push_back(object);
  } else if (PyTuple_CheckExact(object) || PyList_CheckExact(object) || isNamedTuple(object)) {
    bool list = PyList_CheckExact(object);
    Py_ssize_t size = list ? PyList_GET_SIZE(object) : PyTuple_GET_SIZE(object);
    flat.key.push_back((list ? ListTag : TupleTag) | int64_t(size) << 8);
    flat.key.push_back(word(Py_TYPE(object)));
    for (Py_ssize_t i = 0; i < size; ++i)
      flatten(list ? PyList_GET_ITEM(object, i) : PyTuple_GET_ITEM(object, i), flat);
  } else if (PyDict_CheckExact(object)) {
    flattenDict(object, flat);
  } else if (isGoverned(object)) {
    flat.key.push_back(ObjectTag);
    flat.objects.push_back(object);
  } else if (fieldsOf(object)) {
    flattenDataclass(object, flat);
  } else if (isStatic(object)) {
    flattenStatic(object, flat);
  } else if (isArrayLike(object)) {
    flat.converted.push_back(toTensor(object));
    flat.madeOfArrays.push_back(flat.converted.back().get());
    flattenTensor(asTensor(flat.converted.back().get()), flat);
  } else {
    throwError("DTypeError", std::string("an argument of a compiled function is a ") +
                                 Py_TYPE(object)->tp_name +
                                 ", which is no tensor, array, number, container of such, module "
                                 "or optimizer; name it in static_argnames if it is a constant");
  }
}

static PyRef mapSequence(PyObject *object, bool scalars,
                         const std::function<PyRef(PyObject *)> &replace) {
  bool list = PyList_CheckExact(object);
  Py_ssize_t size = list ? PyList_GET_SIZE(object) : PyTuple_GET_SIZE(object);
  PyRef items = checked(list ? PyList_New(size) : PyTuple_New(size));
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyObject *item = list ? PyList_GET_ITEM(object, i) : PyTuple_GET_ITEM(object, i);
    PyRef mapped = mapTree(item, scalars, replace);
    if (list)
      PyList_SET_ITEM(items.get(), i, mapped.release());
    else
      PyTuple_SET_ITEM(items.get(), i, mapped.release());
  }
  if (list || PyTuple_CheckExact(object))
    return items;
  return checked(PyObject_CallMethod(reinterpret_cast<PyObject *>(Py_TYPE(object)), "_make", "O",
                                     items.get()));
}

static PyRef mapDataclass(PyObject *object, bool scalars,
                          const std::function<PyRef(PyObject *)> &replace) {
  PyRef fields = checked(PyObject_GetAttrString(object, "__dataclass_fields__"));
  PyRef copyModule = checked(PyImport_ImportModule("copy"));
  PyRef copy = checked(PyObject_CallMethod(copyModule.get(), "copy", "O", object));
  Py_ssize_t position = 0;
  PyObject *name, *field;
  while (PyDict_Next(fields.get(), &position, &name, &field)) {
    PyRef value = checked(PyObject_GetAttr(object, name));
    PyRef mapped = mapTree(value.get(), scalars, replace);
    // Past __setattr__: the dataclass may be frozen.
    checkStatus(PyObject_GenericSetAttr(copy.get(), name, mapped.get()));
  }
  return copy;
}

PyRef weft::mapTree(PyObject *object, bool scalars,
                    const std::function<PyRef(PyObject *)> &replace) {
  if (isTensor(object) || (scalars && isPythonScalar(object)))
    return replace(object);
  if (PyTuple_CheckExact(object) || PyList_CheckExact(object) || isNamedTuple(object))
    return mapSequence(object, scalars, replace);
  if (PyDict_CheckExact(object)) {
    PyRef dict = checked(PyDict_New());
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(object, &position, &key, &value)) {
      PyRef mapped = mapTree(value, scalars, replace);
      checkStatus(PyDict_SetItem(dict.get(), key, mapped.get()));
    }
    return dict;
  }
  if (isGoverned(object) || PyType_Check(object))
    return PyRef::borrow(object);
  if (fieldsOf(object))
    return mapDataclass(object, scalars, replace);
  if (scalars && !isStatic(object) && isArrayLike(object))
    return replace(object);
  return PyRef::borrow(object);
}
