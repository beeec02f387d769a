// Who reads the accumulators of a wgmma before its wait.
#pragma once

#include "codegen/Emulator/Fault.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace llvm {
class CallBase;
class Instruction;
} // namespace llvm

namespace weft::emulator {

class Meanings;

/// The results of the wgmma `call` may go to further wgmmas, through control flow, and to the wait
/// that they are threaded through; any other use reads registers that are still being computed.
std::optional<Fault>
earlyReadOfAccumulators(const llvm::CallBase &call, Meanings &meanings,
                        llvm::function_ref<Location(const llvm::Instruction &)> locationOf);

} // namespace weft::emulator
