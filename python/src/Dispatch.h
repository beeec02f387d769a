// Running an op on handles that are up to date: at once, or into the trace in progress.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/TensorObject.h"

#include "llvm/ADT/SmallVector.h"

#include <initializer_list>
#include <span>

namespace weft {

struct Executable;
struct Plan;

struct Operand {
  /// The scalar (a Python number, or a size that is not known), or the tensor.
  PyObject *object;
  /// Keeps a tensor alive that was made of the operand.
  PyRef converted;
  bool scalar;
};
using Operands = llvm::SmallVector<Operand, 3>;

/// Who calls an op. For Python's operators the results of numbers are numbers, which take the dtype
/// of what they meet; for functions they are tensors.
enum class Caller { Function, Operator };

/// The results of an op, in order.
using Results = llvm::SmallVector<PyRef, 1>;

/// Applies an op. Tensors among the operands are as `owned` gives them. Throws.
Results dispatchAll(const OpCall &call, Operands &operands, Caller caller);
/// Result `result` alone. Outside of a trace the others are computed only if gradients need them.
PyRef dispatchOne(const OpCall &call, Operands &operands, unsigned result);
/// The same as `dispatchAll` for an op of one result.
PyRef dispatch(const OpCall &call, Operands &operands, Caller caller);
PyRef dispatch(const OpCall &call, std::initializer_list<TensorObject *> operands);

/// What `call`, an update, makes of `base` in the shape `shape` and of the other operands, without
/// history. `base` gives its memory up, and the result lies there if nobody else has it; it is to
/// get the result's value. Not in a trace. If it throws, `base` is as before.
PyRef dispatchInto(TensorObject *base, llvm::ArrayRef<int64_t> shape, const OpCall &call,
                   const Operands &others);

/// True if the plan does work enough to run it without the GIL.
bool releasesInterpreter(const Plan &plan);

/// Runs a plan, without the GIL if it is worth it. The caller holds the inputs.
void executeReleasing(const Executable &executable, std::span<Storage *const> inputs,
                      std::span<StorageRef> outputs);
void executeReleasing(const Executable &executable, std::span<const StorageRef> inputs,
                      std::span<StorageRef> outputs);

/// How often eager ops were executed and compiled.
struct EagerStatistics {
  uint64_t calls = 0;
  uint64_t compiles = 0;
  uint64_t tracedOps = 0;
};
extern EagerStatistics eagerStatistics;

} // namespace weft
