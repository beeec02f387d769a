// The processor that code is generated for.
#pragma once

#include "codegen/Target.h"
#include "lib/Support/CacheSizes.h"
#include "llvm/ADT/StringRef.h"
#include <memory>
#include <optional>
#include <string>

namespace llvm {
class TargetMachine;
}

namespace weft {

/// What a core does in a cycle, on vectors as wide as a register, and how many bytes reach it from
/// each level of its memory: usual numbers of the kind, by which schedules are compared.
struct CoreFacts {
  double multiplyAdds = 2, loads = 2, instructions = 5;
  /// Cycles from a fused multiply-add to the next that adds to its result.
  double latency = 4.5;
  double level2Bytes = 32, level3Bytes = 16, memoryBytes = 5;
  double gigahertz = 3;
};

/// A processor, and what templates know of it.
class CpuTarget final : public Target {
public:
  std::string targetName = "native";
  std::string triple;
  /// The processor's name for LLVM; code is chosen by features, not by name.
  std::string processor;
  /// LLVM's feature string: "+avx2,+fma,...".
  std::string features;
  int64_t vectorRegisters = 16;
  /// Of a vector, or of a float where there are none.
  int64_t registerBytes = 32;
  /// Those of this machine, or what processors of the kind have at least.
  CacheSizes caches;
  CoreFacts core;
  /// How many there are, or what machines with such processors have at least.
  int cores = 4;

  /// The machine this runs on.
  static const CpuTarget &host();
  /// A target by name: "native", or one of `listing()`; null if it is unknown. It lives as long as
  /// the process.
  static const CpuTarget *byName(llvm::StringRef name);
  /// The names of all targets, for messages: "native, x86-64-v3, ...".
  static std::string names();
  /// A line for each target: its name, and what it is.
  static std::string listing();

  const std::string &name() const override { return targetName; }
  std::string key() const override { return triple + "/" + processor + "/" + features; }
  llvm::StringRef assemblyName() const override { return "asm"; }
  bool readsAnywhere() const override { return true; }
  bool writesOverOperands() const override { return true; }
  bool keepsComposites() const override { return true; }
  bool widensOperands() const override { return true; }
  bool storesColumnsApart() const override { return true; }
  bool storesInFrames() const override { return true; }
  /// AVX-512, with all that its registers are used for.
  bool scalesVectors() const override { return registerBytes == 64; }
  ScheduleAttrInterface choose(const KernelTemplate &kind, KernelOp kernel,
                               LaunchOp launch) const override;
  llvm::LogicalResult emit(const KernelTemplate &kind, KernelOp kernel,
                           mlir::ModuleOp module) const override;
  void addLowering(mlir::OpPassManager &passes) const override;
  std::unique_ptr<TranslatedKernel> translateKernel(mlir::ModuleOp module) const override;
  std::string llvmText(mlir::ModuleOp module) const override;
  std::string assemblyText(mlir::ModuleOp module) const override;

  /// Whether objects run under Linux: with a C library that has files, memory and threads.
  bool hasSystem() const;
  bool isWebAssembly() const;
  bool hasVectors() const { return registerBytes >= 16; }
  /// False if code for the target is for another kind of processor than this process runs on.
  bool isHostArchitecture() const;
  /// A code generator; each thread needs its own.
  std::unique_ptr<llvm::TargetMachine> createMachine() const;
};

} // namespace weft
