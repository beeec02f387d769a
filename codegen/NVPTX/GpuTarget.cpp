// The GPU that code is generated for.
#include "codegen/NVPTX/GpuTarget.h"
#include "llvm/ADT/StringExtras.h"
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

std::optional<GpuTarget> GpuTarget::byName(llvm::StringRef name) {
  if (!name.consume_front("cuda:"))
    return std::nullopt;
  for (const KnownChip &known : knownChips)
    if (known.chip == name)
      return GpuTarget{known.chip.str(), known.features.str()};
  return std::nullopt;
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

} // namespace weft
