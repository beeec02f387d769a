// From a module of the LLVM and NVVM dialects to PTX.
#include "codegen/NVPTX/Ptx.h"
#include "codegen/CPU/FunctionPasses.h"
#include "codegen/NVPTX/FaultSiteAttribute.h"
#include "codegen/NVPTX/TensorMapAttribute.h"
#include "lib/Support/Error.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace weft {

static bool isOnDevice(LLVM::LLVMFuncOp function) { return function->hasAttr("weft.threads"); }

std::vector<GpuKernel> gpuKernelsOf(ModuleOp module) {
  std::vector<GpuKernel> kernels;
  for (auto setup : module.getOps<LLVM::LLVMFuncOp>()) {
    auto stages = setup->getAttrOfType<IntegerAttr>("weft.stages");
    if (!stages)
      continue;
    GpuKernel &kernel = kernels.emplace_back();
    kernel.setup = setup.getSymName().str();
    kernel.name = setup.getSymName().drop_back(StringRef("_setup").size()).str();
    kernel.temporaries = setup->getAttrOfType<IntegerAttr>("weft.temporaries").getInt();
    for (int64_t number = 0; number < stages.getInt(); ++number) {
      GpuStage &stage = kernel.stages.emplace_back();
      stage.entry = kernel.name + "_" + std::to_string(number);
      auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(stage.entry);
      stage.threads = function->getAttrOfType<IntegerAttr>("weft.threads").getInt();
      stage.sharedBytes = function->getAttrOfType<IntegerAttr>("weft.shared_bytes").getInt();
      stage.faultSites = faultSitesOf(function->getAttrOfType<ArrayAttr>(faultSitesName));
      stage.tensorMaps = tensorMapsOf(function->getAttrOfType<ArrayAttr>(tensorMapsName));
    }
  }
  return kernels;
}

static LlvmModule translatePart(ModuleOp module, bool onDevice) {
  OwningOpRef<ModuleOp> part = module.clone();
  for (auto function : llvm::make_early_inc_range(part->getOps<LLVM::LLVMFuncOp>()))
    if (isOnDevice(function) != onDevice)
      function.erase();
  if (!onDevice)
    for (auto memory : llvm::make_early_inc_range(part->getOps<LLVM::GlobalOp>()))
      memory.erase();
  registerNVVMDialectTranslation(*module.getContext());
  return translate(*part);
}

LlvmModule translateDevice(ModuleOp module) { return translatePart(module, true); }
LlvmModule translateHost(ModuleOp module) { return translatePart(module, false); }

static void checkCalls(const llvm::Module &module) {
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic())
      throw Error(Error::Kind::Unsupported,
                  "the GPU code calls " + function.getName().str() +
                      ", which no library provides; the operation needs an expansion in "
                      "codegen/Loops/VectorMath.h");
}

/// A schedule that was chosen for another GPU may need what this one lacks.
static void checkTarget(const llvm::Module &module, const GpuTarget &target) {
  if (target.hasWarpgroups())
    return;
  for (const llvm::Function &function : module)
    if (function.getName().starts_with("llvm.nvvm.wgmma."))
      for (const llvm::User *user : function.users())
        throw Error(Error::Kind::Unsupported,
                    "the kernel " +
                        llvm::cast<llvm::Instruction>(user)->getFunction()->getName().str() +
                        " multiplies by warpgroups, which " + target.name() +
                        " does not have; its schedule was chosen for cuda:sm_90a");
}

/// The loops are final; ptxas unrolls and schedules. Only what emission leaves is cleaned up.
static void runPasses(llvm::Module &module, llvm::TargetMachine &machine) {
  runPipeline(module, machine,
              "function(early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,"
              "early-cse,instcombine<no-verify-fixpoint>)");
}

static std::unique_ptr<llvm::TargetMachine> prepare(LlvmModule &module, const GpuTarget &target) {
  std::unique_ptr<llvm::TargetMachine> machine = target.createMachine();
  if (!machine)
    throw Error(Error::Kind::Unsupported, "this build of LLVM has no back end for " +
                                              target.name() + "; build Weft with LLVM's NVPTX");
  module.module->setTargetTriple(machine->getTargetTriple());
  module.module->setDataLayout(machine->createDataLayout());
  checkTarget(*module.module, target);
  runPasses(*module.module, *machine);
  checkCalls(*module.module);
  return machine;
}

void optimizeForGpu(LlvmModule &module, const GpuTarget &target) { prepare(module, target); }

std::string optimizedText(LlvmModule &module, const GpuTarget &target) {
  prepare(module, target);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.module->print(stream, nullptr);
  return text;
}

std::string generatePtx(LlvmModule &module, const GpuTarget &target) {
  std::unique_ptr<llvm::TargetMachine> machine = prepare(module, target);
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile);
  passes.run(*module.module);
  return std::string(text.begin(), text.end());
}

} // namespace weft
