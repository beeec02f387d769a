// The processor that code is generated for.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/CPU/ObjectCode.h"
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/Passes.h"
#include "codegen/Templates/KernelTemplate.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <thread>

namespace weft {

static void initializeTargets() {
  static const bool done = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeARMTargetInfo();
    LLVMInitializeARMTarget();
    LLVMInitializeARMTargetMC();
    LLVMInitializeARMAsmPrinter();
    LLVMInitializeRISCVTargetInfo();
    LLVMInitializeRISCVTarget();
    LLVMInitializeRISCVTargetMC();
    LLVMInitializeRISCVAsmPrinter();
    LLVMInitializeWebAssemblyTargetInfo();
    LLVMInitializeWebAssemblyTarget();
    LLVMInitializeWebAssemblyTargetMC();
    LLVMInitializeWebAssemblyAsmPrinter();
    return true;
  }();
  (void)done;
}

static void setRegisters(CpuTarget &target, bool avx512, bool avx) {
  target.vectorRegisters = avx512 ? 32 : 16;
  target.registerBytes = avx512 ? 64 : avx ? 32 : 16;
}

/// Cores with registers of 16 bytes deliver as many registers from a cache, not as many bytes.
static CoreFacts coreOf(const CpuTarget &target) {
  CoreFacts core;
  if (target.registerBytes <= 16)
    core.level2Bytes = 16;
  return core;
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
    host.caches = readCacheSizes();
    host.core = coreOf(host);
    host.cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    return host;
  }();
  return target;
}

namespace {

/// A target that has a name. Objects are for Linux or no system at all, in ELF, or for WebAssembly.
struct NamedTarget {
  llvm::StringRef name, triple, processor, meaning;
  int64_t vectorRegisters, registerBytes;
  llvm::StringRef features = "";
};

} // namespace

static constexpr llvm::StringLiteral x86Linux = "x86_64-unknown-linux-gnu";
static constexpr llvm::StringLiteral armLinux = "aarch64-unknown-linux-gnu";
static constexpr llvm::StringLiteral riscvLinux = "riscv64-unknown-linux-gnu";
static constexpr llvm::StringLiteral armBare = "thumbv7em-none-unknown-eabihf";
static constexpr llvm::StringLiteral armBareV8 = "thumbv8m.main-none-unknown-eabihf";
static constexpr llvm::StringLiteral webAssembly = "wasm32-unknown-unknown";
/// Of the 16 of x86 engines keep one for themselves, products that are rounded take one, and the
/// rest they use less well than LLVM: tiles of 6 x 2 registers take 1.6 times as long as of 4 x 2.
static constexpr int64_t webAssemblyRegisters = 13;
static constexpr NamedTarget namedTargets[] = {
    {"x86-64-v3", x86Linux, "x86-64-v3", "64-bit x86 with AVX2 and FMA: Intel and AMD since 2015",
     16, 32},
    {"x86-64-v4", x86Linux, "x86-64-v4", "64-bit x86 with AVX-512: Intel servers, AMD since Zen 4",
     32, 64},
    {"aarch64", armLinux, "generic", "any 64-bit ARM with NEON", 32, 16},
    {"cortex-a72", armLinux, "cortex-a72", "64-bit ARM as in the Raspberry Pi 4", 32, 16},
    {"cortex-a76", armLinux, "cortex-a76", "64-bit ARM as in the Raspberry Pi 5", 32, 16},
    {"neoverse-n1", armLinux, "neoverse-n1", "64-bit ARM servers: AWS Graviton 2, Ampere Altra", 32,
     16},
    {"neoverse-v2", armLinux, "neoverse-v2", "64-bit ARM servers: AWS Graviton 4, NVIDIA Grace", 32,
     16},
    {"riscv64", riscvLinux, "generic-rv64", "64-bit RISC-V with vectors: rv64gcv, RVA23", 32, 16,
     "+m,+a,+f,+d,+c,+v,+zihintpause"},
    {"cortex-m4", armBare, "cortex-m4", "32-bit ARM controllers with a unit for floats, no system",
     32, 4},
    {"cortex-m7", armBare, "cortex-m7", "the same with a unit for doubles", 32, 4},
    {"cortex-m33", armBareV8, "cortex-m33", "the same with a unit for floats, of 2016 and later",
     32, 4},
    {"wasm32", webAssembly, "generic", "WebAssembly with SIMD: browsers since 2023, Node.js",
     webAssemblyRegisters, 16,
     "+simd128,+bulk-memory,+bulk-memory-opt,+nontrapping-fptoint,+sign-ext,+mutable-globals"}};

/// What processors of today's servers and desktops have at least.
static constexpr CacheSizes usualCaches = {32 << 10, 512 << 10, 8 << 20};
/// Of controllers: what may lie on the stack, which is small, counts as the first cache.
static constexpr CacheSizes smallCaches = {2 << 10, 32 << 10, 256 << 10};

static llvm::StringMap<CpuTarget> makeNamedTargets() {
  llvm::StringMap<CpuTarget> targets;
  for (const NamedTarget &known : namedTargets) {
    CpuTarget &target = targets[known.name];
    target.targetName = known.name.str();
    target.triple = known.triple.str();
    target.processor = known.processor.str();
    target.features = known.features.str();
    target.vectorRegisters = known.vectorRegisters;
    target.registerBytes = known.registerBytes;
    target.caches = target.hasSystem() || target.isWebAssembly() ? usualCaches : smallCaches;
    target.core = coreOf(target);
  }
  return targets;
}

const CpuTarget *CpuTarget::byName(llvm::StringRef name) {
  if (name == "native")
    return &host();
  // Never destroyed: threads may outlive static destructors.
  static const auto &targets = *new llvm::StringMap<CpuTarget>(makeNamedTargets());
  auto found = targets.find(name);
  return found == targets.end() ? nullptr : &found->second;
}

std::string CpuTarget::names() {
  std::string text = "native";
  for (const NamedTarget &target : namedTargets)
    text += ", " + target.name.str();
  return text;
}

std::string CpuTarget::listing() {
  std::string text = "  native       this machine\n";
  for (const NamedTarget &target : namedTargets)
    text += "  " + target.name.str() + std::string(13 - target.name.size(), ' ') +
            target.meaning.str() + "\n";
  return text;
}

bool CpuTarget::hasSystem() const { return llvm::Triple(triple).isOSLinux(); }

bool CpuTarget::isWebAssembly() const { return llvm::Triple(triple).isWasm(); }

bool CpuTarget::isHostArchitecture() const {
  return llvm::Triple(triple).getArch() == llvm::Triple(llvm::sys::getProcessTriple()).getArch();
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
  if (parsed.isRISCV())
    options.MCOptions.ABIName = "lp64d";
  // So that linkers leave out what nobody calls, where memory is dear.
  options.FunctionSections = options.DataSections = parsed.isThumb();
  // Without a system, programs lie where they were linked; position-independent WebAssembly is for
  // modules that are loaded into others.
  llvm::Reloc::Model relocation = hasSystem() ? llvm::Reloc::PIC_ : llvm::Reloc::Static;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(parsed, processor, features, options, relocation, std::nullopt,
                                  llvm::CodeGenOptLevel::Default));
}

ScheduleAttrInterface CpuTarget::choose(const KernelTemplate &kind, KernelOp kernel,
                                        LaunchOp launch) const {
  return kind.choose(kernel, launch, *this);
}

/// Rounds products before they are added. Before functions of numbers are expanded, which need
/// exact remainders, only sums of products multiply and add.
static void splitSumsOfProducts(mlir::Operation *function) {
  function->walk([](mlir::math::FmaOp op) {
    mlir::OpBuilder builder(op);
    mlir::Value product = mlir::arith::MulFOp::create(builder, op.getLoc(), op.getA(), op.getB());
    op.replaceAllUsesWith(
        mlir::arith::AddFOp::create(builder, op.getLoc(), product, op.getC()).getResult());
    op.erase();
  });
}

llvm::LogicalResult CpuTarget::emit(const KernelTemplate &kind, KernelOp kernel,
                                    mlir::ModuleOp module) const {
  if (failed(kind.verify(kernel, *this)))
    return llvm::failure();
  mlir::Block *body = module.getBody();
  mlir::Operation *before = body->empty() ? nullptr : &body->back();
  KernelEmitter emitter(kernel, mlir::OpBuilder::atBlockEnd(body));
  kind.emit(emitter);
  if (failed(emitter.finish()))
    return llvm::failure();
  if (isWebAssembly())
    for (mlir::Operation *op = before ? before->getNextNode() : &body->front(); op;
         op = op->getNextNode())
      splitSumsOfProducts(op);
  return llvm::success();
}

void CpuTarget::addLowering(mlir::OpPassManager &passes) const {
  passes.addPass(createLowerToLLVM());
}

namespace {

class TranslatedCpuKernel : public TranslatedKernel {
public:
  TranslatedCpuKernel(KernelObject object, LlvmModule module, const CpuTarget &target)
      : object(std::move(object)), module(std::move(module)), target(target) {}

  KernelObject assemble() override {
    object.code = generateCode(module, target, CodeFormat::Object);
    return std::move(object);
  }

private:
  KernelObject object;
  LlvmModule module;
  const CpuTarget &target;
};

} // namespace

std::unique_ptr<TranslatedKernel> CpuTarget::translateKernel(mlir::ModuleOp module) const {
  return std::make_unique<TranslatedCpuKernel>(describeKernel(module), translate(module), *this);
}

std::string CpuTarget::llvmText(mlir::ModuleOp module) const {
  LlvmModule translated = translate(module);
  return optimizedText(translated, *this);
}

std::string CpuTarget::assemblyText(mlir::ModuleOp module) const {
  LlvmModule translated = translate(module);
  auto code = generateCode(translated, *this, CodeFormat::Assembly);
  return std::string(code.begin(), code.end());
}

} // namespace weft
