// What several templates ask of a kernel and of a launch of it, to choose a schedule.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include <optional>

namespace weft {

/// Blocks of threads that keep a whole GPU busy.
inline constexpr int64_t fullGrid = 132;

/// The product of sizes of a launch; nothing if it is not known: without a launch, or symbolic.
std::optional<int64_t> knownProduct(llvm::ArrayRef<int64_t> symbols, LaunchOp launch);

/// The number of elements of a tensor of a kernel in a launch; 0 if it is not known.
int64_t elementsIn(mlir::Type type, LaunchOp launch);

/// The bytes of an element of a tensor.
int64_t elementBytes(mlir::Type type);

/// Elements of which 16 bytes hold a vector of the widest tensor of the kernel: those that a GPU's
/// thread works on at once.
int64_t gpuLanesOf(KernelOp kernel);

} // namespace weft
