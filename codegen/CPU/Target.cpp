// The processor that code is generated for.
#include "codegen/CPU/Target.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

namespace weft {

static void initializeTargets() {
  static const bool done = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)done;
}

static void setRegisters(CpuTarget &target, bool avx512, bool avx) {
  target.vectorRegisters = avx512 ? 32 : 16;
  target.registerBytes = avx512 ? 64 : avx ? 32 : 16;
}

const CpuTarget &CpuTarget::host() {
  static const CpuTarget target = [] {
    CpuTarget host;
    host.triple = llvm::sys::getProcessTriple();
    llvm::Triple triple(host.triple);
    host.processor = triple.isX86() ? "x86-64" : "generic";
    llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
    std::vector<std::string> names;
    for (const auto &feature : features)
      if (feature.second && !feature.first().starts_with("amx"))
        names.push_back("+" + feature.first().str());
    std::sort(names.begin(), names.end());
    for (const std::string &name : names)
      host.features += (host.features.empty() ? "" : ",") + name;
    auto has = [&](const char *name) { return features.lookup(name); };
    if (triple.isX86())
      setRegisters(host, has("avx512f") && has("avx512vl") && has("avx512dq") && has("avx512bw"),
                   has("avx2"));
    else
      host.vectorRegisters = 32, host.registerBytes = 16;
    return host;
  }();
  return target;
}

std::optional<CpuTarget> CpuTarget::byName(llvm::StringRef name) {
  if (name == "native")
    return host();
  CpuTarget target;
  target.triple = llvm::sys::getProcessTriple();
  target.processor = name.str();
  if (name == "x86-64-v4")
    setRegisters(target, true, true);
  else if (name == "x86-64-v3")
    setRegisters(target, false, true);
  else
    return std::nullopt;
  return target;
}

std::unique_ptr<llvm::TargetMachine> CpuTarget::createMachine() const {
  initializeTargets();
  std::string error;
  llvm::Triple parsed(triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(parsed, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(parsed, processor, features, options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Default));
}

} // namespace weft
