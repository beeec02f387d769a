// Evaluating guards.
#include "python/src/Guards.h"

#include "python/src/Errors.h"

#include <unordered_set>

using namespace weft;

uint64_t weft::guardEpoch = 1;

/// The number of items of a plain container; -1 for other objects.
static Py_ssize_t lengthOf(PyObject *object) {
  if (PyDict_CheckExact(object))
    return PyDict_GET_SIZE(object);
  if (PyList_CheckExact(object))
    return PyList_GET_SIZE(object);
  return PyTuple_CheckExact(object) ? PyTuple_GET_SIZE(object) : -1;
}

/// One row of weft._guards.scan: (parent, access, check, governed, index, other, key, value, path).
static Guard guardFrom(PyObject *row) {
  int parent, access, check, governed;
  Py_ssize_t index, other;
  PyObject *key, *value;
  const char *path;
  if (!PyArg_ParseTuple(row, "iiipnnOOs", &parent, &access, &check, &governed, &index, &other, &key,
                        &value, &path))
    throw PythonError();
  Guard guard{parent,
              static_cast<Access>(access),
              static_cast<Check>(check),
              governed != 0,
              index,
              other,
              PyRef::borrow(key),
              PyRef::borrow(value),
              0,
              path};
  guard.length = lengthOf(value);
  return guard;
}

void GuardSet::build(PyObject *function, std::span<PyObject *const> argumentObjects) {
  epoch = guardEpoch;
  PyRef module = checked(PyImport_ImportModule("weft._guards"));
  PyRef objects = checked(PyTuple_New(Py_ssize_t(argumentObjects.size())));
  for (size_t i = 0; i < argumentObjects.size(); ++i)
    PyTuple_SET_ITEM(objects.get(), Py_ssize_t(i), Py_NewRef(argumentObjects[i]));
  PyRef rows = checked(PyObject_CallMethod(module.get(), "scan", "OO", function, objects.get()));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows.get()); ++i)
    guards.push_back(guardFrom(PyList_GET_ITEM(rows.get(), i)));
}

PyRef GuardSet::reach(const Guard &guard, PyObject *function,
                      std::span<PyObject *const> argumentObjects) const {
  PyObject *parent = guard.parent >= 0 ? guards[guard.parent].value.get() : nullptr;
  switch (guard.access) {
  case Access::Root:
    return PyRef::borrow(function);
  case Access::Argument:
    return PyRef::borrow(argumentObjects[guard.index]);
  case Access::Cell:
    return PyRef::borrow(PyCell_Check(parent) ? PyCell_GET(parent) : nullptr);
  case Access::Key:
    return PyRef::borrow(PyDict_Check(parent) ? PyDict_GetItemWithError(parent, guard.key.get())
                                              : nullptr);
  case Access::Index:
    if (PyList_Check(parent))
      return PyRef::borrow(
          guard.index < PyList_GET_SIZE(parent) ? PyList_GET_ITEM(parent, guard.index) : nullptr);
    return PyRef::borrow(
        guard.index < PyTuple_GET_SIZE(parent) ? PyTuple_GET_ITEM(parent, guard.index) : nullptr);
  case Access::Attribute:
    return PyRef::steal(PyObject_GetAttr(parent, guard.key.get()));
  case Access::Anchor:
    return guard.key;
  }
  return {};
}

static std::string textOf(PyObject *object) {
  if (!object)
    return "nothing";
  PyRef text = PyRef::steal(PyObject_Repr(object));
  const char *characters = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string result = characters ? characters : "?";
  PyErr_Clear();
  if (result.size() > 60)
    result = result.substr(0, 57) + "...";
  return result;
}

/// True if the new value is as good as the old one.
static bool holds(const Guard &guard, PyObject *value, const std::vector<Guard> &guards) {
  PyObject *before = guard.value.get();
  switch (guard.check) {
  case Check::Identity:
    return value == before;
  case Check::Absent:
    return value == nullptr;
  case Check::Tensor:
    return value && isTensor(value) && Py_TYPE(value) == Py_TYPE(before);
  case Check::SameTensor:
    return value && value == guards[guard.other].value.get();
  case Check::Equality:
    return value && (value == before || (Py_TYPE(value) == Py_TYPE(before) &&
                                         PyObject_RichCompareBool(value, before, Py_EQ) == 1));
  case Check::Structure:
    return value && Py_TYPE(value) == Py_TYPE(before) && lengthOf(value) == guard.length;
  }
  return false;
}

bool GuardSet::checkAll(PyObject *function, std::span<PyObject *const> argumentObjects,
                        bool governedToo, std::string &reason) {
  replaced = false;
  for (Guard &guard : guards) {
    if ((guard.governed && !governedToo) || guard.access == Access::Anchor)
      continue;
    PyRef value = reach(guard, function, argumentObjects);
    if (PyErr_Occurred())
      PyErr_Clear();
    bool stable = holds(guard, value.get(), guards);
    if (PyErr_Occurred())
      PyErr_Clear();
    if (!stable) {
      if (guard.check == Check::Structure && value &&
          Py_TYPE(value.get()) == Py_TYPE(guard.value.get()))
        reason = guard.path + " changed its length";
      else
        reason = guard.path + " changed from " + textOf(guard.value.get()) + " to " +
                 textOf(value.get());
      return false;
    }
    if (value.get() != guard.value.get() && guard.check != Check::Equality) {
      replaced = true;
      guard.value = std::move(value);
    }
  }
  return true;
}

bool GuardSet::check(PyObject *function, std::span<PyObject *const> argumentObjects,
                     std::string &reason) {
  bool governedToo = epoch != guardEpoch;
  uint64_t checkedEpoch = guardEpoch;
  if (!checkAll(function, argumentObjects, governedToo, reason))
    return false;
  if (replaced) {
    // Objects were replaced by equal ones: all below them has to be reached anew, and tensors at
    // different paths have to be different, as they were.
    if (!governedToo && !checkAll(function, argumentObjects, true, reason))
      return false;
    std::unordered_set<PyObject *> tensors;
    for (const Guard &guard : guards)
      if (guard.check == Check::Tensor && !tensors.insert(guard.value.get()).second) {
        reason = guard.path + " became the same tensor as another";
        return false;
      }
  }
  epoch = checkedEpoch;
  return true;
}

int GuardSet::find(TensorObject *tensor) const {
  for (size_t i = 0; i < guards.size(); ++i)
    if (guards[i].check == Check::Tensor &&
        guards[i].value.get() == reinterpret_cast<PyObject *>(tensor))
      return int(i);
  return -1;
}

int GuardSet::traverse(visitproc visit, void *arg) const {
  for (const Guard &guard : guards) {
    Py_VISIT(guard.key.get());
    Py_VISIT(guard.value.get());
  }
  return 0;
}
