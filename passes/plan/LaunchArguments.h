// What a planned function says to those who run it: the numbers that launches pass, and the memory.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace weft {

/// A number that a kernel is called with, in `sizes` of the kernel ABI.
struct LaunchArgument {
  enum class Kind {
    Bits,         ///< `value` itself: an integer, or the bits of a double
    Size,         ///< the number of the size `value`, known or symbolic; a negative one counts as 0
    SizeAsDouble, ///< the bits of that number as a double
  };
  Kind kind;
  int64_t value;

  bool operator==(const LaunchArgument &) const = default;
};

/// The numbers that `launch` passes to its kernel: the kernel's sizes, then its parameters.
llvm::SmallVector<LaunchArgument> launchArguments(LaunchOp launch, KernelOp kernel);

/// The bits of an argument whose size is known.
int64_t bitsOf(const LaunchArgument &argument);

/// True if sizes of the function's tensors are symbolic: its memory is planned as slots.
bool hasSymbolicSizes(mlir::func::FuncOp function);

/// The slots of a planned function with symbolic sizes (`weft.slots`): the place of each result of
/// a launch (its `offsets`) is the number of a slot, or -1 for one that is returned. A slot has as
/// many bytes as the largest of its sizes.
llvm::SmallVector<llvm::SmallVector<int64_t>> slotSizes(mlir::func::FuncOp function);

/// The sizes, symbolic or known, that may not be negative when the symbols have values, in a fused
/// function (`weft.conditions`): else an op would read or write outside of a tensor.
llvm::SmallVector<int64_t> sizeConditions(mlir::func::FuncOp function);

} // namespace weft
