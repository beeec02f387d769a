// An owned reference to a Python object.
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

} // namespace weft
