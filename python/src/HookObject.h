// The Python object that a value's gradient hooks are kept in.
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// Hooks that are an object of weft.autograd. Of tensors with attributes these hold it, where
/// Python's garbage collector finds it: functions often hold the module that the tensor is a
/// parameter of.
class HookObject : public GradientHooks {
public:
  HookObject(PyObject *object, bool isWeak);

  /// Null if the tensor, and they with it, are gone.
  PyRef object() const;

private:
  PyRef reference;
  bool isWeak;
};

/// Whether a leaf has functions that would be called; those that were registered may be removed
/// since. Throws.
bool callsHooks(const TensorObject *leaf);

} // namespace weft
