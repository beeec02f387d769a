// Seeing which functions a trace runs, as a profiler does.
#include "python/src/state/ReadRecorder.h"

#include "python/src/Errors.h"
#include "python/src/SourceLine.h"

using namespace weft;

static thread_local ReadRecorder *currentRecorder = nullptr;

ReadRecorder::ReadRecorder(GuardSet &guards)
    : guards(guards), outer(std::exchange(currentRecorder, this)) {
  PyThreadState *thread = PyThreadState_Get();
  collectorHooks =
      checked(PyObject_GetAttrString(checked(PyImport_ImportModule("gc")).get(), "callbacks"));
  formerFunction = thread->c_profilefunc;
  formerArgument = PyRef::borrow(thread->c_profileobj);
  PyEval_SetProfile(event, nullptr);
}

ReadRecorder::~ReadRecorder() {
  // An exception that is under way stays.
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyEval_SetProfile(formerFunction, formerArgument.get());
  PyErr_Restore(type, value, traceback);
  currentRecorder = outer;
}

bool ReadRecorder::startsImport(PyCodeObject *code) const {
  return PyUnicode_CompareWithASCIIString(code->co_name, "_find_and_load") == 0 &&
         PyUnicode_CompareWithASCIIString(code->co_filename, "<frozen importlib._bootstrap>") == 0;
}

bool ReadRecorder::startsCollectorHook(PyCodeObject *code) const {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(collectorHooks.get()); ++i) {
    PyObject *hook = PyList_GET_ITEM(collectorHooks.get(), i);
    if (PyMethod_Check(hook))
      hook = PyMethod_GET_FUNCTION(hook);
    if (PyFunction_Check(hook) && PyFunction_GET_CODE(hook) == reinterpret_cast<PyObject *>(code))
      return true;
  }
  return false;
}

void ReadRecorder::enter(PyFrameObject *frame) {
  PyRef code = PyRef::steal(reinterpret_cast<PyObject *>(PyFrame_GetCode(frame)));
  auto *object = reinterpret_cast<PyCodeObject *>(code.get());
  if (startsImport(object) || startsCollectorHook(object)) {
    aside = frame;
    return;
  }
  if (!seen.insert(code.get()).second)
    return;
  keptAlive.push_back(code);
  PyRef variables =
      checked(PyObject_GetAttrString(reinterpret_cast<PyObject *>(frame), "f_globals"));
  guards.enter(code.get(), variables.get());
}

void ReadRecorder::call(PyFrameObject *frame, PyObject *function) {
  if (!PyCFunction_Check(function) ||
      !seen.insert(reinterpret_cast<PyCFunctionObject *>(function)->m_ml).second)
    return;
  llvm::StringRef called = reinterpret_cast<PyCFunctionObject *>(function)->m_ml->ml_name;
  if ((called == "breakpoint" || called == "input") && !guards.isSpent())
    guards.spend("the function calls " + called.str() + "()");
  PyRef variables =
      checked(PyObject_GetAttrString(reinterpret_cast<PyObject *>(frame), "f_globals"));
  PyObject *name = PyDict_GetItemString(variables.get(), "__name__");
  const char *module = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  if (module && llvm::StringRef(module).split('.').first == "weft") {
    // The package's own calls are no reads of the user's.
    seen.erase(reinterpret_cast<PyCFunctionObject *>(function)->m_ml);
    return;
  }
  guards.called(function, userLine().prefix());
}

int ReadRecorder::event(PyObject *, PyFrameObject *frame, int what, PyObject *argument) {
  ReadRecorder &recorder = *currentRecorder;
  int status = guarded(-1, [&] {
    if (recorder.aside == frame && what == PyTrace_RETURN)
      recorder.aside = nullptr;
    else if (recorder.aside)
      return 0;
    else if (what == PyTrace_CALL)
      recorder.enter(frame);
    else if (what == PyTrace_C_CALL)
      recorder.call(frame, argument);
    return 0;
  });
  if (status == 0 && recorder.formerFunction)
    status = recorder.formerFunction(recorder.formerArgument.get(), frame, what, argument);
  return status;
}
