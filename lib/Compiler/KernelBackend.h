// How kernels become code: for this processor, and for devices.
#pragma once

#include "codegen/CPU/Target.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/KernelCode.h"

namespace weft {

/// A kernel in LLVM IR.
class EmittedKernel {
public:
  virtual ~EmittedKernel() = default;
  /// Generates its code. May be called on any thread, once. Throws weft::Error.
  virtual KernelObject generate() = 0;
};

class KernelBackend {
public:
  virtual ~KernelBackend() = default;
  /// Text that tells apart code that differs.
  virtual std::string key() const = 0;
  /// Emits the kernel, which has its schedule. Throws weft::Error.
  virtual std::unique_ptr<EmittedKernel> emit(KernelOp kernel) = 0;
  /// Throws weft::Error.
  virtual std::shared_ptr<const KernelCode> load(const KernelObject &object) = 0;
};

/// `target` is the processor of this process, or one that it can run the code of.
std::unique_ptr<KernelBackend> makeCpuBackend(const CpuTarget &target);

/// Stages for `device`, setups for `host`. Throws weft::Error if no code can be generated for it.
std::unique_ptr<KernelBackend> makeDeviceBackend(Device &device, const CpuTarget &host);

} // namespace weft
