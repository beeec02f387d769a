// Walking Python's frames.
#include "python/src/SourceLine.h"

#include "python/src/PyRef.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

using namespace weft;

namespace {
struct FileKind {
  PyRef keepAlive;
  bool internal;
  /// Whether it is no file: what exec ran, as dataclasses do to make methods.
  bool isText;
};
} // namespace

static std::vector<std::string> &internalFolders() {
  static auto &folders = *new std::vector<std::string>();
  return folders;
}

static std::unordered_map<PyObject *, FileKind> &knownFiles() {
  static auto &known = *new std::unordered_map<PyObject *, FileKind>();
  return known;
}

void weft::addInternalFolder(std::string folder) {
  internalFolders().push_back(std::move(folder));
  knownFiles().clear();
}

/// A name as text, also that of a file whose bytes are no UTF-8.
static std::string textOf(PyObject *name) {
  if (const char *text = PyUnicode_AsUTF8(name))
    return text;
  PyErr_Clear();
  PyRef bytes = PyRef::steal(PyUnicode_AsEncodedString(name, "utf-8", "backslashreplace"));
  PyErr_Clear();
  return bytes ? PyBytes_AS_STRING(bytes.get()) : "?";
}

/// Whether a frame's code runs in a module of the package.
static bool runsInPackage(PyFrameObject *frame) {
  PyRef globals =
      PyRef::steal(PyObject_GetAttrString(reinterpret_cast<PyObject *>(frame), "f_globals"));
  PyObject *name = globals ? PyDict_GetItemString(globals.get(), "__name__") : nullptr;
  const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  PyErr_Clear();
  return text && std::string_view(text).starts_with("weft.");
}

/// Code objects of one file share the name's object, so that its address tells the file.
static bool isInternal(PyObject *fileName, PyFrameObject *frame) {
  auto [found, isNew] = knownFiles().try_emplace(fileName);
  if (isNew) {
    std::string name = textOf(fileName);
    bool isBelow = std::ranges::any_of(
        internalFolders(), [&](const std::string &folder) { return name.starts_with(folder); });
    found->second = {PyRef::borrow(fileName), isBelow || name.starts_with("<frozen"),
                     name == "<string>"};
  }
  return found->second.internal || (found->second.isText && runsInPackage(frame));
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
    if (!isInternal(code->co_filename, object) && !visit(object, code))
      return;
    frame = PyRef::steal(reinterpret_cast<PyObject *>(PyFrame_GetBack(object)));
  }
}

SourceLine weft::userLine() {
  SourceLine line;
  walkUserFrames([&](PyFrameObject *frame, PyCodeObject *code) {
    line = {textOf(code->co_filename), PyFrame_GetLineNumber(frame)};
    return false;
  });
  return line;
}

std::string weft::located(const std::string &message) {
  // "file.py:12: what is wrong": digits between the last colon before the first space and it.
  size_t end = message.find(": ");
  size_t colon = end == std::string::npos || end == 0 ? end : message.rfind(':', end - 1);
  if (colon != std::string::npos && colon + 1 < end &&
      std::all_of(message.begin() + colon + 1, message.begin() + end,
                  [](char c) { return c >= '0' && c <= '9'; }))
    return message;
  return userLine().prefix() + message;
}

std::vector<std::string> weft::userFrames() {
  constexpr size_t mostFrames = 64;
  std::vector<std::string> frames;
  walkUserFrames([&](PyFrameObject *frame, PyCodeObject *code) {
    frames.push_back(textOf(code->co_name) + " (" + textOf(code->co_filename) + ":" +
                     std::to_string(PyFrame_GetLineNumber(frame)) + ")");
    return frames.size() < mostFrames;
  });
  std::ranges::reverse(frames);
  return frames;
}
