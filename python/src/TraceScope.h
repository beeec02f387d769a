// One trace: the run of a user's function on tracers.
#pragma once

#include "lib/Trace/Graph.h"
#include "python/src/SourceLine.h"
#include "python/src/TensorObject.h"

#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weft {

/// A tensor from outside that the traced function reads or rebinds.
struct HiddenInput {
  /// The handle, or null for an array that was made during the trace.
  PyRef handle;
  /// The input is the handle's gradient.
  bool gradient = false;
  Array array;
};

/// A Python scalar among the arguments, whose value the trace may ask for.
struct ScalarInput {
  PyRef value;
  /// The trace depends on the value.
  bool specialized = false;
};

/// A trace in progress: its graph, the arguments and hidden inputs found so far, and what to undo.
class TraceScope : public std::enable_shared_from_this<TraceScope> {
public:
  TraceScope();

  Graph graph;
  /// False once the function returned: the graph is gone, tracers are dead.
  bool active = true;
  /// backward() was called in the trace.
  bool differentiated = false;
  /// Handles with a smaller number existed before the trace.
  uint64_t firstSerial;

  /// A tracer for a new argument of the trace.
  TensorValue addArgument(DType dtype, llvm::ArrayRef<int64_t> shape, bool weak);
  /// Makes `id` known as the tracer of scalar argument `scalar`.
  void addScalar(ValueId id, PyRef value);
  /// The Python value of a tracer that is a scalar argument, which the trace then depends on; null
  /// if it is none.
  PyRef specialize(ValueId id);

  /// Where the trace is: where the tensors are that it has met so far; null for the host, and if
  /// there were none. Whether they are all in one place is checked at the end.
  Device *device() const { return place.value_or(nullptr); }
  /// Called for each tensor that the trace meets.
  void meet(TensorObject *tensor);

  /// The value in the graph that the tensor has now.
  ValueId read(TensorObject *tensor);

  /// A tracer for a value of the graph.
  TensorValue tracer(ValueId id);

  /// The current line as a location, remembered for the value's messages.
  mlir::Location location();
  SourceLine lineOf(ValueId id) const;
  void rememberLine(ValueId id);

  /// Called before a handle or its gradient changes, and when a gradient is asked for.
  void willRebind(TensorObject *tensor);
  void willSetGradient(TensorObject *tensor);
  void didReadGradient(TensorObject *tensor);

  /// The value to use of an operand while gradients are off: cut off from its history.
  ValueId detached(ValueId id, mlir::Location location);

  /// Leaves that need a gradient, with their values.
  void noteLeaf(TensorObject *tensor, ValueId id);

  /// Builds gradients of `root` and accumulates them in the leaves' `.grad`.
  void backward(TensorObject *root, PyObject *cotangent);

  /// Puts all handles back to what they were before the trace.
  void undo();
  /// Ends the trace; the graph must have been finished.
  void close();

  struct SavedValue {
    PyRef handle;
    TensorValue value;
    std::shared_ptr<TapeNode> node;
    uint32_t nodeResult;
    bool requiresGrad, derived;
  };
  struct SavedGradient {
    PyRef handle;
    PyRef before;
  };
  std::vector<HiddenInput> hidden;
  std::vector<ScalarInput> scalars;
  /// Handles older than the trace that were rebound, with their former values.
  std::vector<SavedValue> rebound;
  std::vector<SavedGradient> gradientsSet;
  /// Older handles whose gradient was read before it was set, and whether there was one.
  std::vector<std::pair<PyRef, bool>> gradientsRead;

private:
  std::optional<Device *> place;
  std::unordered_map<TensorObject *, ValueId> hiddenIds;
  std::unordered_set<TensorObject *> reboundHandles, gradientHandles;
  /// The handle whose gradient a tensor is.
  std::unordered_map<TensorObject *, TensorObject *> gradientOwners;
  std::unordered_map<ValueId, unsigned> scalarIds;
  std::unordered_map<ValueId, ValueId> detachedIds;
  std::vector<SourceLine> lines;
  std::vector<PyRef> keptAlive;
  struct TracedLeaf {
    PyRef handle;
    ValueId id;
  };
  std::vector<TracedLeaf> leaves;
};

/// The trace in progress on this thread, or null.
extern thread_local TraceScope *currentScope;

} // namespace weft
