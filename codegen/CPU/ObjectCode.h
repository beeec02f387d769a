// From a module of the LLVM dialect to object code.
#pragma once

#include "codegen/CPU/CpuTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace weft {

/// LLVM IR with the context that owns it, so that it can be finished on any thread.
struct LlvmModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;

  LlvmModule();
  LlvmModule(LlvmModule &&) noexcept;
  LlvmModule &operator=(LlvmModule &&) noexcept;
  ~LlvmModule();
};

/// Translates `module`, which is of the LLVM dialect. Throws weft::Error with what was said of it.
LlvmModule translate(mlir::ModuleOp module);

/// What the set-up of the one kernel of a lowered module says of it.
KernelObject describeKernel(mlir::ModuleOp module);

enum class CodeFormat { Object, Assembly };

/// Optimises and generates code. Thread-safe for different modules.
llvm::SmallVector<char, 0> generateCode(LlvmModule &module, const CpuTarget &target,
                                        CodeFormat format);

/// The LLVM IR after optimisation, as text.
std::string optimizedText(LlvmModule &module, const CpuTarget &target);

} // namespace weft
