// One call of a compiled function: what it found, and whether that is as it was traced.
#pragma once

#include "python/src/state/Specialization.h"

#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <string>

namespace weft {

/// What a call works with. It owns the handles and the specialization: while kernels run, others
/// may change containers, guards and tables.
struct Call {
  JitState &state;
  const FlatArguments &flat;
  std::shared_ptr<Specialization> specialization;
  llvm::SmallVector<PyRef, 4> handles = {};
  /// The dicts of the specialization's stores.
  llvm::SmallVector<PyRef, 0> dicts = {};
  /// How often it has printed: not again, when it begins anew.
  size_t printed = 0;

  TensorObject *handle(int number) const { return asTensor(handles[number].get()); }
  /// Finds the handles anew, and says whether they and their slots are as they were traced; else
  /// `reason` says what is not.
  bool findHandles(std::string &reason);
  /// True if the call may run its trace, and has found the handles; else `reason` says why not.
  bool matches(std::string &reason);
  /// The same where the constants among the arguments are known to be those that were traced.
  bool holds(std::string &reason);
  /// The same after the call waited or compiled: other threads may have changed what it found.
  bool stillFits();
  /// True if all tensors that the plan reads have values now, and may be taken.
  bool isComplete() const;
  /// What the plan reads: the leaves of the arguments, then the hidden inputs.
  llvm::SmallVector<StorageRef, 8> inputs() const;
  /// The same, held by their tensors, whose values must not change meanwhile. `made` gets those
  /// that are made of numbers.
  llvm::SmallVector<Storage *, 8> borrowedInputs(llvm::SmallVectorImpl<StorageRef> &made) const;

private:
  bool numbersHold(std::string &reason) const;
  bool slotsHold(std::string &reason) const;
  bool argumentsHaveOwnSlots() const;
  bool hiddenMatch(std::string &reason) const;
};

/// Finds handle `number`, of which handles with smaller numbers were found already; null if there
/// is none now.
TensorObject *findHandle(const Specialization &specialization, int number,
                         llvm::ArrayRef<PyObject *> leaves, llvm::ArrayRef<PyRef> found);

} // namespace weft
