// The GPU that code is generated for.
#pragma once

#include "codegen/CPU/CpuTarget.h"
#include <memory>
#include <optional>
#include <string>

namespace llvm {
class TargetMachine;
}

namespace weft {

/// A GPU, and what templates know of it. A kernel's stages are for the GPU, its set-up is for the
/// processor beside it.
class GpuTarget final : public Target {
public:
  std::string targetName;
  /// The architecture as LLVM and ptxas name it: "sm_80", "sm_90a".
  std::string chip;
  /// LLVM's feature string: the version of the PTX language.
  std::string features;

  /// The processor beside it.
  const CpuTarget *host = &CpuTarget::host();
  /// Kernels end as LLVM's bitcode, for the emulator, in place of machine code.
  bool isEmulated = false;

  /// A target by name: "cuda:sm_80" or "cuda:sm_90a"; null if it is unknown. It lives as long as
  /// the process.
  static const GpuTarget *byName(llvm::StringRef name);
  /// True if `name` is meant as a GPU's: it begins with "cuda".
  static bool isGpuName(llvm::StringRef name);
  /// The names, for messages: "cuda:sm_80, cuda:sm_90a".
  static std::string names();

  const std::string &name() const override { return targetName; }
  std::string key() const override;
  llvm::StringRef assemblyName() const override { return "ptx"; }
  bool readsAnywhere() const override { return false; }
  bool writesOverOperands() const override { return false; }
  bool keepsComposites() const override { return false; }
  bool widensOperands() const override { return false; }
  bool storesColumnsApart() const override { return false; }
  bool storesInFrames() const override { return false; }
  ScheduleAttrInterface choose(const KernelTemplate &kind, KernelOp kernel,
                               LaunchOp launch) const override;
  llvm::LogicalResult emit(const KernelTemplate &kind, KernelOp kernel,
                           mlir::ModuleOp module) const override;
  void addLowering(mlir::OpPassManager &passes) const override;
  std::unique_ptr<TranslatedKernel> translateKernel(mlir::ModuleOp module) const override;
  std::string llvmText(mlir::ModuleOp module) const override;
  std::string assemblyText(mlir::ModuleOp module) const override;

  /// True if it has TMA and wgmma, matrix products by four warps together.
  bool hasWarpgroups() const { return chip == "sm_90a"; }
  /// A code generator; each thread needs its own.
  std::unique_ptr<llvm::TargetMachine> createMachine() const;
};

} // namespace weft
