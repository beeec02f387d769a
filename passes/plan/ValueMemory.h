// Which values of a function are in the same memory, and which kernels can write over an operand.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// The number of the argument of which the result of `kernel` is a copy with some elements changed.
/// The first stage of such a kernel is the copy, which has nothing to do where both are in the same
/// memory. Nothing for other kernels.
std::optional<unsigned> updatedArgument(KernelOp kernel);

/// The same if the kernel reads the argument in no other way: the result may be where it is.
std::optional<unsigned> overwritableArgument(KernelOp kernel);

/// True if a kernel of a processor can write a result over an argument: each element is read only
/// where the same element is computed, or before the task writes any (Template::readsAhead).
bool mayOverwrite(KernelOp kernel, unsigned argument, unsigned result);

/// The operand over which a launch writes its result, as weft-plan-memory has decided, or null.
mlir::Value overwrittenOperand(LaunchOp launch);

/// The value that `value` has the elements of, in another shape.
mlir::Value withoutReshapes(mlir::Value value);

/// Where the elements of an op's result begin in its first operand, in bytes, if they are a run of
/// its memory. In a function that is planned, such an op is in no kernel (ArgumentViews).
std::optional<int64_t> partStart(mlir::Operation &op);

/// For the values of a function that is planned: the first value in the same memory. Reshapes share
/// that of their operands, and so do launches that write over one.
class ValueMemory {
public:
  explicit ValueMemory(mlir::Block &body);

  mlir::Value of(mlir::Value value) const;

private:
  llvm::DenseMap<mlir::Value, mlir::Value> first;
};

} // namespace weft
