// Stages of kernels whose result has elements around what they compute (dialects/Weft/IR/Frames.h).
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// Adds a stage as KernelEmitter::addStage does. If the emitter stores results in a frame
/// (KernelEmitter::storeInFrame), each run of tasks also fills its share of what is around them.
void addFramedStage(KernelEmitter &emitter, std::function<mlir::Value()> tasks,
                    llvm::function_ref<void(mlir::Value begin, mlir::Value end)> body);

} // namespace weft
