// The exceptions that users see.
#include "python/src/Errors.h"

#include "python/src/SourceLine.h"

#include <new>

using namespace weft;

PyObject *weft::errorClass(const char *name) {
  PyRef module = PyRef::steal(PyImport_ImportModule("weft._errors"));
  if (!module)
    return nullptr;
  PyRef found = PyRef::steal(PyObject_GetAttrString(module.get(), name));
  return found.get();
}

void weft::setError(const char *className, const std::string &message) {
  PyErr_Clear();
  std::string prefix = userLine().prefix();
  // A diagnostic of the compiler begins with the line of its operation.
  std::string located = message.starts_with(prefix) ? message : prefix + message;
  if (PyObject *type = errorClass(className))
    PyErr_SetString(type, located.c_str());
}

void weft::throwError(const char *className, const std::string &message) {
  setError(className, message);
  throw PythonError();
}

static const char *className(Error::Kind kind) {
  switch (kind) {
  case Error::Kind::Value:
    return "ShapeError";
  case Error::Kind::Type:
    return "DTypeError";
  case Error::Kind::Index:
    return "OutOfBoundsError";
  case Error::Kind::Range:
    return "OutOfRangeError";
  case Error::Kind::Unsupported:
    return "UnsupportedError";
  case Error::Kind::Tracer:
    return "TracerLeakError";
  case Error::Kind::IO:
    return "FileError";
  case Error::Kind::Memory:
    return "OutOfMemoryError";
  }
  return "WeftError";
}

void weft::setPythonError() {
  try {
    throw;
  } catch (const PythonError &) {
    return;
  } catch (const Error &error) {
    setError(className(error.kind()), error.what());
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
  } catch (const std::exception &error) {
    setError("WeftError", error.what());
  }
}
