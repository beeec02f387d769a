// Operations on floats that a processor has no instructions for.
#pragma once

namespace llvm {
class Module;
}

namespace weft {

/// Expands fused multiply-adds of floats, and conversions of halfs and bfloats, into instructions
/// that WebAssembly and RISC-V have: what LLVM calls instead is in no library of C, and takes one
/// element at a time. The bits are those of processors that have the instructions. Throws
/// weft::Error where there is no expansion.
void expandMissing(llvm::Module &module);

} // namespace weft
