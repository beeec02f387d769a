// The Python type weft.Tensor: a handle on an immutable value.
#pragma once

#include "lib/Trace/Array.h"
#include "lib/Trace/Graph.h"
#include "lib/Trace/Tape.h"
#include "python/src/PyRef.h"
#include "python/src/state/Lens.h"

#include <memory>

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
  static TensorValue of(Array array) {
    TensorValue value;
    value.storage = std::move(array.storage);
    value.dtype = array.dtype;
    value.shape = std::move(array.shape);
    return value;
  }
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

/// For types: a tensor without a value; null on error.
TensorObject *allocateTensor(PyTypeObject *type);
void deallocateTensor(PyObject *self);

/// A new tensor of the base type.
PyObject *newTensor(TensorValue value);

/// The handle to read or change instead of `tensor` now: in a trace, for an older handle, that of
/// the trace, if it has one; a view is read anew if its slot has changed. Throws.
TensorObject *current(TensorObject *tensor);

/// The same, but in a trace each older handle gets one of the trace. Throws.
TensorObject *owned(TensorObject *tensor);

/// Lets `target` stand for what `source` stands for, history included: through the lens of a view,
/// and for a handle older than the trace in progress on the trace's own. Throws.
void adopt(TensorObject *target, TensorObject *source);

/// The same for the value alone: the history stays what it is.
void setValue(TensorObject *target, TensorObject *source);

/// Throws if `target` may not be changed in place: a leaf that requires a gradient while they are
/// recorded, a view of one, or an expanded view.
void checkInPlace(TensorObject *target, const char *action);

/// A handle of its own on the value, history included. Throws.
PyRef clone(TensorObject *tensor);

/// The tensor `.grad`, or null. Noted by the trace in progress.
PyObject *gradientOf(TensorObject *tensor);

/// Sets `.grad`; null removes it. Recorded by the trace in progress.
void setGradient(TensorObject *tensor, PyRef gradient);

/// Adds `gradient` to what the tensor has in `.grad`. Throws.
void accumulateGradient(TensorObject *tensor, PyRef gradient);

/// Throws (TracerLeakError, ConcretizationError) unless the tensor has a value that can be read
/// now; `action` says what for: "int()".
void requireConcrete(TensorObject *tensor, const char *action);

/// The state of weft.random's global generator, of which there is a tensor on each device: this one
/// is the host's. A trace reads and changes it, whatever device it turns out to be for, and calls
/// use that of their device.
extern PyObject *generatorState;
inline bool isGeneratorState(TensorObject *tensor) {
  return reinterpret_cast<PyObject *>(tensor) == generatorState;
}

/// True while ops are recorded for gradients.
extern thread_local bool gradientsEnabled;

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

/// Makes the type and adds it to the module; -1 on error.
int registerTensorType(PyObject *module);

/// The slots of NumberSlots.cpp, ended by a zero slot.
extern PyType_Slot numberSlots[];
/// "__float__" and so on: the element of a tensor of one element. Throws for tracers.
PyRef elementOf(TensorObject *tensor, const char *action);

} // namespace weft
