// Handles: their lives, their values and histories.
#include "python/src/TensorObject.h"

#include "lib/Trace/Placement.h"
#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/TraceScope.h"
#include "python/src/state/StateLock.h"

#include "llvm/ADT/APFloat.h"

#include <cstring>
#include <new>

using namespace weft;

PyTypeObject *weft::tensorClass = nullptr;
PyObject *weft::generatorState = nullptr;
thread_local bool weft::gradientsEnabled = true;

//===----------------------------------------------------------------------===//
// Life
//===----------------------------------------------------------------------===//

TensorObject *weft::allocateTensor(PyTypeObject *type) {
  auto *tensor = reinterpret_cast<TensorObject *>(type->tp_alloc(type, 0));
  if (!tensor)
    return nullptr;
  new (&tensor->value) TensorValue();
  new (&tensor->node) std::shared_ptr<TapeNode>();
  new (&tensor->slot) std::shared_ptr<GradientSlot>();
  new (&tensor->root) std::shared_ptr<Root>();
  new (&tensor->lens) std::unique_ptr<Lens>();
  tensor->birth = currentScope ? currentScope->number : 0;
  if (currentScope)
    currentScope->noteMade(tensor);
  return tensor;
}

PyObject *weft::newTensor(TensorValue value) {
  TensorObject *tensor = allocateTensor(tensorClass);
  if (tensor)
    tensor->value = std::move(value);
  return reinterpret_cast<PyObject *>(tensor);
}

void weft::deallocateTensor(PyObject *self) {
  TensorObject *tensor = asTensor(self);
  PyTypeObject *type = Py_TYPE(self);
  if (tensor->weakReferences)
    PyObject_ClearWeakRefs(self);
  if (tensor->birth)
    TraceScope::noteGone(tensor);
  tensor->value.~TensorValue();
  tensor->node.~shared_ptr<TapeNode>();
  tensor->slot.~shared_ptr<GradientSlot>();
  tensor->root.~shared_ptr<Root>();
  tensor->lens.~unique_ptr<Lens>();
  type->tp_free(self);
  Py_DECREF(type);
}

//===----------------------------------------------------------------------===//
// Rebinding
//===----------------------------------------------------------------------===//

/// The value to hand to another handle: in a trace a tracer, without history while none is
/// recorded.
static TensorValue valueOf(TensorObject *source) {
  source = owned(source);
  if (!currentScope)
    return source->value;
  ValueId id = currentScope->read(source);
  if (!gradientsEnabled && (source->requiresGrad || source->node))
    id = currentScope->detached(id, currentScope->location());
  return currentScope->tracer(id);
}

TensorObject *weft::current(TensorObject *tensor) {
  if (currentScope)
    tensor = currentScope->known(tensor);
  // What an older one has of values is not the trace's.
  if (tensor->lens && !(currentScope && currentScope->isOlder(tensor)))
    refresh(tensor);
  return tensor;
}

TensorObject *weft::owned(TensorObject *tensor) {
  return current(currentScope ? currentScope->own(tensor) : tensor);
}

void weft::setValue(TensorObject *target, TensorObject *source) {
  target->value = valueOf(source);
  changed(target);
}

/// No op is needed where there is no history to extend: values never change. Memory that its owner
/// can write is copied by the op.
PyRef weft::clone(TensorObject *tensor) {
  tensor = owned(tensor);
  bool tracked = gradientsEnabled && (tensor->requiresGrad || tensor->node);
  bool isForeign = tensor->value.storage && tensor->value.storage->isForeign();
  if (!currentScope && (tracked || isForeign)) {
    OpCall copy(requireOp("weft.reshape"));
    copy.resultDType = tensor->value.dtype;
    copy.resultShape = tensor->value.shape;
    return apply(copy, {{reinterpret_cast<PyObject *>(tensor)}});
  }
  PyRef result = checked(newTensor(valueOf(tensor)));
  asTensor(result.get())->requiresGrad = asTensor(result.get())->derived = tracked;
  return result;
}

void weft::adopt(TensorObject *target, TensorObject *source) {
  if (currentScope)
    target = currentScope->own(target);
  source = current(source);
  if (target->lens)
    return writeThrough(target, source);
  bool tracked = gradientsEnabled && (source->node || source->requiresGrad);
  PyRef copy;
  if (tracked && source->isLeaf()) {
    copy = clone(source);
    source = asTensor(copy.get());
  }
  // A leaf stays one; what had a history has that of its new value.
  bool isLeaf = target->requiresGrad && target->isLeaf();
  target->value = valueOf(source);
  target->node = tracked ? source->node : nullptr;
  target->nodeResult = source->nodeResult;
  target->derived = tracked && currentScope;
  target->requiresGrad = tracked || isLeaf;
  changed(target);
}

void weft::checkInPlace(TensorObject *target, const char *action) {
  if (currentScope)
    target = currentScope->own(target);
  if (target->lens)
    return checkWrite(target, action);
  checkExpanded(target, action);
  if (gradientsEnabled && target->requiresGrad && target->isLeaf())
    throwError("GradientError", std::string(action) +
                                    " on a leaf tensor that requires a gradient: use "
                                    "`with weft.no_grad():`, or detach it");
}

void weft::setGradient(TensorObject *tensor, PyRef gradient) {
  if (currentScope)
    tensor = currentScope->gradientChanges(tensor);
  tensor->gradientSlot().gradient = std::move(gradient);
}

PyObject *weft::gradientOf(TensorObject *tensor) {
  if (currentScope)
    tensor = currentScope->gradientIsRead(tensor);
  return tensor->slot ? tensor->slot->gradient.get() : nullptr;
}

/// In place, as in PyTorch: who has the former gradient sees the sum.
void weft::accumulateGradient(TensorObject *tensor, PyRef gradient) {
  PyObject *former = gradientOf(tensor);
  if (!former)
    return setGradient(tensor, std::move(gradient));
  static const OpCall &add = *new OpCall(requireOp("weft.add"));
  GradientMode mode(false);
  PyRef kept = PyRef::borrow(former);
  PyRef sum = apply(add, {{former, gradient.get()}});
  adopt(asTensor(former), asTensor(sum.get()));
}

//===----------------------------------------------------------------------===//
// Reading values
//===----------------------------------------------------------------------===//

void weft::requireConcrete(TensorObject *tensor, const char *action) {
  const TensorValue &value = tensor->value;
  if (!value.isTracer()) {
    // Another call may begin as soon as one is done.
    while (!value.storage)
      if (!waitForStateChanges())
        throwError("WeftError", "the tensor is being updated by the call that was interrupted");
    return;
  }
  std::string made = value.scope->lineOf(value.id).text();
  if (!value.scope->active || value.scope.get() != currentScope)
    throwError("TracerLeakError",
               "this tensor was made at " + made +
                   " while a function was traced, and has no value outside of that trace; return "
                   "it from the function, or assign it to a tensor that exists before the call");
  throwError("ConcretizationError",
             std::string(action) + " needs the value of a tensor (made at " + made +
                 ") that is only known when the compiled function runs. Use weft.where(condition, "
                 "a, b) for a choice, move the statement out of the function, or mark the argument "
                 "as static");
}

static double readFloat(const void *place, DType dtype) {
  uint16_t bits;
  switch (dtype) {
  case DType::Float64: {
    double value;
    std::memcpy(&value, place, sizeof(value));
    return value;
  }
  case DType::Float32: {
    float value;
    std::memcpy(&value, place, sizeof(value));
    return value;
  }
  default:
    std::memcpy(&bits, place, sizeof(bits));
    const llvm::fltSemantics &semantics =
        dtype == DType::BFloat16 ? llvm::APFloat::BFloat() : llvm::APFloat::IEEEhalf();
    return llvm::APFloat(semantics, llvm::APInt(16, bits)).convertToDouble();
  }
}

template <typename T> static long long readInteger(const void *place) {
  T value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

static PyObject *readElement(const void *place, DType dtype) {
  if (isFloating(dtype))
    return PyFloat_FromDouble(readFloat(place, dtype));
  switch (dtype) {
  case DType::Bool:
    return PyBool_FromLong(*static_cast<const uint8_t *>(place));
  case DType::Int8:
    return PyLong_FromLongLong(readInteger<int8_t>(place));
  case DType::UInt8:
    return PyLong_FromLongLong(readInteger<uint8_t>(place));
  case DType::Int16:
    return PyLong_FromLongLong(readInteger<int16_t>(place));
  case DType::Int32:
    return PyLong_FromLongLong(readInteger<int32_t>(place));
  default:
    return PyLong_FromLongLong(readInteger<int64_t>(place));
  }
}

PyRef weft::elementOf(TensorObject *tensor, const char *action) {
  tensor = current(tensor);
  const TensorValue &value = tensor->value;
  if (value.isTracer() && value.scope.get() == currentScope)
    if (PyRef scalar = currentScope->specialize(value.id))
      return scalar;
  requireConcrete(tensor, action);
  if (currentScope && currentScope->isOlder(tensor))
    throwError("ConcretizationError",
               std::string(action) +
                   " would freeze the present value of a tensor from outside into the compiled "
                   "function: keep it a tensor, or read it before the call");
  if (elementCount(value.shape) != 1)
    throwError("ShapeError", std::string(action) + " needs a tensor of one element, not of shape " +
                                 shapeTuple(value.shape) + "; reduce it by any(), all() or sum()");
  return checked(readElement(copyTo(nullptr, value.storage)->data(), value.dtype));
}
