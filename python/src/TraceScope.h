// One trace: the run of a user's function on tracers.
#pragma once

#include "lib/Trace/Graph.h"
#include "python/src/SourceLine.h"
#include "python/src/TensorObject.h"
#include "python/src/state/NumberTrace.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace weft {

/// A tensor from outside that the traced function reads or rebinds.
struct HiddenInput {
  /// The handle, or null for an array that was made during the trace.
  PyRef handle;
  Array array;
};

/// A handle from outside, and the handle that stands for it in the trace. The function changes
/// that one; what became of it is known at the end, and published by calls.
struct SharedHandle {
  PyRef handle;
  PyRef stand;
  /// The value of `stand` at the start.
  ValueId initial = 0;
  /// The leaf of the arguments that it is; -1 for one from elsewhere.
  int leaf = -1;
  /// What the function did with `.grad`: looked whether there is one (and there was), and set it.
  bool gradientRead = false, gradientPresent = false, gradientSet = false;
  /// The trace computed the gradient of it as a leaf, which had no hooks.
  bool hasNoHooks = false;
  /// `.data` was assigned: the handle leaves its slot to its views.
  bool replaced = false;
  /// An argument that the function also reached in another way.
  bool reachedElsewhere = false;
};

/// The gradient that a backward() in the trace finds for a leaf.
struct LeafGradientValue {
  PyRef leaf;
  ValueId gradient;
};

/// An entry of a dict from outside that the function replaces.
struct Store {
  PyRef dict, key;
  PyRef former, value;
};

/// A region of control flow that is being traced (python/src/ControlFlow.cpp).
struct TracedRegion {
  /// The handles of the trace that were there before, with their values.
  std::vector<std::pair<PyRef, ValueId>> handles;
  size_t sharedBefore = 0;
  /// Values with gradients that it reads.
  std::vector<ValueId> tracked = {};
};

/// Gives Python the values that it asks for while a function is traced.
class Answers {
public:
  virtual ~Answers() = default;
  /// The elements, in the memory of the host; `action` says what for: "int()". Throws.
  virtual Array ask(ValueId id, const char *action) = 0;
  /// Lets calls print `text`, of weft._printing, with the values in it. Throws.
  virtual void print(PyObject *text, llvm::ArrayRef<ValueId> ids) = 0;
};

/// A trace in progress: its graph, and what it has met from outside.
class TraceScope : public HandleMaker, public std::enable_shared_from_this<TraceScope> {
public:
  Graph graph;
  /// False once the function returned: the graph is gone, tracers are dead.
  bool active = true;
  /// That of the function that is traced (JitState).
  std::string matmulPrecision;
  /// Null where no values are given: what is traced is one piece.
  Answers *answers = nullptr;
  /// A tracer for a new argument of the trace.
  TensorValue addArgument(DType dtype, llvm::ArrayRef<int64_t> shape, bool weak);
  /// Makes `id` known as the tracer of scalar argument `scalar`.
  void addScalar(ValueId id, PyRef value);
  /// Lets `stand` stand for an argument.
  void addSharedArgument(TensorObject *handle, PyRef stand, int leaf);
  /// Says that an input was computed outside with gradients: none flow back beyond the call.
  void noteComputedOutside(ValueId id) { computedOutside.push_back(id); }
  /// A handle that looks into what stands for the root of an older view, as that does. Throws.
  PyRef standForView(TensorObject *older);

  /// The Python value of a tracer that was computed from scalar arguments alone, on whose values
  /// the trace then depends; null if it is none.
  PyRef specialize(ValueId id);
  /// The same, without the trace depending on it.
  PyObject *scalarValue(ValueId id) const;
  /// Makes the Python value of `id` known, which `step` has computed of what `left` and `right`
  /// are: tensors with known values, or numbers.
  void noteScalar(ValueId id, PyRef value, NumberStep step, PyObject *left, PyObject *right);

  /// Makes the trace depend on `id`, a Python integer, fitting into `dtype`, into which it does.
  void requireFit(ValueId id, DType dtype);

  /// Where the trace is: where the tensors are that it has met so far; null for the host, and if
  /// there were none. Whether they are all in one place is checked at the end.
  Device *device() const { return place.value_or(nullptr); }
  /// Called for each tensor that the trace meets.
  void meet(TensorObject *tensor);

  /// True for a handle that stands for one from outside.
  bool isShared(TensorObject *tensor) const { return stands.contains(tensor); }
  /// The handle from outside that `tensor` stands for; null if there is none.
  TensorObject *outsideOf(TensorObject *tensor) const;
  /// The handle that stands for an older one, made if need be; the same handle for others. One that
  /// stands for a view has yet to be read.
  TensorObject *own(TensorObject *tensor);
  /// The same, but an older handle that the trace has not met stays what it is.
  TensorObject *known(TensorObject *tensor);

  /// The value in the graph of a handle of the trace that is up to date.
  ValueId read(TensorObject *tensor);

  /// A tracer for a value of the graph.
  TensorValue tracer(ValueId id);

  /// The current line as a location, remembered for the value's messages.
  mlir::Location location();
  SourceLine lineOf(ValueId id) const;
  void rememberLine(ValueId id);

  /// The handle of the trace whose `.grad` is meant when that of `tensor` is read or set.
  TensorObject *gradientIsRead(TensorObject *tensor);
  TensorObject *gradientChanges(TensorObject *tensor);
  /// The handle of the trace that takes a slot of its own instead of `tensor`.
  TensorObject *replaces(TensorObject *tensor);

  /// The value to use of an operand while gradients are off: cut off from its history.
  ValueId detached(ValueId id, mlir::Location location);

  /// Says what a value with gradients was computed from.
  void noteHistory(ValueId result, llvm::ArrayRef<ValueId> operands);
  /// What values with gradients were computed from beside `inputs`: values from before these, and
  /// leaves. Takes time in the number of values since the first of `inputs`.
  llvm::SmallVector<ValueId> historyBefore(llvm::ArrayRef<ValueId> values,
                                           llvm::ArrayRef<ValueId> inputs) const;

  /// Builds gradients of `output`, times `seed`, for the leaves that it depends on. Unless `retain`
  /// is set its history is used up. Throws.
  std::vector<LeafGradientValue> gradients(ValueId output, ValueId seed, bool retain);
  /// Builds gradients of the outputs, times the seeds, for these values of the trace, or for all
  /// that the leaf of one has had; none where there is none. Throws in a region.
  llvm::SmallVector<std::optional<ValueId>> gradients(llvm::ArrayRef<ValueId> outputs,
                                                      llvm::ArrayRef<ValueId> seeds,
                                                      llvm::ArrayRef<ValueId> targets, bool retain);

  /// True if gradients of `id` need what a backward() in the trace has given up.
  bool isUsedUp(ValueId id) const;
  /// Throws if gradients of `id`, asked for after the call, would have to reach a leaf at a value
  /// that only the trace has: one from outside, or one for which `isKept` is true.
  void checkReach(ValueId id, llvm::function_ref<bool(TensorObject *)> isKept) const;

  /// The handles of the trace that are still there.
  const llvm::DenseSet<TensorObject *> &handles() const { return made; }

  /// The elements of a value as calls will have them, in the memory of the host. Throws.
  Array valueOf(ValueId id, const char *action);
  /// Whether `valueOf` would give them.
  bool givesValueOf(ValueId id) const;
  /// Says that the value of `id` is not known (ConcretizationError). Throws.
  [[noreturn]] void refuseValue(ValueId id, const char *action) const;

  /// The tensors of the trace that are still there once the trace lets go of them, but for those
  /// that stand for handles from outside and are kept by nobody; in the order of their values.
  std::vector<PyRef> letGo();

  /// Sets an entry of a dict, which calls repeat. Throws.
  void store(PyObject *dict, PyObject *key, PyObject *value);
  /// Puts the former entries back, as if nothing had been stored.
  void undoStores();

  /// Begins and leaves a region of control flow. What a body writes to a tensor from outside has no
  /// value behind it: `checkWrites` throws at one, with the line; `name` is the function of the
  /// user.
  void beginRegion();
  TracedRegion leaveRegion();
  void checkWrites(const char *name) const;
  /// The state of the random generator before and behind what the innermost region draws.
  std::optional<std::pair<ValueId, ValueId>> drawsOfRegion() const;
  bool isInRegion() const { return !regions.empty(); }
  /// Throws in a region; `what` is what it can't do.
  void requireNoRegion(const char *what) const;

  /// Ends the trace; the graph must have been finished.
  void close();

  /// The handle whose gradient an older tensor was when the trace read it, and a view that looks
  /// into an older handle; null if there is none.
  TensorObject *gradientOwner(TensorObject *tensor) const;
  TensorObject *viewOf(TensorObject *root) const;

  std::vector<HiddenInput> hidden;
  std::vector<SharedHandle> shared;
  std::vector<Store> stores;
  /// Which of the scalar arguments the trace depends on.
  std::vector<PyRef> scalars;
  std::vector<bool> specialized;
  NumberTrace numbers;

private:
  struct ScalarValue {
    PyRef value;
    /// The scalar arguments that it was computed from.
    llvm::SmallVector<unsigned, 2> sources;
    /// In `numbers`.
    int place = 0;
  };
  struct TracedLeaf {
    PyRef handle;
    ValueId id;
  };

  bool isGenerator(TensorObject *tensor) const;
  const ScalarValue *scalarOf(PyObject *object) const;
  SharedHandle &sharedOf(TensorObject *stand) { return shared[stands.at(stand)]; }
  void share(TensorObject *handle, PyRef stand, int leaf);
  ValueId leafValue(TensorObject *tensor, ValueId id);
  /// Called for each leaf that the trace has computed the gradient of. Throws if it has hooks.
  void requireNoHooks(TensorObject *leaf);
  /// Says that what was recorded for gradients of `id` was given up.
  void useUp(ValueId id);
  /// Whether `found` is true for `id`, or for one that it was computed from.
  bool anyInHistory(ValueId id, llvm::function_ref<bool(ValueId)> found) const;

  std::vector<TracedRegion> regions;
  std::optional<Device *> place;
  /// By the older handle; by the one that stands for it.
  std::unordered_map<TensorObject *, TensorObject *> standOf;
  std::unordered_map<TensorObject *, size_t> stands;
  /// Arrays that were made in the trace.
  std::unordered_map<TensorObject *, ValueId> constants;
  std::unordered_map<TensorObject *, TensorObject *> gradientOwners, viewsOf;
  std::unordered_map<ValueId, ScalarValue> scalarValues;
  std::unordered_map<ValueId, ValueId> detachedIds;
  std::vector<SourceLine> lines;
  std::vector<PyRef> keptAlive;
  std::vector<TracedLeaf> leaves;
  std::map<std::pair<TensorObject *, ValueId>, size_t> leafNumbers;
  /// What values with gradients were computed from, and for which that was given up.
  std::unordered_map<ValueId, llvm::SmallVector<ValueId, 2>> histories;
  llvm::DenseSet<ValueId> usedUp;
  /// Values that leaves got in the trace, with the leaf.
  llvm::DenseMap<ValueId, TensorObject *> innerLeaves;
  /// Values from outside that were computed there with gradients: no gradient reaches beyond.
  std::vector<ValueId> computedOutside;
};

/// The trace in progress on this thread, or null.
extern thread_local TraceScope *currentScope;

/// Throws (TracerLeakError, ConcretizationError) unless the tensor has a value that can be read
/// now; `action` says what for: "int()".
void requireConcrete(TensorObject *tensor, const char *action);

} // namespace weft
