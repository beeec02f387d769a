// LLVM's optimiser over modules whose loops are final.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace weft {

/// Runs a pipeline, as LLVM's `opt` writes it, that is known to be well formed. Loops are not
/// unrolled: that would spill the accumulators of register tiles.
void runPipeline(llvm::Module &module, llvm::TargetMachine &machine, llvm::StringRef pipeline);

} // namespace weft
