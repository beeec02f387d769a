// How kernels become code that runs: for this processor, and for devices.
#pragma once

#include "codegen/NVPTX/GpuTarget.h"
#include "lib/Compiler/KernelCode.h"

namespace weft {

class KernelBackend {
public:
  virtual ~KernelBackend() = default;
  /// Text that tells apart code that differs.
  virtual std::string key() const = 0;
  /// Takes the kernel, which has its schedule, through the last phases. Throws weft::Error.
  virtual std::unique_ptr<TranslatedKernel> emit(KernelOp kernel) = 0;
  /// Throws weft::Error.
  virtual std::shared_ptr<const KernelCode> load(const KernelObject &object) = 0;
};

/// Kernels of this process for `target`, a processor that it can run the code of.
std::unique_ptr<KernelBackend> makeBackend(const CpuTarget &target);
/// Stages for `device`, setups for `host`. Throws weft::Error if no code can be generated for it.
std::unique_ptr<KernelBackend> makeBackend(Device &device, const CpuTarget &host);

/// What code for a device is generated for. Throws weft::Error if that can't be.
GpuTarget targetOf(const Device &device, const CpuTarget &host);

} // namespace weft
