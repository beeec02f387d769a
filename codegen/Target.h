// The kinds of processors that code is generated for.
#pragma once

#include "codegen/KernelObject.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/IR/BuiltinOps.h"
#include <memory>
#include <string>

namespace mlir {
class OpPassManager;
}

namespace weft {

class KernelTemplate;

/// A kernel in LLVM IR.
class TranslatedKernel {
public:
  virtual ~TranslatedKernel() = default;
  /// Generates its code. May be called on any thread, once. Throws weft::Error.
  virtual KernelObject assemble() = 0;
};

/// A processor, or a GPU: what the phases from kernels to code ask of it. The facts by which
/// templates choose are those of the classes below (CpuTarget, GpuTarget).
class Target {
public:
  virtual ~Target() = default;

  /// As users name it, and options of passes: "native", "x86-64-v3", "cuda:sm_90a".
  virtual const std::string &name() const = 0;
  /// Text that tells targets apart that need different code.
  virtual std::string key() const = 0;
  /// What assembly is called on it, as a level of the IR: "asm" or "ptx".
  virtual llvm::StringRef assemblyName() const = 0;

  /// True if kernels read operands at any address that suits an element; else only where buffers
  /// begin.
  virtual bool readsAnywhere() const = 0;

  /// True if a kernel may write a result over an operand that it reads at the same element; else
  /// kernels rely on inputs that nothing writes.
  virtual bool writesOverOperands() const = 0;
  /// True if composites that lead a kind of kernels are run as one, not by their definitions.
  virtual bool keepsComposites() const = 0;
  /// True if contractions read a right operand of a narrower dtype than the left one.
  virtual bool widensOperands() const = 0;
  /// True if contractions store results whose columns are no neighbours.
  virtual bool storesColumnsApart() const = 0;
  /// True if contractions store results at their places in a frame around them.
  virtual bool storesInFrames() const = 0;
  /// True if it is an x86 whose vectors are multiplied by powers of two in one instruction.
  virtual bool scalesVectors() const { return false; }
  /// How a kernel of `kind` runs, one launch of it being `launch`, which may be null.
  virtual ScheduleAttrInterface choose(const KernelTemplate &kind, KernelOp kernel,
                                       LaunchOp launch) const = 0;
  /// Emits the functions of a scheduled kernel at the end of `module`, as loops. Fails with a
  /// diagnostic if the schedule is not one that the target can run.
  virtual llvm::LogicalResult emit(const KernelTemplate &kind, KernelOp kernel,
                                   mlir::ModuleOp module) const = 0;
  /// Adds the passes from loops, whose math is expanded, to the dialects that are translated.
  virtual void addLowering(mlir::OpPassManager &passes) const = 0;
  /// Translates a module that these passes have lowered, and that holds one kernel. Throws
  /// weft::Error.
  virtual std::unique_ptr<TranslatedKernel> translateKernel(mlir::ModuleOp module) const = 0;

  /// The optimised LLVM IR of a lowered module, and its assembly, as text. Throw weft::Error.
  virtual std::string llvmText(mlir::ModuleOp module) const = 0;
  virtual std::string assemblyText(mlir::ModuleOp module) const = 0;

  /// The target of this name; null if there is none. It lives as long as the process.
  static const Target *byName(llvm::StringRef name);
  /// The names, for messages: "native, x86-64-v3, ..., cuda:sm_80, ...".
  static std::string names();
};

} // namespace weft
