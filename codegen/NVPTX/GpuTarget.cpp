// The GPU that code is generated for.
#include "codegen/NVPTX/GpuTarget.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/NVPTX/JitLink.h"
#include "codegen/NVPTX/Ptx.h"
#include "codegen/Passes.h"
#include "codegen/Templates/KernelTemplate.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

// LLVM declares the initialisers of all its targets in one header, for targets that are linked;
// only these are.
extern "C" {
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace weft {

namespace {

struct KnownChip {
  llvm::StringLiteral chip, features;
};
/// The oldest PTX version that knows all instructions that the templates use on the chip, so that
/// older drivers accept the text.
constexpr KnownChip knownChips[] = {{"sm_80", "+ptx78"}, {"sm_90a", "+ptx80"}};

} // namespace

bool GpuTarget::isGpuName(llvm::StringRef name) { return name.starts_with("cuda"); }

static std::vector<GpuTarget> makeTargets() {
  std::vector<GpuTarget> targets;
  for (const KnownChip &known : knownChips) {
    GpuTarget &target = targets.emplace_back();
    target.targetName = ("cuda:" + known.chip).str();
    target.chip = known.chip.str();
    target.features = known.features.str();
  }
  return targets;
}

const GpuTarget *GpuTarget::byName(llvm::StringRef name) {
  // Never destroyed: threads may outlive static destructors.
  static const auto &targets = *new std::vector<GpuTarget>(makeTargets());
  for (const GpuTarget &target : targets)
    if (target.name() == name)
      return &target;
  return nullptr;
}

std::string GpuTarget::names() {
  std::string text;
  for (const KnownChip &known : knownChips)
    text += (text.empty() ? "cuda:" : ", cuda:") + known.chip.str();
  return text;
}

std::unique_ptr<llvm::TargetMachine> GpuTarget::createMachine() const {
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  std::string error;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // What is written is what is computed: a product and a sum stay two roundings.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, chip, features, options, llvm::Reloc::PIC_, std::nullopt,
                                  llvm::CodeGenOptLevel::Aggressive));
}

std::string GpuTarget::key() const {
  return targetName + (isEmulated ? "/bitcode" : "") + "/" + host->key();
}

ScheduleAttrInterface GpuTarget::choose(const KernelTemplate &kind, KernelOp kernel,
                                        LaunchOp launch) const {
  return kind.choose(kernel, launch, *this);
}

llvm::LogicalResult GpuTarget::emit(const KernelTemplate &kind, KernelOp kernel,
                                    mlir::ModuleOp module) const {
  if (failed(kind.verify(kernel, *this)))
    return llvm::failure();
  GpuEmitter emitter(kernel, mlir::OpBuilder::atBlockEnd(module.getBody()));
  kind.emit(emitter);
  return emitter.finish();
}

void GpuTarget::addLowering(mlir::OpPassManager &passes) const {
  passes.addPass(createExpandRemainders());
  passes.addPass(createLowerToNVVM());
  // The ops' locations become part of the LLVM IR, where the emulator finds the user's lines.
  if (isEmulated)
    passes.addPass(mlir::LLVM::createDIScopeForLLVMFuncOpPass());
}

namespace {

class TranslatedGpuKernel : public TranslatedKernel {
public:
  TranslatedGpuKernel(KernelObject object, LlvmModule device, LlvmModule host,
                      const GpuTarget &target)
      : object(std::move(object)),
        device(std::move(device)),
        host(std::move(host)),
        target(target) {}

  KernelObject assemble() override {
    object.code = generateCode(host, *target.host, CodeFormat::Object);
    object.image = target.isEmulated ? bitcode() : machineCode();
    return std::move(object);
  }

private:
  std::string bitcode() {
    optimizeForGpu(device, target);
    std::string bytes;
    llvm::raw_string_ostream stream(bytes);
    llvm::WriteBitcodeToFile(*device.module, stream);
    return bytes;
  }

  /// Without an assembler here the driver gets the text, and assembles it itself.
  std::string machineCode() {
    std::string text = generatePtx(device, target);
    if (canLinkInProcess())
      return linkInProcess(text, target);
    return canAssemble() ? weft::assemble(text, target).cubin : text;
  }

  KernelObject object;
  LlvmModule device, host;
  const GpuTarget &target;
};

} // namespace

std::unique_ptr<TranslatedKernel> GpuTarget::translateKernel(mlir::ModuleOp module) const {
  KernelObject object = describeKernel(module);
  object.deviceStages = gpuKernelsOf(module).front().stages;
  return std::make_unique<TranslatedGpuKernel>(std::move(object), translateDevice(module),
                                               translateHost(module), *this);
}

std::string GpuTarget::llvmText(mlir::ModuleOp module) const {
  LlvmModule device = translateDevice(module);
  return optimizedText(device, *this);
}

std::string GpuTarget::assemblyText(mlir::ModuleOp module) const {
  LlvmModule device = translateDevice(module);
  return generatePtx(device, *this);
}

} // namespace weft
