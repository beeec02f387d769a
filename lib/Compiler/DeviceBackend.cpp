// Kernels for GPUs and for the emulator: their stages for the device, their setups for the host.
#include "codegen/NVPTX/JitLink.h"
#include "codegen/NVPTX/Ptx.h"
#include "codegen/Passes.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/KernelBackend.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Bitcode/BitcodeWriter.h"

using namespace mlir;

namespace weft {
namespace {

class EmittedDeviceKernel : public EmittedKernel {
public:
  EmittedDeviceKernel(KernelObject object, LlvmModule device, LlvmModule host,
                      const GpuTarget &target, const CpuTarget &hostTarget, ImageFormat format)
      : object(std::move(object)),
        device(std::move(device)),
        host(std::move(host)),
        target(target),
        hostTarget(hostTarget),
        format(format) {}

  KernelObject generate() override {
    object.code = generateCode(host, hostTarget, CodeFormat::Object);
    if (format == ImageFormat::LlvmBitcode) {
      optimizeForGpu(device, target);
      llvm::raw_string_ostream stream(object.image);
      llvm::WriteBitcodeToFile(*device.module, stream);
      return std::move(object);
    }
    // Without an assembler here the driver gets the text, and assembles it itself.
    object.image = generatePtx(device, target);
    if (canLinkInProcess())
      object.image = linkInProcess(object.image, target);
    else if (canAssemble())
      object.image = assemble(object.image, target).cubin;
    return std::move(object);
  }

private:
  KernelObject object;
  LlvmModule device, host;
  const GpuTarget &target;
  const CpuTarget &hostTarget;
  const ImageFormat format;
};

/// Makes the ops' locations part of the LLVM IR, where the emulator finds the user's lines.
LogicalResult addDebugLocations(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.enableVerifier(false);
  passes.addPass(LLVM::createDIScopeForLLVMFuncOpPass());
  return passes.run(module);
}

class DeviceBackend : public KernelBackend {
public:
  DeviceBackend(Device &device, GpuTarget target, const CpuTarget &host)
      : device(device), target(std::move(target)), host(host) {}

  std::string key() const override {
    const char *format = device.imageFormat() == ImageFormat::LlvmBitcode ? "/bitcode" : "";
    return target.name() + format + "/" + host.key();
  }

  std::unique_ptr<EmittedKernel> emit(KernelOp kernel) override {
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    std::string name = kernel.getSymName().str();
    DiagnosticCollector diagnostics(*kernel.getContext());
    auto check = [&](bool success, const char *step) {
      if (!success)
        throw Error(Error::Kind::Unsupported,
                    diagnostics.text("kernel " + name + " could not be " + step));
    };
    check(succeeded(emitGpuKernel(kernel, *module)), "emitted for a GPU");
    expandMath(*module);
    check(succeeded(lowerToNVVM(*module)), "lowered to the NVVM dialect");
    if (device.imageFormat() == ImageFormat::LlvmBitcode)
      check(succeeded(addDebugLocations(*module)), "given debug locations");
    GpuKernel description = gpuKernelsOf(*module).front();
    KernelObject object{
        name, static_cast<int64_t>(description.stages.size()), description.temporaries, {}};
    object.deviceStages = description.stages;
    std::optional<LlvmModule> forDevice = translateDevice(*module),
                              forHost = translateHost(*module);
    check(forDevice && forHost, "translated to LLVM IR");
    return std::make_unique<EmittedDeviceKernel>(std::move(object), std::move(*forDevice),
                                                 std::move(*forHost), target, host,
                                                 device.imageFormat());
  }

  std::shared_ptr<const KernelCode> load(const KernelObject &object) override {
    std::shared_ptr<KernelCode> code = loader.load(object);
    code->deviceModule = device.load(object.image);
    for (const GpuStage &stage : object.deviceStages)
      code->deviceStages.push_back(&code->deviceModule->function(
          stage.entry, static_cast<uint32_t>(stage.threads),
          static_cast<uint32_t>(stage.sharedBytes), stage.tensorMaps));
    return code;
  }

private:
  Device &device;
  const GpuTarget target;
  const CpuTarget &host;
  KernelLoader loader;
};

} // namespace

std::unique_ptr<KernelBackend> makeDeviceBackend(Device &device, const CpuTarget &host) {
  std::optional<GpuTarget> target = GpuTarget::byName(device.target());
  if (!target)
    throw Error(Error::Kind::Unsupported,
                device.name() + ": no code can be generated for " + device.target());
  return std::make_unique<DeviceBackend>(device, std::move(*target), host);
}

} // namespace weft
