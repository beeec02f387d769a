// Keeps one of kernels that are equal, and names it by its contents.
//
//   weft.launch @kernel_0(%x) ...        weft.launch @map_exp_5d41402abc4b2a76(%x) ...
//   weft.launch @kernel_1(%y) ...  ->    weft.launch @map_exp_5d41402abc4b2a76(%y) ...
//
// The name is the key of the kernel cache: it depends on ops, dtypes, ranks and schedule, not on
// sizes, and not on where in the user's program the kernel comes from.
#include "passes/Passes.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_DEDUPLICATEKERNELS
#include "passes/Passes.h.inc"

namespace {

std::string textOf(KernelOp kernel) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  kernel.setSymName("kernel");
  kernel->print(stream, OpPrintingFlags().useLocalScope().assumeVerified());
  return text;
}

/// "add_exp_32hex": the ops of the kernel, at most four, without those that only supply operands,
/// and the hash of its text.
std::string nameOf(KernelOp kernel, StringRef text) {
  std::string name;
  SmallVector<StringRef> words, supplying;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    auto indexed = dyn_cast<IndexedOpInterface>(op);
    bool supplies = isa<ConstantOp>(op) || (indexed && indexed.getInstructionCount() == 0);
    (supplies ? supplying : words).push_back(op.getName().stripDialect());
  }
  if (words.empty())
    words = supplying;
  for (StringRef word : ArrayRef<StringRef>(words).take_back(4))
    name += (word + "_").str();
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(text));
  return name + llvm::utohexstr(hash.high64, /*LowerCase=*/true, 16) +
         llvm::utohexstr(hash.low64, /*LowerCase=*/true, 16);
}

struct DeduplicateKernels : impl::DeduplicateKernelsBase<DeduplicateKernels> {
  using DeduplicateKernelsBase::DeduplicateKernelsBase;

  void runOnOperation() override {
    llvm::StringMap<SmallVector<LaunchOp>> launches;
    getOperation().walk([&](LaunchOp launch) { launches[launch.getKernel()].push_back(launch); });
    llvm::StringMap<std::string> names;
    for (KernelOp kernel : llvm::make_early_inc_range(getOperation().getOps<KernelOp>())) {
      std::string oldName = kernel.getSymName().str();
      std::string text = textOf(kernel);
      auto [found, isNew] = names.try_emplace(text, "");
      if (isNew)
        found->second = nameOf(kernel, text);
      for (LaunchOp launch : launches[oldName])
        launch.setKernel(found->second);
      if (isNew)
        kernel.setSymName(found->second);
      else
        kernel.erase();
    }
  }
};

} // namespace
} // namespace weft
