// Calls of compiled functions.
#include "python/src/JitFunction.h"

#include "lib/Runtime/Executor.h"
#include "python/src/Conversion.h"
#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/Export.h"
#include "python/src/Lowered.h"
#include "python/src/PathReport.h"
#include "python/src/Printing.h"
#include "python/src/Profile.h"
#include "python/src/Recording.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Call.h"
#include "python/src/state/Execution.h"
#include "python/src/state/Handle.h"
#include "python/src/state/StateLock.h"
#include "python/src/state/Walk.h"

#include <bit>
#include <chrono>
#include <structmember.h>

using namespace weft;

namespace {

struct JitObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *dictionary;
  PyObject *weakReferences;
  JitState *state;
};

JitObject *asJit(PyObject *object) { return reinterpret_cast<JitObject *>(object); }

} // namespace

//===----------------------------------------------------------------------===//
// Finding the specialization
//===----------------------------------------------------------------------===//

/// The table of traces for these arguments.
static std::shared_ptr<Specializations> &tableFor(JitState &state, const Key &key) {
  constexpr size_t mostKeys = 4096;
  if (state.specializations.size() >= mostKeys && !state.specializations.contains(key)) {
    state.specializations.clear();
    state.pieces = 0;
  }
  auto &table = state.specializations[key];
  if (!table)
    table = std::make_shared<Specializations>();
  return table;
}

static bool findIn(JitState &state, const Key &key, Call &call, std::string &reason) {
  auto found = state.specializations.find(key);
  if (found == state.specializations.end())
    return false;
  // Guards may run code of the user, which may call this function: the table is kept.
  std::shared_ptr<Specializations> table = found->second;
  for (size_t i = table->size(); i-- > 0;) {
    if (i >= table->size())
      continue;
    call.specialization = (*table)[i];
    if (call.matches(reason))
      return true;
  }
  return false;
}

static void addReason(JitState &state, const std::string &reason) {
  constexpr size_t maximumReasons = 100;
  if (state.retraceReasons.size() < maximumReasons)
    state.retraceReasons.push_back(userLine().prefix() + reason);
}

/// Traces the function for the call. A trace takes views among the arguments by their values; where
/// it turns out that it changes what they look into, another one is made that ties them.
static void traceInto(JitState &state, const Key &plain, const Key &tied, Call &call,
                      PyObject *const *arguments, size_t count, PyObject *keywordNames, bool asks) {
  constexpr size_t mostCandidates = 64;
  auto trace = [&](const Key &key, ArgumentViews views) {
    Questions questions{tableFor(state, key), &call.printed};
    call.specialization = traceFunction(state, call.flat, arguments, count, keywordNames, views,
                                        ResultViews::Kept, asks ? &questions : nullptr);
  };
  auto keep = [&](const Key &key) {
    if (call.specialization->guards.isSpent()) {
      addReason(state, call.specialization->guards.spentBecause());
      return;
    }
    std::shared_ptr<Specializations> table = tableFor(state, key);
    const std::vector<TakenCut> &cuts = call.specialization->cuts;
    if (table->size() >= (cuts.empty() ? mostCandidates : mostPaths)) {
      state.pieces -= table->front()->cuts.size();
      table->erase(table->begin());
    }
    table->push_back(call.specialization);
    call.specialization->table = table;
    state.pieces += cuts.size();
    state.cutsChangeState |= !cuts.empty() && call.specialization->changesState();
    enterBranches(call.specialization);
  };
  std::string reason;
  trace(plain, ArgumentViews::Values);
  bool anyView = llvm::any_of(
      call.flat.leaves, [](PyObject *leaf) { return isTensor(leaf) && asTensor(leaf)->lens; });
  if (call.findHandles(reason))
    return keep(plain);
  if (anyView && call.specialization->guards.isSpent())
    throwError("UnsupportedError",
               "a compiled function that changes Python objects gets a view of a tensor that it "
               "also changes, and would have to run twice to find that out; pass the whole tensor, "
               "or clone() the view");
  if (anyView) {
    trace(tied, ArgumentViews::Tied);
    if (call.findHandles(reason))
      return keep(tied);
  }
  throwError("UnsupportedError", "a compiled function can't keep tensors apart: " + reason);
}

/// Behind the key of arguments that are traced as views of their roots: no part of other keys.
static constexpr int64_t tiedMark = std::numeric_limits<int64_t>::min();

/// Lets calls with such arguments find the specialization at once.
static void remember(JitState &state, FlatArguments &flat,
                     const std::shared_ptr<Specialization> &specialization) {
  constexpr size_t mostKnown = 4;
  if (!flat.pattern.isComplete())
    return;
  if (state.known.size() >= mostKnown)
    state.known.erase(state.known.begin());
  state.known.push_back({std::move(flat.pattern), specialization});
}

/// Takes the arguments apart, and finds what the call runs, if they are known. If not, `flat` is
/// empty.
static bool findKnown(JitState &state, FlatArguments &flat, Call &call, PyObject *const *arguments,
                      size_t count, PyObject *keywordNames) {
  for (size_t i = 0; i < state.known.size(); ++i) {
    if (state.known[i].pattern.matches(arguments, count, keywordNames, flat)) {
      call.specialization = state.known[i].specialization.lock();
      std::string reason;
      if (call.specialization && call.holds(reason))
        return true;
      flat.clear();
      // Guards may run code of the user, which may call this function.
      if (i < state.known.size())
        state.known.erase(state.known.begin() + ptrdiff_t(i));
      return false;
    }
    flat.clear();
  }
  return false;
}

/// Finds or makes what the call, whose arguments were taken apart, runs.
static void specialize(JitState &state, FlatArguments &flat, Call &call, PyObject *const *arguments,
                       size_t count, PyObject *keywordNames, bool asks) {
  std::string reason = state.specializations.empty() ? "" : "new types or structure of arguments";
  if (findIn(state, flat.key, call, reason))
    return remember(state, flat, call.specialization);
  Key tied = flat.key;
  tied.push_back(tiedMark);
  if (findIn(state, tied, call, reason))
    return;
  if (!reason.empty())
    addReason(state, reason);
  traceInto(state, flat.key, tied, call, arguments, count, keywordNames, asks);
}

static void compile(JitState &state, Specialization &specialization) {
  auto start = std::chrono::steady_clock::now();
  mlir::OwningOpRef<mlir::ModuleOp> copy = (*specialization.module)->clone();
  Statistics before = Compiler::threadStatistics();
  CompileOptions options;
  options.device = specialization.device;
  options.prepare = state.prepare;
  std::shared_ptr<const Executable> executable = Compiler::instance().compile(*copy, options);
  // Threads may compile the same at once; calls run the first.
  if (!specialization.executable) {
    specialization.releasesInterpreter = releasesInterpreter(executable->plan);
    specialization.executable = std::move(executable);
  }
  state.compiler.addDifference(before, Compiler::threadStatistics());
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  state.compileSeconds += seconds.count();
}

/// Waits until no call of another thread is about to give one of the arguments a new value.
static void awaitTensors(const FlatArguments &flat) {
  for (PyObject *leaf : flat.leaves)
    if (isTensor(leaf) && !asTensor(leaf)->value.storage)
      requireConcrete(asTensor(leaf), "a compiled function");
}

/// A function that is traced into another one is compiled as that one is.
static void checkPrecision(const JitState &state) {
  if (!state.matmulPrecision.empty() && currentScope->matmulPrecision != state.matmulPrecision)
    throwError("OptionError", "a function compiled with matmul_precision=\"" +
                                  state.matmulPrecision +
                                  "\" is called in one that is compiled without; give it to the "
                                  "outer one");
}

/// The next calls with such arguments begin with the trace that this one came to.
static void rememberTurn(JitState &state, const std::shared_ptr<Specialization> &from,
                         const std::shared_ptr<Specialization> &to) {
  for (KnownCall &known : state.known)
    if (from != to && known.specialization.lock() == from)
      known.specialization = to;
}

namespace {

/// A call of the user's.
struct UserCall {
  JitState &state;
  PyObject *const *arguments;
  size_t flags;
  PyObject *keywordNames;

  size_t count() const { return size_t(PyVectorcall_NARGS(flags)); }

  PyRef run();

private:
  void prepare(FlatArguments &flat, Call &call);
  PyRef attempt(Call &call, std::shared_ptr<Cut> &unanswered);
  PyRef grow(Call &call, const Cut &cut);
  PyRef runUncompiled(std::string reason, size_t printed) const;
};

} // namespace

/// Finds or makes what the call runs.
void UserCall::prepare(FlatArguments &flat, Call &call) {
  if (findKnown(state, flat, call, arguments, count(), keywordNames))
    return;
  flattenCall(state, arguments, count(), keywordNames, flat);
  awaitTensors(flat);
  specialize(state, flat, call, arguments, count(), keywordNames, /*asks=*/true);
}

/// The function as it is, op by op; what the call has printed is not printed again.
PyRef UserCall::runUncompiled(std::string reason, size_t printed) const {
  constexpr size_t maximumReasons = 100;
  ++state.uncompiledCalls;
  auto &reasons = state.uncompiledReasons;
  if (reasons.size() < maximumReasons && !llvm::is_contained(reasons, reason))
    reasons.push_back(std::move(reason));
  PrintsSkipped skipped(printed);
  return checked(PyObject_Vectorcall(state.function.get(), arguments, flags, keywordNames));
}

/// Traces the function once more, for an answer that no trace of it had: nothing happened yet that
/// could be seen. Returns the result if the function was run as it is instead.
PyRef UserCall::grow(Call &call, const Cut &cut) {
  std::shared_ptr<Specialization> before = call.specialization;
  std::string reason = whyUncompiled(state, *before, cut);
  if (!reason.empty())
    return runUncompiled(std::move(reason), call.printed);
  if (before->guards.isSpent())
    throwError("UnsupportedError", "a compiled function that changes Python objects asked for a "
                                   "value that another thread changed meanwhile, and would have "
                                   "to run twice");
  // Of arguments that were known there is no key.
  FlatArguments flat;
  flattenCall(state, arguments, count(), keywordNames, flat);
  awaitTensors(flat);
  Key tied = flat.key;
  tied.push_back(tiedMark);
  Call traced{state, flat, nullptr};
  traced.printed = call.printed;
  traceInto(state, flat.key, tied, traced, arguments, count(), keywordNames, /*asks=*/true);
  call.specialization = traced.specialization;
  call.printed = traced.printed;
  rememberTurn(state, before, call.specialization);
  return {};
}

/// Runs the call, unless something has to happen before; `unanswered` is a question that had a new
/// answer.
PyRef UserCall::attempt(Call &call, std::shared_ptr<Cut> &unanswered) {
  bool hasCuts = !call.specialization->cuts.empty();
  bool isLocked = call.specialization->changesState() || (hasCuts && state.cutsChangeState);
  StateLock lock(isLocked);
  if (lock.waited() || !call.isComplete())
    return {};
  if (!hasCuts) {
    ++state.calls;
    return execute(call);
  }
  PieceValues values;
  std::shared_ptr<Specialization> first = call.specialization;
  Walked walked = walk(call, isLocked, values, unanswered);
  state.cutsChangeState |= walked == Walked::ChangesState;
  if (walked != Walked::NewAnswer)
    unanswered.reset();
  if (walked != Walked::Arrived)
    return {};
  ++state.calls;
  rememberTurn(state, first, call.specialization);
  return execute(call, &values);
}

PyRef UserCall::run() {
  size_t printed = 0;
  while (true) {
    FlatArguments flat;
    Call call{state, flat, nullptr};
    call.printed = printed;
    prepare(flat, call);
    bool fits = true;
    if (!call.specialization->executable) {
      compile(state, *call.specialization);
      fits = call.stillFits();
    }
    while (fits) {
      std::shared_ptr<Cut> unanswered;
      PyRef result = attempt(call, unanswered);
      if (!result && unanswered)
        result = grow(call, *unanswered);
      if (result)
        return result;
      awaitTensors(flat);
      fits = call.stillFits();
    }
    printed = call.printed;
  }
}

static PyObject *callJit(PyObject *self, PyObject *const *arguments, size_t flags,
                         PyObject *keywordNames) {
  return guarded([&]() -> PyObject * {
    JitState &state = *asJit(self)->state;
    if (currentScope) {
      checkPrecision(state);
      return PyObject_Vectorcall(state.function.get(), arguments, flags, keywordNames);
    }
    RecordedCall recorded("call", state.function.get());
    return UserCall{state, arguments, flags, keywordNames}.run().release();
  });
}

//===----------------------------------------------------------------------===//
// The type
//===----------------------------------------------------------------------===//

static PyObject *construct(PyTypeObject *type, PyObject *arguments, PyObject *) {
  return guarded([&]() -> PyObject * {
    PyObject *function, *numbers, *names;
    int strict = 0, prepare = 1;
    const char *precision = "";
    if (!PyArg_ParseTuple(arguments, "OO!O!|pps:JitFunction", &function, &PyTuple_Type, &numbers,
                          &PyTuple_Type, &names, &strict, &prepare, &precision))
      return nullptr;
    PyRef self = checked(type->tp_alloc(type, 0));
    JitObject *jit = asJit(self.get());
    jit->vectorcall = callJit;
    // Before 3.12 no class that is made in Python has it.
    if (type->tp_call == PyVectorcall_Call)
      type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    jit->state = new JitState();
    jit->state->function = PyRef::borrow(function);
    jit->state->strict = strict;
    jit->state->prepare = prepare;
    jit->state->matmulPrecision = precision;
    for (int64_t number : shapeFrom(numbers, "static_argnums"))
      jit->state->staticNumbers.push_back(number);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
      jit->state->staticNames.push_back(PyRef::borrow(PyTuple_GET_ITEM(names, i)));
    return self.release();
  });
}

/// All that a specialization refers to. Only the table that is visited owns it: a call that runs
/// it belongs to a caller who has the function too.
static int traverseSpecialization(const Specialization &specialization, visitproc visit,
                                  void *arg) {
  for (const TakenCut &taken : specialization.cuts)
    if (taken.cut.use_count() == 1)
      Py_VISIT(taken.cut->printed.get());
  for (const PyRef &object : specialization.statics)
    Py_VISIT(object.get());
  for (const auto &[leaf, value] : specialization.scalars)
    Py_VISIT(value.get());
  for (const HandleSource &source : specialization.handles)
    Py_VISIT(source.fixed.get());
  for (const ResultSource &source : specialization.results) {
    Py_VISIT(source.type.get());
    Py_VISIT(source.attributes.get());
    Py_VISIT(source.left.get());
  }
  Py_VISIT(specialization.resultTemplate.get());
  return specialization.guards.traverse(visit, arg);
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(asJit(self)->dictionary);
  if (!asJit(self)->state)
    return 0;
  Py_VISIT(asJit(self)->state->function.get());
  for (auto &[key, table] : asJit(self)->state->specializations)
    for (const auto &specialization : *table)
      if (int status = traverseSpecialization(*specialization, visit, arg))
        return status;
  return 0;
}

static int clear(PyObject *self) {
  Py_CLEAR(asJit(self)->dictionary);
  if (asJit(self)->state) {
    asJit(self)->state->known.clear();
    asJit(self)->state->specializations.clear();
    asJit(self)->state->function = PyRef();
  }
  return 0;
}

static void deallocate(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (asJit(self)->weakReferences)
    PyObject_ClearWeakRefs(self);
  clear(self);
  delete asJit(self)->state;
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject *bind(PyObject *self, PyObject *instance, PyObject *) {
  return instance && instance != Py_None ? PyMethod_New(self, instance) : Py_NewRef(self);
}

/// The same for a function that has to be one piece. Throws at the line that asks for a value.
static void specializeWhole(JitState &state, FlatArguments &flat, Call &call,
                            PyObject *const *arguments, size_t count, PyObject *keywordNames) {
  specialize(state, flat, call, arguments, count, keywordNames, /*asks=*/false);
  if (!call.specialization->cuts.empty())
    traceFunction(state, flat, arguments, count, keywordNames, ArgumentViews::Values,
                  ResultViews::Kept, nullptr);
}

/// The traced function for these arguments.
static PyObject *lower(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                       PyObject *keywordNames) {
  return guarded([&] {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    Call call{state, flat, nullptr};
    specializeWhole(state, flat, call, arguments, size_t(count), keywordNames);
    return newLowered(*call.specialization, state.prepare).release();
  });
}

/// The traced function as a program that stands alone; see Export.h.
static PyObject *exportMethod(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                              PyObject *keywordNames) {
  return guarded([&] {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    if (currentScope)
      throwError("UnsupportedError", "export() inside of a function that is being traced");
    auto traced = traceFunction(state, flat, arguments, size_t(count), keywordNames,
                                ArgumentViews::Values, ResultViews::Copied, nullptr);
    return newProgram(*traced, flat).release();
  });
}

/// Whether an argument, given by its position or name, is compared by value.
static PyObject *isStaticMethod(PyObject *self, PyObject *argument) {
  return guarded([&] {
    bool named = PyUnicode_Check(argument);
    size_t number = named ? 0 : size_t(shapeFrom(argument, "the position")[0]);
    return PyBool_FromLong(
        isStaticArgument(*asJit(self)->state, number, named ? argument : nullptr));
  });
}

/// Runs what a call would run, again and again, without its effects; see Profile.h.
static PyObject *profile(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                         PyObject *keywordNames) {
  return guarded([&] {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    for (PyObject *leaf : flat.leaves)
      if (isTensor(leaf))
        requireConcrete(asTensor(leaf), "profile()");
    Call call{state, flat, nullptr};
    specializeWhole(state, flat, call, arguments, size_t(count), keywordNames);
    if (!call.specialization->executable)
      compile(state, *call.specialization);
    llvm::SmallVector<StorageRef, 8> inputs = call.inputs();
    return profileKernels(*call.specialization->executable, {inputs.data(), inputs.size()})
        .release();
  });
}

/// The paths of a function that asks for values, for arguments as these, and the kernels of the one
/// that was traced last; None for a function of one piece.
static PyObject *paths(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                       PyObject *keywordNames) {
  return guarded([&]() -> PyObject * {
    JitState &state = *asJit(self)->state;
    FlatArguments flat;
    flattenCall(state, arguments, size_t(count), keywordNames, flat);
    awaitTensors(flat);
    Call call{state, flat, nullptr};
    specialize(state, flat, call, arguments, size_t(count), keywordNames, /*asks=*/true);
    return call.specialization->cuts.empty() ? Py_NewRef(Py_None)
                                             : pathReport(call.specialization).release();
  });
}

static PyRef listOf(const std::vector<std::string> &texts) {
  PyRef list = PyRef::steal(PyList_New(0));
  for (const std::string &text : texts) {
    PyRef item = PyRef::steal(PyUnicode_FromString(text.c_str()));
    if (!list || !item || PyList_Append(list.get(), item.get()) < 0)
      return {};
  }
  return list;
}

static PyObject *statistics(PyObject *self, PyObject *) {
  const JitState &state = *asJit(self)->state;
  PyRef reasons = listOf(state.retraceReasons), notWatched = listOf(state.notWatched),
        uncompiled = listOf(state.uncompiledReasons);
  if (!reasons || !notWatched || !uncompiled)
    return nullptr;
  const Statistics &compiler = state.compiler;
  return Py_BuildValue(
      "{sKsKsLsLsLsLsLsdsdsdsdsdsdsOsOsKsO}", "calls", state.calls, "traces", state.traces,
      "compiles", compiler.compiles, "kernels", compiler.launches, "kernels_compiled",
      compiler.kernelsCompiled, "cache_hits", compiler.memoryHits, "disk_cache_hits",
      compiler.diskHits, "trace_seconds", state.traceSeconds, "compile_seconds",
      state.compileSeconds, "pass_seconds", compiler.passSeconds, "emit_seconds",
      compiler.emitSeconds, "codegen_seconds", compiler.codegenSeconds, "load_seconds",
      compiler.loadSeconds, "retraces", reasons.get(), "not_watched", notWatched.get(),
      "uncompiled_calls", state.uncompiledCalls, "uncompiled", uncompiled.get());
}

static PyObject *getFunction(PyObject *self, void *) {
  return Py_NewRef(asJit(self)->state->function.get());
}

int weft::registerJitType(PyObject *module) {
  static PyMethodDef methods[] = {
      {"_lower", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(lower)),
       METH_FASTCALL | METH_KEYWORDS, "The traced function for these arguments."},
      {"_export", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(exportMethod)),
       METH_FASTCALL | METH_KEYWORDS, "The program, and what the function returned."},
      {"_paths", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(paths)),
       METH_FASTCALL | METH_KEYWORDS, "The paths of a function that asks for values, or None."},
      {"_is_static", isStaticMethod, METH_O, "Whether an argument is a constant of the code."},
      {"_profile", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(profile)),
       METH_FASTCALL | METH_KEYWORDS, "The kernels of a call with these arguments, timed."},
      {"_statistics", statistics, METH_NOARGS, "Counters and times."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(JitObject, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(JitObject, dictionary), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(JitObject, weakReferences), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"_function", getFunction, nullptr, "The function that was compiled.", nullptr},
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void *>(construct)},
      {Py_tp_dealloc, reinterpret_cast<void *>(deallocate)},
      {Py_tp_traverse, reinterpret_cast<void *>(traverse)},
      {Py_tp_clear, reinterpret_cast<void *>(clear)},
      {Py_tp_call, reinterpret_cast<void *>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void *>(bind)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_getset, attributes},
      {Py_tp_doc, const_cast<char *>("A function compiled for each new signature of its "
                                     "arguments, see weft.jit.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"weft._core.JitFunction", sizeof(JitObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                          Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
                      slots};
  PyRef type = PyRef::steal(PyType_FromSpec(&spec));
  return type ? PyModule_AddObjectRef(module, "JitFunction", type.get()) : -1;
}
