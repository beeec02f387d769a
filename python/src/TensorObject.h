// What a weft.Tensor consists of: a handle on an immutable value, its history, and for a view what
// it looks into. Reading and changing handles is for state/Handle.h, applying ops for Apply.h.
#pragma once

#include "lib/Trace/Array.h"
#include "lib/Trace/Graph.h"
#include "lib/Trace/Tape.h"
#include "lib/Trace/ViewPath.h"
#include "python/src/PyRef.h"

#include "llvm/ADT/DenseSet.h"

#include <memory>
#include <optional>
#include <utility>

namespace weft {

class TraceScope;
struct TensorObject;

/// The leaf of a tape that a tensor is: it carries the tensor's gradient.
class GradientSlot : public Leaf {
public:
  /// The tensor `.grad`, or null.
  PyRef gradient;
};

/// What a tensor stands for: an array, or a value of a trace.
struct TensorValue {
  /// Null for a tracer.
  StorageRef storage;
  DType dtype = DType::Float32;
  /// A Python scalar, or computed from such alone.
  bool weak = false;
  Shape shape;
  /// For tracers.
  std::shared_ptr<TraceScope> scope;
  ValueId id = 0;

  bool isTracer() const { return scope != nullptr; }
  Array array() const { return {storage, dtype, shape}; }
  /// Becomes an array.
  void set(StorageRef memory, DType type, llvm::ArrayRef<int64_t> sizes) {
    storage = std::move(memory);
    dtype = type;
    weak = false;
    shape.assign(sizes.begin(), sizes.end());
    scope.reset();
    id = 0;
  }
  static TensorValue of(Array array) {
    TensorValue value;
    value.storage = std::move(array.storage);
    value.dtype = array.dtype;
    value.shape = std::move(array.shape);
    return value;
  }
};

/// The slot that views look into.
struct Root {
  /// The handle whose value it is. Views keep it alive.
  TensorObject *handle = nullptr;
  /// Set once the handle took a slot of its own (`p.data = t`): what is left for the views.
  PyRef remnant;
  /// Grows with each new value.
  uint64_t generation = 0;
  /// Of what stands in a trace for a view whose elements do not lie densely: how they lie.
  std::optional<Shape> strides = {};

  /// The handle that has the slot's value now.
  TensorObject *holder() const;
};

/// What a view looks into, and how. Written through, the root gets a new value; read after the root
/// changed, the steps are taken again.
struct Lens {
  std::shared_ptr<Root> root;
  /// Keeps the root's handle alive.
  PyRef owner;
  ViewPath path;
  /// The root's generation when the view's own value was computed.
  uint64_t seen = 0;
  /// Made while gradients were recorded: reads are.
  bool tracked = false;
  /// `.data` and `.detach()`: reads and writes have no history.
  bool detached = false;
};

/// Handles remember which call met them last, and under which number: comparing all handles of a
/// call with each other takes one look at each. There are fewer than 2^24 handles in a call.
inline uint64_t makeMark(uint64_t call, uint64_t number) { return call << 24 | number; }
inline uint64_t callOfMark(uint64_t mark) { return mark >> 24; }
inline uint64_t numberOfMark(uint64_t mark) { return mark & 0xffffff; }

struct TensorObject {
  PyObject_HEAD PyObject *weakReferences;
  TensorValue value;
  bool requiresGrad;
  /// A tracer that was computed from tensors that require gradients: no leaf.
  bool derived;
  /// The number of the trace that made the handle; 0 for none.
  uint64_t birth;
  /// Where the value was recorded, if it was.
  std::shared_ptr<TapeNode> node;
  uint32_t nodeResult;
  /// Made on demand.
  std::shared_ptr<GradientSlot> slot;
  /// What views of this handle look into, once there is one.
  std::shared_ptr<Root> root;
  /// Of a view: what it looks into, and how.
  std::unique_ptr<Lens> lens;
  /// See makeMark.
  uint64_t mark;

  GradientSlot &gradientSlot() {
    if (!slot)
      slot = std::make_shared<GradientSlot>();
    return *slot;
  }
  bool isLeaf() const { return !node && !derived; }
  /// True if gradients of what is computed from it may be asked for.
  bool isTracked() const { return requiresGrad || node; }
  /// Where gradients of this tensor go.
  Origin origin() {
    if (node)
      return {node, nodeResult, nullptr};
    if (!requiresGrad)
      return {};
    gradientSlot();
    return {nullptr, 0, slot};
  }
};

/// The type object; set by `registerTensorType`.
extern PyTypeObject *tensorClass;

inline bool isTensor(PyObject *object) {
  return Py_TYPE(object) == tensorClass || PyType_IsSubtype(Py_TYPE(object), tensorClass);
}
inline TensorObject *asTensor(PyObject *object) { return reinterpret_cast<TensorObject *>(object); }
inline PyObject *asObject(TensorObject *tensor) { return reinterpret_cast<PyObject *>(tensor); }
inline PyRef referenceTo(TensorObject *tensor) { return PyRef::borrow(asObject(tensor)); }

/// For types: a tensor without a value; null on error.
TensorObject *allocateTensor(PyTypeObject *type);
void deallocateTensor(PyObject *self);

/// A new tensor of the base type.
PyObject *newTensor(TensorValue value);

/// A new tensor of a class, which has the dict `attributes` if there is one. Throws PythonError.
PyRef newTensorOf(PyTypeObject *type, TensorValue value, PyObject *attributes);

/// What makes handles that end with it: a trace. Handles remember its number.
class HandleMaker {
public:
  HandleMaker();
  ~HandleMaker();
  HandleMaker(const HandleMaker &) = delete;
  HandleMaker &operator=(const HandleMaker &) = delete;

  /// Tells this one from all others; never used again.
  const uint64_t number;

  /// True for a handle that was made elsewhere, or before.
  bool isOlder(TensorObject *tensor) const { return tensor->birth != number; }

protected:
  /// The handles that are still there.
  llvm::DenseSet<TensorObject *> made;

private:
  friend TensorObject *allocateTensor(PyTypeObject *type);
  friend void deallocateTensor(PyObject *self);
};

/// What handles are made by on this thread now, or null.
extern thread_local HandleMaker *currentMaker;

/// The state of weft.random's global generator, of which there is a tensor on each device: this one
/// is the host's. A trace reads and changes it, whatever device it turns out to be for, and calls
/// use that of their device.
extern PyObject *generatorState;
inline bool isGeneratorState(TensorObject *tensor) { return asObject(tensor) == generatorState; }
/// The same of the token of what processes compute together (weft.distributed).
extern PyObject *communicationToken;
inline bool isOfEachDevice(TensorObject *tensor) {
  return isGeneratorState(tensor) || asObject(tensor) == communicationToken;
}

/// True while ops are recorded for gradients.
extern thread_local bool gradientsEnabled;

/// The dtype in which this thread computes what is made of products (Autocast::Low): that of the
/// innermost autocast around it, nothing without one.
extern thread_local std::optional<DType> autocastDType;

/// What calls of compiled functions depend on beside their arguments: a word of their keys.
inline int64_t modeOfThread() {
  int64_t cast = autocastDType ? static_cast<int64_t>(*autocastDType) + 1 : 0;
  return cast << 1 | gradientsEnabled;
}

/// Records gradients, or does not, while it lives.
class GradientMode {
public:
  explicit GradientMode(bool enabled) : former(std::exchange(gradientsEnabled, enabled)) {}
  ~GradientMode() { gradientsEnabled = former; }
  GradientMode(const GradientMode &) = delete;
  GradientMode &operator=(const GradientMode &) = delete;

private:
  bool former;
};

} // namespace weft
