// Walking Python's frames.
#include "python/src/SourceLine.h"

#include "python/src/PyRef.h"

#include <algorithm>
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

/// Calls `visit(frame, code)` with the frames outside the package, the innermost first, until it
/// gives false.
template <typename Visit> static void walkUserFrames(Visit visit) {
  PyThreadState *state = PyThreadState_Get();
  PyRef frame = PyRef::steal(reinterpret_cast<PyObject *>(PyThreadState_GetFrame(state)));
  while (frame) {
    auto *object = reinterpret_cast<PyFrameObject *>(frame.get());
    PyRef owned = PyRef::steal(reinterpret_cast<PyObject *>(PyFrame_GetCode(object)));
    auto *code = reinterpret_cast<PyCodeObject *>(owned.get());
    if (!isInternal(code->co_filename) && !visit(object, code))
      return;
    frame = PyRef::steal(reinterpret_cast<PyObject *>(PyFrame_GetBack(object)));
  }
}

SourceLine weft::userLine() {
  SourceLine line;
  walkUserFrames([&](PyFrameObject *frame, PyCodeObject *code) {
    const char *text = PyUnicode_AsUTF8(code->co_filename);
    line = {text ? text : "", PyFrame_GetLineNumber(frame)};
    return false;
  });
  return line;
}

std::vector<std::string> weft::userFrames() {
  constexpr size_t mostFrames = 64;
  std::vector<std::string> frames;
  walkUserFrames([&](PyFrameObject *frame, PyCodeObject *code) {
    const char *function = PyUnicode_AsUTF8(code->co_name);
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    frames.push_back(std::string(function ? function : "?") + " (" + (file ? file : "?") + ":" +
                     std::to_string(PyFrame_GetLineNumber(frame)) + ")");
    PyErr_Clear();
    return frames.size() < mostFrames;
  });
  std::ranges::reverse(frames);
  return frames;
}
