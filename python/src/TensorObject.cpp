// Handles: how they begin and end.
#include "python/src/TensorObject.h"

#include "python/src/Errors.h"

#include "llvm/ADT/SmallVector.h"

#include <new>

using namespace weft;

PyTypeObject *weft::tensorClass = nullptr;
PyObject *weft::generatorState = nullptr;
PyObject *weft::communicationToken = nullptr;
thread_local bool weft::gradientsEnabled = true;
thread_local std::optional<DType> weft::autocastDType;
thread_local HandleMaker *weft::currentMaker = nullptr;

/// Those that exist; one in all but rare cases.
static llvm::SmallVector<HandleMaker *> &makers() {
  static auto &list = *new llvm::SmallVector<HandleMaker *>();
  return list;
}

static uint64_t nextNumber() {
  static uint64_t last = 0;
  return ++last;
}

HandleMaker::HandleMaker() : number(nextNumber()) { makers().push_back(this); }
HandleMaker::~HandleMaker() { llvm::erase(makers(), this); }

TensorObject *weft::allocateTensor(PyTypeObject *type) {
  auto *tensor = reinterpret_cast<TensorObject *>(type->tp_alloc(type, 0));
  if (!tensor)
    return nullptr;
  new (&tensor->value) TensorValue();
  new (&tensor->node) std::shared_ptr<TapeNode>();
  new (&tensor->slot) std::shared_ptr<GradientSlot>();
  new (&tensor->root) std::shared_ptr<Root>();
  new (&tensor->lens) std::unique_ptr<Lens>();
  tensor->birth = currentMaker ? currentMaker->number : 0;
  if (currentMaker)
    currentMaker->made.insert(tensor);
  return tensor;
}

PyObject *weft::newTensor(TensorValue value) {
  TensorObject *tensor = allocateTensor(tensorClass);
  if (tensor)
    tensor->value = std::move(value);
  return asObject(tensor);
}

PyRef weft::newTensorOf(PyTypeObject *type, TensorValue value, PyObject *attributes) {
  PyRef tensor = checked(asObject(allocateTensor(type)));
  asTensor(tensor.get())->value = std::move(value);
  if (attributes)
    checkStatus(PyObject_GenericSetDict(tensor.get(), attributes, nullptr));
  return tensor;
}

void weft::deallocateTensor(PyObject *self) {
  TensorObject *tensor = asTensor(self);
  PyTypeObject *type = Py_TYPE(self);
  if (tensor->weakReferences)
    PyObject_ClearWeakRefs(self);
  if (tensor->birth)
    for (HandleMaker *maker : makers())
      if (maker->number == tensor->birth)
        maker->made.erase(tensor);
  tensor->value.~TensorValue();
  tensor->node.~shared_ptr<TapeNode>();
  tensor->slot.~shared_ptr<GradientSlot>();
  tensor->root.~shared_ptr<Root>();
  tensor->lens.~unique_ptr<Lens>();
  type->tp_free(self);
  Py_DECREF(type);
}

TensorObject *Root::holder() const { return remnant ? asTensor(remnant.get()) : handle; }
