// The steps of a planned function, for those who run it and those who write it down.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <variant>

namespace weft {

/// Runs a kernel.
struct LaunchStep {
  LaunchOp launch;
  KernelOp kernel;
};

/// Computes what depends on values that hardly ever change.
struct PrepareStep {
  PrepareOp prepare;
};

/// An output that no launch writes: it is an argument, a constant, a prepared value or what is
/// another output too.
struct CopyStep {
  mlir::Value from;
  unsigned output;
};

/// Runs functions again and again.
struct LoopStep {
  LoopOp loop;
};

/// Runs one of several functions.
struct BranchStep {
  BranchOp branch;
};

/// The steps that there are. Whoever walks them visits all kinds, so that a new one is not
/// forgotten.
using PlanStep = std::variant<LaunchStep, PrepareStep, CopyStep, LoopStep, BranchStep>;

/// True if the value is the same tensor in most calls: an argument with `weft.hidden` that the
/// function does not give up, a constant, or what is prepared. What kernels copy of it, each in a
/// stage of its own, is copied once, so a schedule may choose a copy that would not pay otherwise.
bool isKept(mlir::Value value);

/// True if a step writes the memory of `storage`, which is no reshape of another value.
bool isWritten(mlir::Value storage);

/// The steps of `function` in the order in which they run; the copies come last. Emits an error for
/// an op that is in no kernel, or a launch whose results have no places (weft-plan-memory).
llvm::FailureOr<llvm::SmallVector<PlanStep>> stepsOf(mlir::func::FuncOp function);

} // namespace weft
