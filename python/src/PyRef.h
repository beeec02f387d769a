// Owned references to Python objects, and what becomes of errors of the interpreter.
#pragma once

#include <Python.h>

#include <utility>

namespace weft {

/// Owns one reference, or is null.
class PyRef {
public:
  PyRef() = default;
  PyRef(const PyRef &other) : object(Py_XNewRef(other.object)) {}
  PyRef(PyRef &&other) noexcept : object(std::exchange(other.object, nullptr)) {}
  ~PyRef() { Py_XDECREF(object); }
  PyRef &operator=(PyRef other) noexcept {
    std::swap(object, other.object);
    return *this;
  }

  /// Takes over a reference that the caller owns.
  static PyRef steal(PyObject *object) {
    PyRef reference;
    reference.object = object;
    return reference;
  }
  /// Adds a reference.
  static PyRef borrow(PyObject *object) { return steal(Py_XNewRef(object)); }

  PyObject *get() const { return object; }
  PyObject *release() { return std::exchange(object, nullptr); }
  explicit operator bool() const { return object != nullptr; }

private:
  PyObject *object = nullptr;
};

/// A Python exception is set: unwinds C++ frames up to the nearest `guarded`.
struct PythonError {};

/// Throws PythonError if `object` is null, else takes it over.
inline PyRef checked(PyObject *object) {
  if (!object)
    throw PythonError();
  return PyRef::steal(object);
}

inline void checkStatus(int status) {
  if (status < 0)
    throw PythonError();
}

} // namespace weft
