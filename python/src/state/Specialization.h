// What compiled functions keep: their traces, and how calls find what these read and change.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "mlir/IR/OwningOpRef.h"
#include "python/src/Arguments.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Cycles.h"
#include "python/src/state/Guards.h"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {

/// How a call finds a tensor handle, and what has to hold of its slot.
struct HandleSource {
  enum class Kind : uint8_t {
    /// What guard `index` reaches.
    Guard,
    /// Leaf `index` of the arguments.
    Argument,
    /// Always the same handle.
    Fixed,
    /// The gradient of handle `index`.
    Gradient,
    /// What handle `index`, a view, looks into.
    Root,
  } kind;
  int index;
  PyRef fixed = {};
  /// Of a view: how it has to look into the slot of handle `slot`.
  std::optional<ViewPath> path = {};
  /// -1: the handle has a slot of its own, which no other handle has. Else the number of the handle
  /// that it looks into, or, without a path, that it has to be.
  int slot = -1;

  /// An argument that looks into no other tensor: a leaf whose value is an input.
  bool isOwnArgument() const { return kind == Kind::Argument && slot < 0 && !path; }
};

/// An input beyond the arguments.
struct HiddenSource {
  /// Which handle; -1 for an array made during the trace.
  int handle;
  Array array;
  DType dtype;
  Shape shape;
  bool requiresGrad;
};

/// A handle, or its gradient, that a call changes.
struct Effect {
  int handle;
  bool gradient;
  /// -1: the gradient is removed.
  int output;
  /// The handle takes a slot of its own for the new value.
  bool replaces = false;
  /// The result that the gradient is; -1 if it is none.
  int result = -1;
};

/// An entry of a dict that a call sets: of the dict that the guards find, to a result.
struct StoreEffect {
  int dict;
  PyRef key;
  unsigned result;
};

/// What a tensor of the result is. Behind those of the result come the tensors that several of them
/// look into, and those that the function left in objects, and that are not returned themselves.
struct ResultSource {
  enum class Kind : uint8_t {
    /// A tensor of its own.
    Fresh,
    /// The same as result `index`.
    Same,
    /// Handle `index`.
    Handle,
    /// A view of handle `index`, or of result `index`.
    ViewOfHandle,
    ViewOfResult,
  } kind = Kind::Fresh;
  int index = 0;
  /// Of a view: the way from what it looks into.
  ViewPath path = {};
  bool detached = false;
  /// A leaf that the function made: it requires gradients, and has no history.
  bool isLeaf = false;
  unsigned output = 0;
  /// Of a tensor of the user's class: this class, and its attributes. Null for others.
  PyRef type = {}, attributes = {};
  /// The tensor of the trace that the function left somewhere: it becomes the result.
  PyRef left = {};
};

/// How far gradients of an output reach: nowhere; through the call; or they were computed in the
/// function, by a backward() that gave up what it needed.
enum class History : uint8_t { None, Recorded, Released };

/// One trace of a function, compiled.
struct Specialization {
  std::vector<PyRef> statics;
  /// Python scalars whose value the trace depends on: leaf number and value.
  std::vector<std::pair<unsigned, PyRef>> scalars;
  /// What else has to hold of the scalars.
  NumberTrace numbers;
  GuardSet guards;
  std::vector<HandleSource> handles;
  std::vector<HiddenSource> hidden;
  std::vector<Effect> effects;
  std::vector<StoreEffect> stores;
  bool changesState() const { return !effects.empty() || !stores.empty(); }
  /// Handles that get another value and keep their slots, and the inputs that have the old ones:
  /// the new ones may be written over these.
  std::vector<std::pair<int, unsigned>> overwritten;
  /// Handles whose gradient has to be there (or not) at the start.
  std::vector<std::pair<int, bool>> gradientPresence;
  /// Handles that must have no gradient hooks: gradients of them were computed without.
  std::vector<int> withoutHooks;
  /// What the function returned; in the place of each tensor one whose `value.id` is the number of
  /// its source.
  PyRef resultTemplate;
  std::vector<ResultSource> results;
  std::vector<History> outputHistories;
  bool recordsGradients = false;
  /// As traced, for lower() and for gradients of calls. Null if there are cuts and no gradients.
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> module;
  uint64_t functionSerial = nextFunctionSerial();
  /// Set once.
  std::shared_ptr<const Executable> executable;
  /// The interpreter's lock is given up while it runs.
  bool releasesInterpreter = false;
  /// Where all tensors are that it reads, and where it runs; null for the host.
  Device *device = nullptr;

  /// Where the function asked for values, with the answers that lead to this trace; then what is
  /// computed behind the last one, and the types of the inputs of all pieces.
  std::vector<TakenCut> cuts;
  std::vector<Cycle> cycles;
  Piece last;
  std::vector<TensorSignature> inputs;
  /// The table that has it, for others with the same beginning.
  std::weak_ptr<std::vector<std::shared_ptr<Specialization>>> table;
  uint64_t runs = 0;
};

/// The arguments of a former call, and what it ran.
struct KnownCall {
  ArgumentPattern pattern;
  /// The table of traces has it.
  std::weak_ptr<Specialization> specialization;
};

/// Calls own the one that they run.
using Specializations = std::vector<std::shared_ptr<Specialization>>;

struct JitState {
  PyRef function;
  std::vector<Py_ssize_t> staticNumbers;
  std::vector<PyRef> staticNames;
  struct Hash {
    size_t operator()(const Key &key) const { return hashKey(key); }
  };
  std::unordered_map<Key, std::shared_ptr<Specializations>, Hash> specializations;
  /// The last calls that were not known, from the oldest on.
  std::vector<KnownCall> known;
  /// What the next trace reads is mostly what this one did.
  std::weak_ptr<Specialization> lastTraced;
  uint64_t calls = 0, traces = 0;
  double traceSeconds = 0, compileSeconds = 0;
  /// What the compiler counted while it worked for this function.
  Statistics compiler;
  std::vector<std::string> retraceReasons;
  /// What traces read that no call can compare.
  std::vector<std::string> notWatched;
  /// Such a read is an error.
  bool strict = false;
  /// What depends on tensors from outside alone is computed when their storages are first seen.
  bool prepare = true;
  /// What operands of float32 products are rounded to: "bf16", or empty.
  std::string matmulPrecision;
  /// A trace left tensors in objects.
  bool leavesTensors = false;
  /// A trace with cuts changes state: whether a call does is known at its end.
  bool cutsChangeState = false;
  /// The cuts of all traces.
  size_t pieces = 0;
  /// Calls that ran the function as it is, and why.
  uint64_t uncompiledCalls = 0;
  std::vector<std::string> uncompiledReasons;
};

/// True if the argument (the name is null for positional ones) is compared by value.
bool isStaticArgument(const JitState &state, size_t number, PyObject *name);

/// Takes the arguments of a call apart. Throws.
void flattenCall(const JitState &state, PyObject *const *arguments, size_t count,
                 PyObject *keywordNames, FlatArguments &flat);

/// How views among the arguments are traced: each as a value of its own, whatever it looks into; or
/// as views of their roots, which other arguments or tensors from outside look into as well.
enum class ArgumentViews : uint8_t { Values, Tied };

/// What becomes of results that are handles from outside, or views of them: the same in the results
/// of calls; values of their own where the program stands alone.
enum class ResultViews : uint8_t { Kept, Copied };

/// What is needed to answer questions while a function is traced.
struct Questions {
  /// The traces that this one has its first pieces in common with, where they are alike.
  std::shared_ptr<const Specializations> siblings;
  /// How often the call has printed.
  size_t *printed;
};

/// Runs the function on tracers. Throws what the function throws; no handle changes. Without
/// `questions` it may not ask for values.
std::shared_ptr<Specialization> traceFunction(JitState &state, const FlatArguments &flat,
                                              PyObject *const *arguments, size_t count,
                                              PyObject *keywordNames, ArgumentViews argumentViews,
                                              ResultViews resultViews, const Questions *questions);

} // namespace weft
