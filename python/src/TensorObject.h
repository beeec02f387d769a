// The Python type weft.Tensor: a handle on an immutable value.
#pragma once

#include "lib/Trace/Array.h"
#include "lib/Trace/Graph.h"
#include "lib/Trace/Tape.h"
#include "python/src/PyRef.h"

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

struct TensorObject {
  PyObject_HEAD PyObject *weakReferences;
  TensorValue value;
  bool requiresGrad;
  /// A tracer that was computed from tensors that require gradients: no leaf.
  bool derived;
  /// Counts tensors in the order of their creation.
  uint64_t serial;
  /// Where the value was recorded, if it was.
  std::shared_ptr<TapeNode> node;
  uint32_t nodeResult;
  /// Made on demand.
  std::shared_ptr<GradientSlot> slot;

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

/// A new tensor of the base type.
PyObject *newTensor(TensorValue value);

/// Lets `target` stand for what `source` stands for, history included. Recorded by the trace in
/// progress, if the handle is older than it.
void adopt(TensorObject *target, TensorObject *source);

/// Throws if gradients are being recorded and `target` is a leaf that requires one.
void checkInPlace(TensorObject *target, const char *action);

/// A new handle on the value, without its history. Throws.
PyRef detach(TensorObject *tensor);

/// The tensor `.grad`, or null. Noted by the trace in progress.
PyObject *gradientOf(TensorObject *tensor);

/// Sets `.grad`; null removes it. Recorded by the trace in progress.
void setGradient(TensorObject *tensor, PyRef gradient);

/// Adds `gradient` to what the tensor has in `.grad`. Throws.
void accumulateGradient(TensorObject *tensor, PyRef gradient);

/// The number that the next tensor gets.
uint64_t nextTensorSerial();

/// Throws (TracerLeakError, ConcretizationError) unless the tensor has a value that can be read
/// now; `action` says what for: "int()".
void requireConcrete(TensorObject *tensor, const char *action);

/// True while ops are recorded for gradients.
extern thread_local bool gradientsEnabled;

/// Makes the type and adds it to the module; -1 on error.
int registerTensorType(PyObject *module);

/// The slots of NumberSlots.cpp, ended by a zero slot.
extern PyType_Slot numberSlots[];
/// "__float__" and so on: the element of a tensor of one element. Throws for tracers.
PyRef elementOf(TensorObject *tensor, const char *action);

} // namespace weft
