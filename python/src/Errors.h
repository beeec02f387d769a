// From C++ exceptions to Python ones.
#pragma once

#include "lib/Support/Error.h"
#include "python/src/PyRef.h"

#include <string>

namespace weft {

/// The class weft._errors.<name>; borrowed.
PyObject *errorClass(const char *name);

/// Sets the Python exception for the C++ one being handled. The user's line is put in front.
void setPythonError();

/// Sets an exception of weft._errors.<className> with the user's line in front of `message`.
void setError(const char *className, const std::string &message);
[[noreturn]] void throwError(const char *className, const std::string &message);

/// Runs `body` and turns exceptions into a Python error and `failure`.
template <typename Result, typename Body> Result guarded(Result failure, Body &&body) {
  try {
    return body();
  } catch (...) {
    setPythonError();
    return failure;
  }
}
template <typename Body> PyObject *guarded(Body &&body) {
  return guarded<PyObject *>(nullptr, std::forward<Body>(body));
}

} // namespace weft
