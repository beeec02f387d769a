// How kernels become code that runs.
#include "lib/Compiler/KernelBackend.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Support/Error.h"

using namespace mlir;

namespace weft {
namespace {

/// One for all kinds of targets.
class Backend : public KernelBackend {
public:
  explicit Backend(const Target &target) : target(target) {}

  std::string key() const override { return target.key(); }

  std::unique_ptr<TranslatedKernel> emit(KernelOp kernel) override {
    MLIRContext *context = kernel.getContext();
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    OpBuilder::atBlockEnd(module->getBody()).clone(*kernel);
    PassManager passes(context);
    passes.enableVerifier(false);
    buildPipeline(passes, target, Phase::Loops, Phase::Llvm);
    DiagnosticCollector diagnostics(*context);
    if (failed(passes.run(*module)))
      throw Error(Error::Kind::Unsupported,
                  diagnostics.text("kernel " + kernel.getSymName().str() +
                                   " could not be compiled for " + target.name()));
    return target.translateKernel(*module);
  }

  std::shared_ptr<const KernelCode> load(const KernelObject &object) override {
    return loader.load(object);
  }

protected:
  const Target &target;
  KernelLoader loader;
};

class DeviceBackend : public Backend {
public:
  DeviceBackend(Device &device, GpuTarget gpu)
      : Backend(this->gpu), device(device), gpu(std::move(gpu)) {}

  std::shared_ptr<const KernelCode> load(const KernelObject &object) override {
    std::shared_ptr<KernelCode> code = loader.load(object);
    code->deviceModule = device.load(object.image);
    for (const GpuStage &stage : object.deviceStages)
      code->deviceStages.push_back(&code->deviceModule->function(
          stage.entry, static_cast<uint32_t>(stage.threads),
          static_cast<uint32_t>(stage.sharedBytes), stage.tensorMaps, stage.faultSites));
    return code;
  }

private:
  Device &device;
  const GpuTarget gpu;
};

} // namespace

std::unique_ptr<KernelBackend> makeBackend(const CpuTarget &target) {
  return std::make_unique<Backend>(target);
}

std::unique_ptr<KernelBackend> makeBackend(Device &device, const CpuTarget &host) {
  return std::make_unique<DeviceBackend>(device, targetOf(device, host));
}

GpuTarget targetOf(const Device &device, const CpuTarget &host) {
  const GpuTarget *found = GpuTarget::byName(device.target());
  if (!found)
    throw Error(Error::Kind::Unsupported,
                device.name() + ": no code can be generated for " + device.target());
  GpuTarget target = *found;
  target.host = &host;
  target.isEmulated = device.imageFormat() == ImageFormat::LlvmBitcode;
  return target;
}

} // namespace weft
