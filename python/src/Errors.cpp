// The exceptions that users see.
#include "python/src/Errors.h"

#include "lib/Runtime/Collectives.h"
#include "lib/Support/Interpreter.h"
#include "python/src/Hooks.h"
#include "python/src/SourceLine.h"

#include <new>

using namespace weft;

PyObject *weft::errorClass(const char *name) {
  try {
    // The module keeps its classes.
    return checked(PyObject_GetAttrString(hook(Hook::Errors), name)).get();
  } catch (const PythonError &) {
    return nullptr;
  }
}

/// A message may quote a file that is no UTF-8.
static void setErrorText(PyObject *type, const std::string &text) {
  PyRef decoded = PyRef::steal(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
  if (decoded)
    PyErr_SetObject(type, decoded.get());
}

void weft::setError(const char *className, const std::string &message) {
  PyErr_Clear();
  // A diagnostic of the compiler begins with the line of its operation.
  if (PyObject *type = errorClass(className))
    setErrorText(type, located(message));
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
  case Error::Kind::Gradient:
    return "GradientError";
  case Error::Kind::IO:
    return "FileError";
  case Error::Kind::Option:
    return "OptionError";
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
  } catch (const Interrupted &) {
    return; // what a handler of signals raised is set
  } catch (const CommunicationError &error) {
    setError("CommunicationError", error.what());
  } catch (const Error &error) {
    setError(className(error.kind()), error.what());
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
  } catch (const std::exception &error) {
    setError("WeftError", error.what());
  }
}
