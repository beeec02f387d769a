// Walking Python's frames.
#include "python/src/SourceLine.h"

#include "python/src/PyRef.h"

#include <unordered_map>

using namespace weft;

namespace {
struct FileKind {
  PyRef keepAlive;
  bool internal;
};
} // namespace

static std::string &packageFolder() {
  static std::string &folder = *new std::string();
  return folder;
}

void weft::setPackageFolder(std::string folder) { packageFolder() = std::move(folder); }

/// Code objects of one file share the name's object, so that its address tells the file.
static bool isInternal(PyObject *fileName) {
  static auto &known = *new std::unordered_map<PyObject *, FileKind>();
  auto [found, isNew] = known.try_emplace(fileName);
  if (isNew) {
    const char *text = PyUnicode_AsUTF8(fileName);
    std::string name = text ? text : "";
    const std::string &folder = packageFolder();
    bool inPackage = !folder.empty() && name.compare(0, folder.size(), folder) == 0;
    found->second = {PyRef::borrow(fileName), inPackage || name.starts_with("<frozen")};
    PyErr_Clear();
  }
  return found->second.internal;
}

SourceLine weft::userLine() {
  PyThreadState *state = PyThreadState_Get();
  PyRef frame = PyRef::steal(reinterpret_cast<PyObject *>(PyThreadState_GetFrame(state)));
  while (frame) {
    auto *object = reinterpret_cast<PyFrameObject *>(frame.get());
    PyRef code = PyRef::steal(reinterpret_cast<PyObject *>(PyFrame_GetCode(object)));
    PyObject *name = reinterpret_cast<PyCodeObject *>(code.get())->co_filename;
    if (!isInternal(name)) {
      const char *text = PyUnicode_AsUTF8(name);
      return {text ? text : "", PyFrame_GetLineNumber(object)};
    }
    frame = PyRef::steal(reinterpret_cast<PyObject *>(PyFrame_GetBack(object)));
  }
  return {};
}
