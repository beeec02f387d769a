// The type object of weft.Tensor.
#include "python/src/TensorObject.h"

#include "lib/Runtime/Allocator.h"
#include "python/src/Apply.h"
#include "python/src/Backward.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/Interop.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/StateLock.h"

#include "llvm/ADT/APFloat.h"

#include <cstring>
#include <new>

#include <structmember.h>

using namespace weft;

PyTypeObject *weft::tensorClass = nullptr;
thread_local bool weft::gradientsEnabled = true;

//===----------------------------------------------------------------------===//
// Life
//===----------------------------------------------------------------------===//

static TensorObject *allocate(PyTypeObject *type) {
  auto *tensor = reinterpret_cast<TensorObject *>(type->tp_alloc(type, 0));
  if (!tensor)
    return nullptr;
  new (&tensor->value) TensorValue();
  new (&tensor->node) std::shared_ptr<TapeNode>();
  new (&tensor->slot) std::shared_ptr<GradientSlot>();
  new (&tensor->root) std::shared_ptr<Root>();
  new (&tensor->lens) std::unique_ptr<Lens>();
  tensor->birth = currentScope ? currentScope->number : 0;
  return tensor;
}

PyObject *weft::newTensor(TensorValue value) {
  TensorObject *tensor = allocate(tensorClass);
  if (tensor)
    tensor->value = std::move(value);
  return reinterpret_cast<PyObject *>(tensor);
}

static void deallocate(PyObject *self) {
  TensorObject *tensor = asTensor(self);
  PyTypeObject *type = Py_TYPE(self);
  if (tensor->weakReferences)
    PyObject_ClearWeakRefs(self);
  tensor->value.~TensorValue();
  tensor->node.~shared_ptr<TapeNode>();
  tensor->slot.~shared_ptr<GradientSlot>();
  tensor->root.~shared_ptr<Root>();
  tensor->lens.~unique_ptr<Lens>();
  type->tp_free(self);
  Py_DECREF(type);
}

static TensorValue valueOf(TensorObject *source);

static PyObject *construct(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  return guarded([&]() -> PyObject * {
    static const char *names[] = {"data", "dtype", "requires_grad", nullptr};
    PyObject *data, *dtype = Py_None;
    int requiresGrad = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|Op:Tensor", const_cast<char **>(names),
                                     &data, &dtype, &requiresGrad))
      return nullptr;
    PyRef source = toTensor(data);
    if (dtype != Py_None && dtypeFrom(dtype) != asTensor(source.get())->value.dtype) {
      OpCall cast(requireOp("weft.cast"));
      cast.resultDType = dtypeFrom(dtype);
      cast.resultShape = asTensor(source.get())->value.shape;
      source = apply(cast, {{source.get()}});
    }
    PyRef result = checked(reinterpret_cast<PyObject *>(allocate(type)));
    asTensor(result.get())->value = valueOf(asTensor(source.get()));
    asTensor(result.get())->requiresGrad = requiresGrad;
    return result.release();
  });
}

/// Everything was done by `construct`; subclasses may take other arguments.
static int initialize(PyObject *, PyObject *, PyObject *) { return 0; }

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
  if (tensor->lens)
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
  target->value = valueOf(source);
  target->node = tracked ? source->node : nullptr;
  target->nodeResult = source->nodeResult;
  target->derived = tracked && currentScope;
  target->requiresGrad |= tracked;
  changed(target);
}

void weft::checkInPlace(TensorObject *target, const char *action) {
  if (currentScope)
    target = currentScope->own(target);
  if (target->lens)
    checkWrite(target, action);
  else if (gradientsEnabled && target->requiresGrad && target->isLeaf())
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

PyRef weft::tupleOf(const Shape &numbers) {
  PyRef tuple = checked(PyTuple_New(Py_ssize_t(numbers.size())));
  for (size_t i = 0; i < numbers.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), Py_ssize_t(i),
                     isSymbolicSize(numbers[i])
                         ? sizeObject(numbers[i]).release().ptr()
                         : checked(PyLong_FromLongLong(numbers[i])).release());
  return tuple;
}

//===----------------------------------------------------------------------===//
// Reading values
//===----------------------------------------------------------------------===//

void weft::requireConcrete(TensorObject *tensor, const char *action) {
  const TensorValue &value = tensor->value;
  if (!value.isTracer()) {
    if (!value.storage)
      waitForStateChanges();
    if (!value.storage)
      throwError("WeftError", "the tensor is being updated by another call");
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

//===----------------------------------------------------------------------===//
// Attributes and methods
//===----------------------------------------------------------------------===//

/// The tensor whose type and place an attribute tells: for those a view need not be read anew.
static TensorObject *known(PyObject *self) {
  return currentScope ? currentScope->known(asTensor(self)) : asTensor(self);
}

static PyObject *getShape(PyObject *self, void *) {
  return guarded([&] { return tupleOf(known(self)->value.shape).release(); });
}
static PyObject *getDType(PyObject *self, void *) {
  const TensorValue &value = known(self)->value;
  bool weakFloat = value.weak && value.dtype == DType::Float64;
  return Py_NewRef(dtypeObject(weakFloat ? DType::Float32 : value.dtype));
}
static PyObject *getDimensions(PyObject *self, void *) {
  return PyLong_FromSize_t(known(self)->value.shape.size());
}
static PyObject *getDevice(PyObject *self, void *) {
  return guarded([&] {
    const TensorValue &value = known(self)->value;
    if (value.isTracer())
      return deviceObject(value.scope->device()).release();
    return deviceObject(value.storage ? value.storage->device() : nullptr).release();
  });
}
static PyObject *getElementCount(PyObject *self, void *) {
  return guarded(
      [&] { return sizeObject(elementCount(known(self)->value.shape)).release().ptr(); });
}
static PyObject *getRequiresGrad(PyObject *self, void *) {
  return guarded([&] {
    TensorObject *tensor = current(asTensor(self));
    return PyBool_FromLong(tensor->requiresGrad || tensor->node);
  });
}
static PyObject *getIsLeaf(PyObject *self, void *) {
  return guarded([&] { return PyBool_FromLong(current(asTensor(self))->isLeaf()); });
}
static PyObject *getIsContiguous(PyObject *self, void *) {
  return PyBool_FromLong(isContiguous(known(self)));
}
static PyObject *getIsTracer(PyObject *self, void *) {
  return PyBool_FromLong(known(self)->value.isTracer());
}
static PyObject *getIsWeak(PyObject *self, void *) {
  return PyBool_FromLong(asTensor(self)->value.weak);
}
static PyObject *getIsView(PyObject *self, void *) {
  return PyBool_FromLong(known(self)->lens != nullptr);
}
static PyObject *getGradient(PyObject *self, void *) {
  return guarded([&] {
    PyObject *gradient = gradientOf(asTensor(self));
    return Py_NewRef(gradient ? gradient : Py_None);
  });
}

static int setRequiresGrad(PyObject *self, PyObject *value, void *) {
  return guarded(-1, [&] {
    TensorObject *tensor = current(asTensor(self));
    int wanted = value ? PyObject_IsTrue(value) : 0;
    checkStatus(wanted);
    if (currentScope && currentScope->isShared(tensor) && tensor->requiresGrad != bool(wanted))
      throwError("UnsupportedError", "requires_grad of a tensor that is not made in the compiled "
                                     "function can't be changed there; set it before the call");
    if (wanted && !isFloating(tensor->value.dtype))
      throwError("DTypeError", "only tensors of floating dtype can require a gradient, not " +
                                   std::string(dtypeName(tensor->value.dtype)));
    if (!wanted && !tensor->isLeaf())
      throwError("GradientError", "requires_grad can be removed from leaf tensors only; detach()");
    if (wanted && tensor->value.storage) // what gradients are computed for does not change
      tensor->value.storage = ownedCopy(tensor->value.storage);
    tensor->requiresGrad = wanted;
    return 0;
  });
}

static int setGradientAttribute(PyObject *self, PyObject *value, void *) {
  return guarded(-1, [&] {
    TensorObject *tensor = asTensor(self);
    if (!value || value == Py_None) {
      setGradient(tensor, PyRef());
      return 0;
    }
    if (!isTensor(value))
      throwError("DTypeError", "grad has to be a tensor or None");
    requireSameDevice(tensor, asTensor(value), "grad");
    if (asTensor(value)->value.shape != tensor->value.shape)
      throwError("ShapeError", "grad has shape " + shapeTuple(asTensor(value)->value.shape) +
                                   ", but the tensor has shape " + shapeTuple(tensor->value.shape));
    setGradient(tensor, PyRef::borrow(value));
    return 0;
  });
}

static PyGetSetDef attributes[] = {
    {"shape", getShape, nullptr, "The dimensions, a tuple of ints.", nullptr},
    {"dtype", getDType, nullptr, "The element type.", nullptr},
    {"ndim", getDimensions, nullptr, "The number of dimensions.", nullptr},
    {"device", getDevice, nullptr, "Where the tensor is: a weft.device.", nullptr},
    {"_is_contiguous", getIsContiguous, nullptr,
     "True if the elements lie in their root as a dense tensor's do.", nullptr},
    {"_is_view", getIsView, nullptr, "True if the tensor looks into another one.", nullptr},
    {"_size", getElementCount, nullptr, "The number of elements.", nullptr},
    {"requires_grad", getRequiresGrad, setRequiresGrad,
     "True if operations on the tensor are recorded for gradients.", nullptr},
    {"is_leaf", getIsLeaf, nullptr, "True if the tensor was not computed from others.", nullptr},
    {"grad", getGradient, setGradientAttribute, "The gradient accumulated by backward(), or None.",
     nullptr},
    {"_is_weak", getIsWeak, nullptr, "True for a Python scalar in a trace.", nullptr},
    {"_is_tracer", getIsTracer, nullptr, "True while a function is traced.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

static PyObject *item(PyObject *self, PyObject *) {
  return guarded([&] { return elementOf(asTensor(self), "item()").release(); });
}

static PyObject *detachMethod(PyObject *self, PyObject *) {
  return guarded([&] { return detach(asTensor(self)).release(); });
}

static PyObject *assign(PyObject *self, PyObject *argument) {
  return guarded([&] {
    PyRef source = toTensor(argument);
    checkInPlace(asTensor(self), "assign()");
    TensorObject *target = current(asTensor(self));
    requireSameDevice(target, current(asTensor(source.get())), "assign");
    const TensorValue &value = current(asTensor(source.get()))->value;
    if (value.shape != target->value.shape)
      throwError("ShapeError", "assign: the value has shape " + shapeTuple(value.shape) +
                                   ", but the tensor has shape " + shapeTuple(target->value.shape));
    if (value.dtype != target->value.dtype) {
      OpCall cast(requireOp("weft.cast"));
      cast.resultDType = target->value.dtype;
      cast.resultShape = value.shape;
      source = apply(cast, {{source.get()}});
    }
    adopt(target, asTensor(source.get()));
    return Py_NewRef(self);
  });
}

/// Like assign(), of any shape and dtype, and allowed on leaves: for `.data` and loading.
static PyObject *replace(PyObject *self, PyObject *argument) {
  return guarded([&] {
    PyRef source = toTensor(argument);
    TensorObject *target = currentScope ? currentScope->replaces(asTensor(self)) : asTensor(self);
    leaveSlot(target);
    GradientMode mode(false);
    adopt(target, asTensor(source.get()));
    return Py_NewRef(self);
  });
}

static PyObject *cloneMethod(PyObject *self, PyObject *) {
  return guarded([&] { return clone(asTensor(self)).release(); });
}

static PyObject *backwardMethod(PyObject *self, PyObject *arguments) {
  return guarded([&]() -> PyObject * {
    PyObject *cotangent = Py_None;
    int retain = 0;
    if (!PyArg_ParseTuple(arguments, "|Op:_backward", &cotangent, &retain))
      return nullptr;
    backward(asTensor(self), cotangent == Py_None ? nullptr : cotangent, retain);
    Py_RETURN_NONE;
  });
}

static Py_ssize_t length(PyObject *self) {
  return guarded<Py_ssize_t>(-1, [&] {
    const Shape &shape = known(self)->value.shape;
    if (shape.empty())
      throwError("DTypeError", "a 0-d tensor has no len()");
    if (isSymbolicSize(shape[0]))
      throwUnknownSize(shape[0], "len()");
    return Py_ssize_t(shape[0]);
  });
}

static PyObject *callPython(const char *function, PyObject *x, PyObject *y, PyObject *z) {
  PyRef module = PyRef::steal(PyImport_ImportModule("weft._indexing"));
  if (!module)
    return nullptr;
  PyRef callable = PyRef::steal(PyObject_GetAttrString(module.get(), function));
  if (!callable)
    return nullptr;
  return PyObject_CallFunctionObjArgs(callable.get(), x, y, z, nullptr);
}

static PyObject *subscript(PyObject *self, PyObject *key) {
  return callPython("get_item", self, key, nullptr);
}

static int assignSubscript(PyObject *self, PyObject *key, PyObject *value) {
  if (!value) {
    setError("DTypeError", "elements of a tensor can't be deleted");
    return -1;
  }
  PyRef result = PyRef::steal(callPython("set_item", self, key, value));
  return result ? 0 : -1;
}

/// By identity; a number that the trace computed from Python numbers hashes as that.
static Py_hash_t hash(PyObject *self) {
  return guarded<Py_hash_t>(-1, [&] {
    const TensorValue &value = asTensor(self)->value;
    if (value.weak && value.isTracer() && value.scope.get() == currentScope)
      if (PyRef scalar = currentScope->specialize(value.id))
        return PyObject_Hash(scalar.get());
    return _Py_HashPointer(self);
  });
}

static PyMethodDef methods[] = {
    {"item", item, METH_NOARGS, "The one element, as a Python number."},
    {"clone", cloneMethod, METH_NOARGS, "A handle of its own on the value, with its history."},
    {"detach", detachMethod, METH_NOARGS,
     "A view of all elements, without their history for gradients."},
    {"assign", assign, METH_O, "Takes the value of another tensor, in place; returns itself."},
    {"_replace", replace, METH_O, "Takes the value of another tensor of any shape and dtype."},
    {"_backward", backwardMethod, METH_VARARGS, "Gradients of the leaves (cotangent, retain)."},
    {nullptr, nullptr, 0, nullptr},
};

// Python needs the offset of a member; clang gives it for this type too.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winvalid-offsetof"
static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weakReferences), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
#pragma clang diagnostic pop

int weft::registerTensorType(PyObject *module) {
  llvm::SmallVector<PyType_Slot> slots = {
      {Py_tp_new, reinterpret_cast<void *>(construct)},
      {Py_tp_init, reinterpret_cast<void *>(initialize)},
      {Py_tp_dealloc, reinterpret_cast<void *>(deallocate)},
      {Py_tp_hash, reinterpret_cast<void *>(hash)},
      {Py_tp_getset, attributes},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_mp_length, reinterpret_cast<void *>(length)},
      {Py_mp_subscript, reinterpret_cast<void *>(subscript)},
      {Py_mp_ass_subscript, reinterpret_cast<void *>(assignSubscript)},
      {Py_bf_getbuffer, reinterpret_cast<void *>(getTensorBuffer)},
      {Py_bf_releasebuffer, reinterpret_cast<void *>(releaseTensorBuffer)},
      {Py_tp_doc, const_cast<char *>("A handle on an immutable array, see weft.asarray.")},
  };
  for (PyType_Slot *slot = numberSlots; slot->slot; ++slot)
    slots.push_back(*slot);
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"weft.Tensor", sizeof(TensorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots.data()};
  PyObject *type = PyType_FromSpec(&spec);
  if (!type)
    return -1;
  tensorClass = reinterpret_cast<PyTypeObject *>(type);
  return PyModule_AddObjectRef(module, "Tensor", type);
}
