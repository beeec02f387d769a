// Kernels for the processor of this process.
#include "codegen/CPU/ObjectCode.h"
#include "codegen/Passes.h"
#include "lib/Compiler/KernelBackend.h"
#include "lib/Support/Error.h"

using namespace mlir;

namespace weft {
namespace {

class EmittedCpuKernel : public EmittedKernel {
public:
  EmittedCpuKernel(KernelObject object, LlvmModule module, const CpuTarget &target)
      : object(std::move(object)), module(std::move(module)), target(target) {}

  KernelObject generate() override {
    object.code = generateCode(module, target, CodeFormat::Object);
    return std::move(object);
  }

private:
  KernelObject object;
  LlvmModule module;
  const CpuTarget &target;
};

class CpuBackend : public KernelBackend {
public:
  explicit CpuBackend(const CpuTarget &target) : target(target) {}

  std::string key() const override { return target.key(); }

  std::unique_ptr<EmittedKernel> emit(KernelOp kernel) override {
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    KernelObject object;
    object.name = kernel.getSymName().str();
    auto check = [&](bool success, const char *step) {
      if (!success)
        throw Error(Error::Kind::Unsupported, "kernel " + object.name + " could not be " + step);
    };
    check(succeeded(emitKernel(kernel, *module)), "emitted as loops");
    auto setup = module->lookupSymbol<func::FuncOp>(object.name + "_setup");
    object.stages = setup->getAttrOfType<IntegerAttr>("weft.stages").getInt();
    object.temporaries = setup->getAttrOfType<IntegerAttr>("weft.temporaries").getInt();
    expandMath(*module);
    check(succeeded(lowerToLLVM(*module)), "lowered to the LLVM dialect");
    std::optional<LlvmModule> translated = translate(*module);
    check(translated.has_value(), "translated to LLVM IR");
    return std::make_unique<EmittedCpuKernel>(std::move(object), std::move(*translated), target);
  }

  std::shared_ptr<const KernelCode> load(const KernelObject &object) override {
    return loader.load(object);
  }

private:
  const CpuTarget &target;
  KernelLoader loader;
};

} // namespace

std::unique_ptr<KernelBackend> makeCpuBackend(const CpuTarget &target) {
  return std::make_unique<CpuBackend>(target);
}

} // namespace weft
