// Kernels whose result has elements around what they compute.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// True if the op's result is its first operand with elements around it (`isFramed`), and rows are
/// as long as they were: what computes the operand may store each of them at its place.
bool framesRows(mlir::Operation *op);

/// What is around the one result of a kernel.
struct Frame {
  /// What gives the result, and its value, whose elements are those of `inside`, and `filling`.
  mlir::Operation *op;
  mlir::Value result, inside, filling;
  /// Where `inside` begins in each dimension; may be numbers of the launch (LaunchNumbers.h).
  llvm::ArrayRef<int64_t> starts;
};

/// The frame of a kernel that has one, and rows as long as they are inside (`framesRows`).
std::optional<Frame> frameOf(KernelOp kernel);

} // namespace weft
