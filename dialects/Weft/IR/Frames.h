// What a tensor has around it: the elements of another one, and a border that fills the rest.
//
// An op says so by IndexedOpInterface::isFramed. A kernel whose one result is such an op's
// stores what it computes at its place (`frameOf`), whatever dimensions are joined or split between
// (weft.regroup). What reads a border of zeros may leave it out (`zeroLines`).
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// The ops that put what is computed at its place in the result of `op`, the last one first: `op`,
/// if its result is its first operand in a frame, and rows are as long as they were, and before
/// that what regroups dimensions. Empty if there is no such frame.
llvm::SmallVector<mlir::Operation *, 2> framingOps(mlir::Operation *op);

/// What is around the one result of a kernel.
struct Frame {
  /// What gives the result, and its value, whose elements are those of `inside`, and `filling`.
  mlir::Operation *op;
  mlir::Value result, inside, filling;
  /// Where `inside` begins in each dimension; may be numbers of the launch (LaunchNumbers.h).
  llvm::ArrayRef<int64_t> starts;
  /// What makes `inside` of what is computed (weft.regroup); null if that is computed.
  mlir::Operation *regroup;
  mlir::Value computed;

  /// True of the ops that compute nothing: they say where an element is.
  bool places(mlir::Operation *member) const { return member == op || member == regroup; }
};

/// The frame of a kernel that has one, and rows as long as they are inside (`framingOps`).
std::optional<Frame> frameOf(KernelOp kernel);

/// True if there is more to fill than to compute, of `all` elements those `inside`: threads share
/// what is computed. Unknown sizes stand for more than a frame adds to.
bool isMostlyFrame(std::optional<int64_t> inside, std::optional<int64_t> all);

/// How many of the first and last lines of `value` along `dimension` are known to be +0.
std::pair<int64_t, int64_t> zeroLines(mlir::Value value, int64_t dimension);

/// Checks that the lines of which `weft.border` on `op` says that they are zeros are so. In a
/// kernel that cannot be seen.
llvm::LogicalResult verifyZeroBorder(mlir::Operation *op, mlir::Attribute border);

} // namespace weft
