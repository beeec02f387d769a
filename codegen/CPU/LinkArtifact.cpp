// Completes the module of an object.
#include "codegen/CPU/LinkArtifact.h"
#include "codegen/CPU/ExpandMissing.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"
#include "llvm/Transforms/IPO/Internalize.h"
#include "llvm/Transforms/Scalar/LowerAtomicPass.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

namespace weft {

/// Code is for the target's processor, whatever the C was compiled for.
static void dropProcessor(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::StringRef attribute : {"target-cpu", "target-features", "tune-cpu", "frame-pointer"})
      function.removeFnAttr(attribute);
}

static std::string linkBitcode(llvm::Module &module, llvm::MemoryBufferRef bitcode) {
  auto part = llvm::parseBitcodeFile(bitcode, module.getContext());
  if (!part)
    return llvm::toString(part.takeError());
  dropProcessor(**part);
  // The vendor in the name of the system may differ, which means nothing.
  (*part)->setTargetTriple(module.getTargetTriple());
  (*part)->setDataLayout(module.getDataLayout());
  return llvm::Linker::linkModules(module, std::move(*part)) ? "its parts do not fit together" : "";
}

static void addMetadata(llvm::Module &module, const ArtifactParts &parts) {
  if (module.getTargetTriple().isWasm()) {
    llvm::LLVMContext &context = module.getContext();
    module.getOrInsertNamedMetadata("wasm.custom_sections")
        ->addOperand(
            llvm::MDNode::get(context, {llvm::MDString::get(context, parts.metadataSection),
                                        llvm::MDString::get(context, parts.metadata)}));
    return;
  }
  auto *bytes = llvm::ConstantDataArray::getString(module.getContext(), parts.metadata,
                                                   /*AddNull=*/false);
  auto *global =
      new llvm::GlobalVariable(module, bytes->getType(), /*isConstant=*/true,
                               llvm::GlobalValue::PrivateLinkage, bytes, "weft.metadata");
  global->setSection(parts.metadataSection);
  global->setAlignment(llvm::Align(8));
  // A controller's memory is for the program alone: its linker leaves the section out.
  if (!module.getTargetTriple().isOSLinux())
    global->setMetadata(llvm::LLVMContext::MD_exclude, llvm::MDNode::get(module.getContext(), {}));
  // Kept by linkers that drop unused sections, too.
  llvm::appendToUsed(module, {global});
}

std::string linkArtifact(LlvmModule &module, const CpuTarget &target, const ArtifactParts &parts) {
  llvm::Module &llvmModule = *module.module;
  std::unique_ptr<llvm::TargetMachine> machine = target.createMachine();
  llvmModule.setTargetTriple(machine->getTargetTriple());
  llvmModule.setDataLayout(machine->createDataLayout());
  for (llvm::MemoryBufferRef bitcode : parts.bitcode)
    if (std::string error = linkBitcode(llvmModule, bitcode); !error.empty())
      return error;
  // Before what nobody calls is dropped: expansions may call functions of the parts.
  expandMissing(llvmModule, *machine);
  // One thread needs no atomic accesses, which are calls of a library where they are wide.
  if (!target.hasSystem()) {
    llvm::FunctionAnalysisManager none;
    for (llvm::Function &function : llvmModule)
      llvm::LowerAtomicPass().run(function, none);
  }
  if (!parts.metadata.empty())
    addMetadata(llvmModule, parts);
  llvm::StringSet<> entries;
  for (const std::string &name : parts.entries)
    entries.insert(name);
  for (const std::string &name : parts.entries)
    if (llvm::Function *entry = llvmModule.getFunction(name))
      entry->setVisibility(llvm::GlobalValue::DefaultVisibility);
  llvm::internalizeModule(llvmModule, [&](const llvm::GlobalValue &value) {
    return entries.contains(value.getName()) || value.getName().starts_with("llvm.");
  });
  llvm::ModuleAnalysisManager analyses;
  llvm::GlobalDCEPass().run(llvmModule, analyses);
  std::string error;
  llvm::raw_string_ostream stream(error);
  llvm::verifyModule(llvmModule, &stream);
  return error;
}

} // namespace weft
