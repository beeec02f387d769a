// From a module of the LLVM and NVVM dialects to PTX and to machine code of a GPU.
#pragma once

#include "codegen/CPU/ObjectCode.h"
#include "codegen/NVPTX/GpuKernel.h"
#include "codegen/NVPTX/GpuTarget.h"

namespace weft {

/// The kernels of `module`, lowered by `lowerToNVVM`, in its order.
std::vector<GpuKernel> gpuKernelsOf(mlir::ModuleOp module);

/// The functions of `module` that run on the GPU, or those that run on the host (@K_setup), as LLVM
/// IR. Throws weft::Error if they can't be translated.
LlvmModule translateDevice(mlir::ModuleOp module);
LlvmModule translateHost(mlir::ModuleOp module);

/// Optimises a device module for `target`. What is left is what `generatePtx` prints and what an
/// emulator runs. Throws weft::Error that names the function if any is called that is not there.
void optimizeForGpu(LlvmModule &module, const GpuTarget &target);

/// The LLVM IR of a device module after optimisation, as text. Throws weft::Error.
std::string optimizedText(LlvmModule &module, const GpuTarget &target);

/// The PTX of a device module, which it optimises. Thread-safe for different modules. Throws
/// weft::Error.
std::string generatePtx(LlvmModule &module, const GpuTarget &target);

/// What ptxas says: the machine code, and its remarks on registers, spills and stalls.
struct Assembled {
  std::string cubin, remarks;
};

/// True if ptxas, which comes with the CUDA toolkit, is in the search path.
bool canAssemble();

/// Assembles PTX by ptxas. Throws weft::Error if it is absent, or with what it says of the text.
Assembled assemble(llvm::StringRef ptx, const GpuTarget &target);

} // namespace weft
