// Ways to plant a fault in a kernel's LLVM IR. Each changes one place, or throws if it is not
// there.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

namespace weft::emulator {

/// The calls of intrinsics whose names begin with "llvm.nvvm." and `name`, and of assembly that
/// contains `name`, counted from 0.
llvm::CallBase &callOf(llvm::Module &module, llvm::StringRef name, unsigned number = 0);
/// The instructions with an opcode ("load", "store", "urem", ...) in the kernel.
llvm::Instruction &instructionOf(llvm::Module &module, llvm::StringRef opcode, unsigned number = 0);
/// A parameter of the kernel.
llvm::Argument &parameterOf(llvm::Module &module, unsigned number);

/// The call does not happen. Its results are its first arguments, or `result`.
void removeCall(llvm::CallBase &call, uint64_t result = 0);
/// The call happens twice.
void repeatCall(llvm::CallBase &call);
/// Only threads below `threads` do it; it has no result that is used.
void guardCall(llvm::CallBase &call, uint64_t threads);
void setArgument(llvm::CallBase &call, unsigned argument, uint64_t value);
/// The argument is `below` for threads below `threads`, else `above`.
void setArgumentByThread(llvm::CallBase &call, unsigned argument, uint64_t threads, uint64_t below,
                         uint64_t above);
/// The argument is `amount` more, a pointer `amount` bytes.
void shiftArgument(llvm::CallBase &call, unsigned argument, int64_t amount);
void setOperand(llvm::Instruction &instruction, unsigned operand, uint64_t value);
/// The address of a load or store is `bytes` more.
void shiftAddress(llvm::Instruction &instruction, int64_t bytes);
/// All uses see `value` instead.
void replaceByNumber(llvm::Value &value, uint64_t number);
/// All uses see `amount` more.
void addTo(llvm::Value &value, int64_t amount);
/// The text of an assembly call is changed.
void replaceInAssembly(llvm::CallBase &call, llvm::StringRef from, llvm::StringRef to);
/// Thread `thread` returns at once.
void exitEarly(llvm::Module &module, uint64_t thread);
/// An atomic addition becomes a load, an addition and a store.
void makePlain(llvm::Instruction &instruction);

} // namespace weft::emulator
