#include "python/src/state/Call.h"

#include "lib/Trace/Placement.h"
#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/HookObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/View.h"

using namespace weft;

TensorObject *weft::findHandle(const Specialization &specialization, int number,
                               llvm::ArrayRef<PyObject *> leaves, llvm::ArrayRef<PyRef> found) {
  const HandleSource &source = specialization.handles[number];
  switch (source.kind) {
  case HandleSource::Kind::Guard:
    return specialization.guards.tensor(source.index);
  case HandleSource::Kind::Argument:
    return asTensor(leaves[source.index]);
  case HandleSource::Kind::Fixed:
    return asTensor(source.fixed.get());
  case HandleSource::Kind::Gradient: {
    TensorObject *owner = asTensor(found[source.index].get());
    return owner->slot ? asTensor(owner->slot->gradient.get()) : nullptr;
  }
  case HandleSource::Kind::Root:
    break;
  }
  TensorObject *view = asTensor(found[source.index].get());
  return view->lens ? view->lens->root->holder() : nullptr;
}

bool Call::findHandles(std::string &reason) {
  handles.clear();
  for (size_t i = 0; i < specialization->handles.size(); ++i) {
    TensorObject *found = findHandle(*specialization, int(i), flat.leaves, handles);
    if (!found) {
      reason = "a gradient, or what a view looks into, is not there any more";
      return false;
    }
    handles.push_back(PyRef::borrow(reinterpret_cast<PyObject *>(found)));
  }
  dicts.clear();
  for (const StoreEffect &store : specialization->stores)
    dicts.push_back(PyRef::borrow(specialization->guards.object(store.dict)));
  return slotsHold(reason);
}

/// Different handles must have different slots, and views must look into the slots that they were
/// traced with: only then are the writes and reads of the trace those of the call.
bool Call::slotsHold(std::string &reason) const {
  const std::vector<HandleSource> &sources = specialization->handles;
  uint64_t call = nextCallNumber();
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].slot >= 0)
      continue;
    TensorObject *tensor = handle(int(i)), *slot = slotOf(tensor);
    bool byValue = sources[i].kind == HandleSource::Kind::Argument;
    if (callOfMark(slot->mark) == call || (tensor->lens && !byValue)) {
      reason = "a tensor is, or became a view of, another one that the function uses";
      return false;
    }
    slot->mark = makeMark(call, i);
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].slot < 0)
      continue;
    TensorObject *tensor = handle(int(i));
    const std::optional<ViewPath> &path = sources[i].path;
    bool same = path ? tensor->lens && slotOf(tensor) == handle(sources[i].slot) &&
                           tensor->lens->path == *path
                     : tensor == handle(sources[i].slot);
    if (!same) {
      reason = "a view looks elsewhere, or an argument is not the tensor from outside that it was";
      return false;
    }
  }
  if (specialization->effects.empty() || argumentsHaveOwnSlots())
    return true;
  reason = "an argument shares its elements with another tensor that the function uses";
  return false;
}

/// True if no argument looks into the slot of another handle that the call uses. The handles were
/// marked.
bool Call::argumentsHaveOwnSlots() const {
  uint64_t call = 0;
  for (size_t i = 0; i < handles.size() && !call; ++i)
    call = callOfMark(slotOf(handle(int(i)))->mark);
  // A handle that is reached in another way is none of an argument, even if it is the same now.
  auto isArgument = [&](size_t number, PyObject *leaf) {
    return handles[number].get() == leaf &&
           specialization->handles[number].kind == HandleSource::Kind::Argument;
  };
  for (PyObject *leaf : flat.leaves) {
    if (!isTensor(leaf))
      continue;
    TensorObject *slot = slotOf(asTensor(leaf));
    if (callOfMark(slot->mark) != call)
      continue;
    uint64_t number = numberOfMark(slot->mark);
    bool known = isArgument(number, leaf);
    for (size_t i = 0; i < handles.size() && !known; ++i)
      known = isArgument(i, leaf) && specialization->handles[i].slot == int(number);
    if (!known)
      return false;
  }
  return true;
}

/// True if the hidden inputs have the types that were traced.
bool Call::hiddenMatch(std::string &reason) const {
  for (auto [number, present] : specialization->gradientPresence) {
    TensorObject *tensor = handle(number);
    if (bool(tensor->slot && tensor->slot->gradient) != present) {
      reason = present ? "the gradient of a tensor is gone" : "a tensor has a gradient now";
      return false;
    }
  }
  for (int number : specialization->withoutHooks) {
    if (callsHooks(handle(number))) {
      reason = "a tensor has a gradient hook now";
      return false;
    }
  }
  for (const HiddenSource &source : specialization->hidden) {
    if (source.handle < 0)
      continue;
    TensorObject *tensor = handle(source.handle);
    bool tracked = tensor->requiresGrad || tensor->node;
    if (tracked != source.requiresGrad) {
      reason = "requires_grad of a tensor from outside changed";
      return false;
    }
    requireConcrete(tensor, "a compiled function");
    if (tensor->value.dtype != source.dtype || tensor->value.shape != source.shape) {
      reason = "a tensor from outside changed from " + describe(source.dtype, source.shape) +
               " to " + describe(tensor->value.dtype, tensor->value.shape);
      return false;
    }
    if (tensor->value.storage->device() != specialization->device) {
      reason = "a tensor from outside moved from " + deviceName(specialization->device) + " to " +
               deviceName(tensor->value.storage->device());
      return false;
    }
  }
  return true;
}

bool Call::numbersHold(std::string &reason) const {
  if (specialization->numbers.isEmpty())
    return true;
  llvm::SmallVector<PyObject *, 4> numbers;
  for (PyObject *leaf : flat.leaves)
    if (!isTensor(leaf))
      numbers.push_back(leaf);
  return specialization->numbers.holds({numbers.data(), numbers.size()}, reason);
}

bool Call::matches(std::string &reason) {
  for (size_t i = 0; i < specialization->statics.size(); ++i)
    if (!sameConstant(specialization->statics[i].get(), flat.statics[i])) {
      reason = "a static argument changed";
      return false;
    }
  return holds(reason);
}

bool Call::holds(std::string &reason) {
  for (auto &[leaf, value] : specialization->scalars)
    if (!sameConstant(value.get(), flat.leaves[leaf])) {
      reason = "argument " + std::to_string(leaf) + ", whose value the function asks for, changed";
      return false;
    }
  if (!numbersHold(reason))
    return false;
  PyObject *function = state.function.get();
  return specialization->guards.check(function, flat.objects, reason) && findHandles(reason) &&
         hiddenMatch(reason);
}

bool Call::stillFits() {
  std::string reason;
  // The guards know what the last call found, which may have been another thread's.
  GuardSet &guards = specialization->guards;
  bool hold = guards.isSpent() || guards.check(state.function.get(), flat.objects, reason);
  return hold && findHandles(reason) && hiddenMatch(reason);
}

bool Call::isComplete() const {
  auto hasValue = [](TensorObject *tensor) { return bool(tensor->value.storage); };
  return llvm::all_of(
             flat.leaves,
             [&](PyObject *leaf) { return !isTensor(leaf) || hasValue(asTensor(leaf)); }) &&
         llvm::all_of(specialization->hidden, [&](const HiddenSource &source) {
           return source.handle < 0 || hasValue(handle(source.handle));
         });
}

llvm::SmallVector<StorageRef, 8> Call::inputs() const {
  llvm::SmallVector<StorageRef, 8> made, result;
  for (Storage *storage : borrowedInputs(made))
    result.push_back(StorageRef::to(*storage));
  return result;
}

llvm::SmallVector<Storage *, 8>
Call::borrowedInputs(llvm::SmallVectorImpl<StorageRef> &made) const {
  llvm::SmallVector<Storage *, 8> result;
  result.reserve(flat.leaves.size() + specialization->hidden.size());
  for (PyObject *leaf : flat.leaves) {
    if (!isTensor(leaf))
      made.push_back(scalarOn(specialization->device, scalarArray(leaf, weakDType(leaf))).storage);
    result.push_back(isTensor(leaf) ? asTensor(leaf)->value.storage.get() : made.back().get());
  }
  for (const HiddenSource &source : specialization->hidden)
    result.push_back(source.handle < 0 ? source.array.storage.get()
                                       : handle(source.handle)->value.storage.get());
  return result;
}
