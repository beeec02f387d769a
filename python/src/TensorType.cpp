// The Python type of tensors: its attributes and methods.
#include "python/src/TensorType.h"

#include "python/src/Apply.h"
#include "python/src/Backward.h"
#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Element.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/Interop.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"
#include "python/src/state/View.h"

#include <structmember.h>

using namespace weft;

//===----------------------------------------------------------------------===//
// Making one
//===----------------------------------------------------------------------===//

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
    PyRef result = checked(reinterpret_cast<PyObject *>(allocateTensor(type)));
    setValue(asTensor(result.get()), asTensor(source.get()));
    asTensor(result.get())->requiresGrad = requiresGrad;
    return result.release();
  });
}

/// Everything was done by `construct`; subclasses may take other arguments.
static int initialize(PyObject *, PyObject *, PyObject *) { return 0; }

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
static PyObject *getStrides(PyObject *self, void *) {
  return guarded([&]() -> PyObject * {
    std::optional<Shape> strides = pathOf(known(self)).strides;
    if (!strides)
      Py_RETURN_NONE;
    return tupleOf(*strides).release();
  });
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
    if (wanted && !isInexact(tensor->value.dtype))
      throwError("DTypeError",
                 "only tensors of floating or complex dtype can require a gradient, not " +
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
    {"_strides", getStrides, nullptr,
     "How many elements apart those of each dimension are, or None.", nullptr},
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

/// The errors name the operation as the user called it.
static PyObject *assignAs(PyObject *self, PyObject *argument, const char *action) {
  return guarded([&] {
    checkInPlace(asTensor(self), action);
    TensorObject *target = current(asTensor(self));
    DType dtype = target->value.dtype;
    // Python's numbers have the dtype of what takes them.
    bool takes = isInexact(dtype) || isPythonScalar(argument);
    PyRef source = takes ? toTensor(argument, dtype) : toTensor(argument);
    requireSameDevice(target, current(asTensor(source.get())), action);
    const TensorValue &value = current(asTensor(source.get()))->value;
    if (value.shape != target->value.shape)
      throwError("ShapeError", std::string(action) + ": the value has shape " +
                                   shapeTuple(value.shape) + ", but the tensor has shape " +
                                   shapeTuple(target->value.shape));
    if (value.dtype != dtype || value.weak) {
      OpCall cast(requireOp("weft.cast"));
      cast.resultDType = dtype;
      cast.resultShape = value.shape;
      source = apply(cast, {{source.get()}});
    }
    adopt(target, asTensor(source.get()));
    return Py_NewRef(self);
  });
}

static PyObject *assign(PyObject *self, PyObject *argument) {
  return assignAs(self, argument, "assign()");
}

/// (value, action)
static PyObject *assignMethod(PyObject *self, PyObject *arguments) {
  PyObject *value;
  const char *action;
  if (!PyArg_ParseTuple(arguments, "Os:_assign", &value, &action))
    return nullptr;
  return assignAs(self, value, action);
}

/// Like assign(), of any shape and dtype, and allowed on leaves: for `.data` and loading.
static PyObject *replace(PyObject *self, PyObject *argument) {
  return guarded([&] {
    PyRef source = toTensor(argument);
    // `x.data -= y` writes through the view, and then assigns it.
    if (const Lens *lens = asTensor(source.get())->lens.get())
      if (lens->detached && lens->path.steps.empty() &&
          slotOf(asTensor(source.get())) == slotOf(owned(asTensor(self))))
        return Py_NewRef(self);
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
    int retain = 0, record = 0;
    if (!PyArg_ParseTuple(arguments, "|Opp:_backward", &cotangent, &retain, &record))
      return nullptr;
    backward(asTensor(self), cotangent == Py_None ? nullptr : cotangent, retain, record);
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

static PyObject *subscript(PyObject *self, PyObject *key) {
  return guarded([&] {
    PyObject *arguments[] = {self, key};
    return PyObject_Vectorcall(hook(Hook::GetItem), arguments, 2, nullptr);
  });
}

static int assignSubscript(PyObject *self, PyObject *key, PyObject *value) {
  if (!value) {
    setError("DTypeError", "elements of a tensor can't be deleted");
    return -1;
  }
  return guarded(-1, [&] {
    PyObject *arguments[] = {self, key, value};
    checked(PyObject_Vectorcall(hook(Hook::SetItem), arguments, 3, nullptr));
    return 0;
  });
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
    {"_assign", assignMethod, METH_VARARGS, "assign() for an operation of that name."},
    {"_replace", replace, METH_O, "Takes the value of another tensor of any shape and dtype."},
    {"_backward", backwardMethod, METH_VARARGS,
     "Gradients of the leaves (cotangent, retain, record)."},
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
      {Py_tp_dealloc, reinterpret_cast<void *>(deallocateTensor)},
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
