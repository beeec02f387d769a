// Reading what Python objects consist of, by Python's C interface.
#include "python/src/state/ObjectParts.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>

using namespace weft;

PyRef weft::instanceDict(PyObject *object) {
  if (PyModule_Check(object))
    return PyRef::borrow(PyModule_GetDict(object));
#if PY_VERSION_HEX < 0x030C0000
  PyObject **place = _PyObject_GetDictPtr(object);
  if (place && *place)
    return PyRef::borrow(*place);
#endif
  PyRef dict = PyRef::steal(PyObject_GenericGetDict(object, nullptr));
  PyErr_Clear();
  return dict;
}

PyRef weft::classDict(PyTypeObject *type) {
#if PY_VERSION_HEX < 0x030C0000
  return PyRef::borrow(type->tp_dict);
#else
  return PyRef::steal(PyType_GetDict(type));
#endif
}

PyObject **weft::placeOfDict(Reading reading, PyObject *object) {
#if PY_VERSION_HEX < 0x030C0000
  if (reading == Reading::ClassAttributes)
    return &reinterpret_cast<PyTypeObject *>(object)->tp_dict;
  if (reading == Reading::Attributes && !PyModule_Check(object))
    return _PyObject_GetDictPtr(object);
#endif
  return nullptr;
}

uint64_t weft::dictVersion(PyObject *dict) {
#if PY_VERSION_HEX < 0x030C0000
  return reinterpret_cast<PyDictObject *>(dict)->ma_version_tag;
#else
  (void)dict;
  return 0;
#endif
}

PyRef weft::readMember(PyObject *descriptor, PyObject *object) {
  descrgetfunc get = Py_TYPE(descriptor)->tp_descr_get;
  PyRef value = PyRef::steal(
      get ? get(descriptor, object, reinterpret_cast<PyObject *>(Py_TYPE(object))) : nullptr);
  PyErr_Clear();
  return value;
}

bool weft::readElements(PyObject *object, PyObject *type, llvm::SmallVectorImpl<PyRef> &values) {
  getiterfunc iterate = type ? reinterpret_cast<PyTypeObject *>(type)->tp_iter : nullptr;
  // Without elements there is no key: any will show whether there are some now.
  if (!iterate && PyAnySet_Check(object))
    iterate = PySet_Type.tp_iter;
  PyRef iterator = PyRef::steal(iterate ? iterate(object) : PyObject_GetIter(object));
  while (iterator) {
    PyRef item = PyRef::steal(PyIter_Next(iterator.get()));
    if (!item)
      break;
    values.push_back(std::move(item));
  }
  bool failed = !iterator || PyErr_Occurred();
  PyErr_Clear();
  return !failed;
}

std::array<PyObject *, 5> weft::functionFields(PyObject *function) {
  std::array<PyObject *, 5> fields = {
      PyFunction_GET_CODE(function), PyFunction_GET_GLOBALS(function),
      PyFunction_GET_CLOSURE(function), PyFunction_GET_DEFAULTS(function),
      PyFunction_GET_KW_DEFAULTS(function)};
  std::ranges::replace(fields, nullptr, Py_None);
  return fields;
}

static void readFunction(PyObject *object, llvm::SmallVectorImpl<PyRef> &values) {
  if (!PyFunction_Check(object))
    return;
  for (PyObject *field : functionFields(object))
    values.push_back(PyRef::borrow(field));
}

static void readContext(PyObject *variable, llvm::SmallVectorImpl<PyRef> &values) {
  PyObject *value = nullptr;
  if (!PyContextVar_CheckExact(variable) || PyContextVar_Get(variable, nullptr, &value) < 0)
    PyErr_Clear();
  values.push_back(PyRef::steal(value));
}

void weft::readFields(Reading reading, PyObject *object, llvm::SmallVectorImpl<PyRef> &values) {
  switch (reading) {
  case Reading::Items:
    if (!PyList_Check(object) && !PyTuple_Check(object))
      return;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i)
      values.push_back(PyRef::borrow(PySequence_Fast_GET_ITEM(object, i)));
    return;
  case Reading::Function:
    return readFunction(object, values);
  case Reading::Lineage:
    if (PyType_Check(object))
      values.push_back(PyRef::borrow(reinterpret_cast<PyTypeObject *>(object)->tp_mro));
    return;
  case Reading::Cell:
    if (PyCell_Check(object))
      values.push_back(PyRef::borrow(PyCell_GET(object)));
    return;
  case Reading::Context:
    return readContext(object, values);
  case Reading::Class:
    values.push_back(PyRef::borrow(reinterpret_cast<PyObject *>(Py_TYPE(object))));
    return;
  default:
    return;
  }
}

std::optional<std::array<uint64_t, 2>> weft::fingerprint(PyObject *object) {
  Py_buffer view;
  if (PyObject_GetBuffer(object, &view, PyBUF_FULL_RO) < 0) {
    PyErr_Clear();
    return std::nullopt;
  }
  std::string text = view.format ? view.format : "B";
  for (int i = 0; i < view.ndim; ++i)
    text += "," + std::to_string(view.shape ? view.shape[i] : view.len);
  const auto *bytes = static_cast<const uint8_t *>(view.buf);
  std::vector<uint8_t> packed;
  bool valid = true;
  if (!PyBuffer_IsContiguous(&view, 'C')) {
    packed.resize(size_t(view.len));
    valid = PyBuffer_ToContiguous(packed.data(), &view, view.len, 'C') == 0;
    bytes = packed.data();
  }
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::ArrayRef(bytes, size_t(view.len)));
  uint64_t form = llvm::xxh3_64bits(text);
  PyBuffer_Release(&view);
  PyErr_Clear();
  if (!valid)
    return std::nullopt;
  return std::array<uint64_t, 2>{hash.low64 ^ form, hash.high64 + form};
}
