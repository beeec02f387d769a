// From a module of the LLVM dialect to object code.
#include "codegen/CPU/ObjectCode.h"
#include "codegen/CPU/ExpandMissing.h"
#include "codegen/CPU/FunctionPasses.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

namespace weft {

LlvmModule::LlvmModule() : context(std::make_unique<llvm::LLVMContext>()) {}
LlvmModule::LlvmModule(LlvmModule &&) noexcept = default;
LlvmModule &LlvmModule::operator=(LlvmModule &&other) noexcept {
  module = std::move(other.module); // before the context that owns the old one
  context = std::move(other.context);
  return *this;
}
LlvmModule::~LlvmModule() {
  module.reset(); // before its context
}

LlvmModule translate(mlir::ModuleOp module) {
  LlvmModule result;
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  result.module = mlir::translateModuleToLLVMIR(module, *result.context, "weft",
                                                /*disableVerification=*/true);
  if (!result.module)
    throw Error(Error::Kind::Unsupported, "the program could not be translated to LLVM IR");
  return result;
}

KernelObject describeKernel(mlir::ModuleOp module) {
  for (auto setup : module.getOps<mlir::LLVM::LLVMFuncOp>())
    if (auto stages = setup->getAttrOfType<mlir::IntegerAttr>("weft.stages")) {
      KernelObject object;
      object.name = setup.getSymName().drop_back(llvm::StringRef("_setup").size()).str();
      object.stages = stages.getInt();
      object.temporaries = setup->getAttrOfType<mlir::IntegerAttr>("weft.temporaries").getInt();
      return object;
    }
  llvm_unreachable("each kernel has a set-up");
}

/// Keeps selections of widened floats apart from the widening. instcombine (LLVM 22) otherwise
/// selects before it, and takes x > 0 ? 0 : x for x >= 0 ? 0 : x there: -0 becomes 0.
static void fenceWidenedSelections(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
      auto *widened = llvm::dyn_cast<llvm::FPExtInst>(&instruction);
      if (!widened)
        continue;
      llvm::SmallVector<llvm::Use *> uses;
      for (llvm::Use &use : widened->uses())
        if (llvm::isa<llvm::SelectInst>(use.getUser()))
          uses.push_back(&use);
      if (uses.empty())
        continue;
      llvm::IRBuilder<> builder(widened->getNextNode());
      llvm::Value *fence = builder.CreateIntrinsic(llvm::Intrinsic::arithmetic_fence,
                                                   {widened->getType()}, {widened});
      for (llvm::Use *use : uses)
        use->set(fence);
    }
}

/// The loops are final: only what emission leaves to clean up is run.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  fenceWidenedSelections(module);
  runPipeline(module, machine,
              "function(early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,"
              "loop-mssa(licm),early-cse)");
}

static std::unique_ptr<llvm::TargetMachine> prepare(LlvmModule &module, const CpuTarget &target) {
  std::unique_ptr<llvm::TargetMachine> machine = target.createMachine();
  module.module->setTargetTriple(machine->getTargetTriple());
  module.module->setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : *module.module)
    if (!function.isDeclaration()) {
      function.addFnAttr("prefer-vector-width", "512");
      // Tables for exceptions would call what controllers do not have.
      if (!target.hasSystem())
        function.setDoesNotThrow();
    }
  expandMissing(*module.module, *machine);
  optimize(*module.module, *machine);
  return machine;
}

llvm::SmallVector<char, 0> generateCode(LlvmModule &module, const CpuTarget &target,
                                        CodeFormat format) {
  std::unique_ptr<llvm::TargetMachine> machine = prepare(module, target);
  llvm::SmallVector<char, 0> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  auto type = format == CodeFormat::Object ? llvm::CodeGenFileType::ObjectFile
                                           : llvm::CodeGenFileType::AssemblyFile;
  machine->addPassesToEmitFile(passes, stream, nullptr, type);
  passes.run(*module.module);
  return code;
}

std::string optimizedText(LlvmModule &module, const CpuTarget &target) {
  prepare(module, target);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.module->print(stream, nullptr);
  return text;
}

} // namespace weft
