// Each distinct kernel is compiled once.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/DiskCache.h"
#include "lib/Compiler/KernelBackend.h"
#include "lib/Support/LeastRecentlyUsed.h"

namespace weft {

/// Kernels by name, which says what they compute: those of this process, then those on disk, then
/// the compiler. Of those that were not used for longest only as many are kept as programs hold.
class KernelCache {
public:
  static constexpr size_t mostKernels = 4096;

  /// `packaged`: the folder of kernels that were built with the package, or empty. `capacity`: how
  /// many kernels are kept in memory.
  KernelCache(std::unique_ptr<KernelBackend> backend, Statistics &statistics,
              const std::string &packaged, size_t capacity = mostKernels);

  /// The code of each kernel. What must be compiled is compiled on all threads of the pool. Throws
  /// weft::Error.
  std::vector<std::shared_ptr<const KernelCode>> get(llvm::ArrayRef<KernelOp> kernels);

private:
  std::shared_ptr<const KernelCode> fromDisk(const std::string &name);
  std::vector<KernelObject> compile(llvm::ArrayRef<KernelOp> kernels);

  std::unique_ptr<KernelBackend> backend;
  Statistics &statistics;
  DiskCache disk;
  int64_t countedFailures = 0;
  LeastRecentlyUsed<std::string, std::shared_ptr<const KernelCode>> loaded;
};

} // namespace weft
