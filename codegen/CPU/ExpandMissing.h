// Operations on floats that a processor has no instructions for.
#pragma once

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace weft {

/// Expands fused multiply-adds of floats, and conversions of halfs and bfloats, into instructions
/// that WebAssembly, RISC-V and controllers have: what LLVM calls instead is in no library of C,
/// and takes one element at a time. Fused multiply-adds of doubles are calls of weft_model_fma on
/// controllers without a unit for doubles, whose libraries round twice. The bits are those of
/// processors that have the instructions. Throws weft::Error where there is no expansion.
void expandMissing(llvm::Module &module, const llvm::TargetMachine &machine);

} // namespace weft
