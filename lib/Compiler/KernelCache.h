// Each distinct kernel is compiled once.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/DiskCache.h"
#include "lib/Compiler/KernelBackend.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// Kernels by name, which says what they compute: those of this process, then those on disk, then
/// the compiler.
class KernelCache {
public:
  /// `packaged`: the folder of kernels that were built with the package, or empty.
  KernelCache(std::unique_ptr<KernelBackend> backend, Statistics &statistics,
              const std::string &packaged);

  /// The code of each kernel. What must be compiled is compiled on all threads of the pool. Throws
  /// weft::Error.
  std::vector<std::shared_ptr<const KernelCode>> get(llvm::ArrayRef<KernelOp> kernels);

private:
  std::vector<KernelObject> compile(llvm::ArrayRef<KernelOp> kernels);

  std::unique_ptr<KernelBackend> backend;
  Statistics &statistics;
  DiskCache disk;
  llvm::StringMap<std::shared_ptr<const KernelCode>> loaded;
};

} // namespace weft
