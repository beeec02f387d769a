// Where the results of a planned function are: in memory of their own, or in that of an argument.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace weft {

/// Whether the memory of results is the plan's choice, or given by a loop or branch.
enum class Outputs : uint8_t { Chosen, Given };

/// What is in a result's memory before the function writes it.
struct OutputMemory {
  enum class Kind : uint8_t {
    /// Nothing that the function reads.
    Own,
    /// The result is this argument.
    Argument,
    /// This donated argument: the first step that writes the result reads an element of the
    /// argument no later than it writes the same element, and no later step reads the argument.
    DonatedArgument,
    /// The result is an earlier one.
    Output,
  };

  Kind kind = Kind::Own;
  /// Of the argument or the earlier result; 0 for Own.
  unsigned number = 0;
};

/// The memory of each result. For processors kernels write over what they read at the same element,
/// or ahead of it (Template::readsAhead); the kernels of devices (`isOnDevice`) rely on inputs that
/// nothing writes. Results of a function whose memory is given are where the argument of the same
/// number is, or nowhere near.
llvm::SmallVector<OutputMemory> outputMemories(mlir::func::FuncOp function,
                                               const mlir::SymbolTable &symbols, bool isOnDevice,
                                               Outputs memory);

/// What a loop's body does with the memory of a value that it is given and gives.
enum class CarryKind : uint8_t {
  /// It returns it as it is.
  Kept,
  /// It can write the next value over the last one.
  InPlace,
  /// It reads one buffer and writes the other; they change places.
  Exchanged,
};

/// For each value that `loop` carries.
llvm::SmallVector<CarryKind> carryKinds(LoopOp loop, const mlir::SymbolTable &symbols,
                                        bool isOnDevice);

} // namespace weft
