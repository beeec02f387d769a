// The Python object that a value's gradient hooks are kept in.
#include "python/src/HookObject.h"

#include "python/src/Errors.h"

using namespace weft;

HookObject::HookObject(PyObject *object, bool isWeak)
    : reference(isWeak ? checked(PyWeakref_NewRef(object, nullptr)) : PyRef::borrow(object)),
      isWeak(isWeak) {}

PyRef HookObject::object() const {
  if (!isWeak)
    return reference;
  PyObject *found = PyWeakref_GetObject(reference.get());
  return found == Py_None ? PyRef() : PyRef::borrow(found);
}

bool weft::callsHooks(const TensorObject *leaf) {
  if (!leaf->slot || !leaf->slot->hooks)
    return false;
  PyRef object = static_cast<HookObject &>(*leaf->slot->hooks).object();
  int found = object ? PyObject_IsTrue(object.get()) : 0;
  if (found < 0)
    throw PythonError();
  return found > 0;
}
