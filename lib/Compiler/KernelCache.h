// Each distinct kernel is compiled once.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/DiskCache.h"
#include "lib/Compiler/KernelBackend.h"
#include "lib/Support/LeastRecentlyUsed.h"
#include <mutex>
#include <utility>

namespace weft {

/// Kernels by name, which says what they compute: those of this process, then those on disk, then
/// the compiler. Of those that were not used for longest only as many are kept as programs hold.
class KernelCache {
public:
  static constexpr size_t mostKernels = 4096;

  /// `packaged`: the folder of kernels that were built with the package, or empty. `capacity`: how
  /// many kernels are kept in memory.
  KernelCache(std::unique_ptr<KernelBackend> backend, const std::string &packaged,
              size_t capacity = mostKernels);

  /// The code of each kernel. What must be compiled is compiled on all threads of the pool, and
  /// counted in `spent`. May be called from several threads at once, by one that is inside the
  /// ForkGate. Throws weft::Error or Interrupted.
  std::vector<std::shared_ptr<const KernelCode>> get(llvm::ArrayRef<KernelOp> kernels,
                                                     Statistics &spent);

  /// A text that was kept on disk under a name that no kernel has, for the same target and
  /// compiler.
  std::optional<std::string> findNote(const std::string &name);
  void storeNote(const std::string &name, const std::string &text);

  /// Drops the kernels that nobody else holds, and returns the bytes of their code.
  uint64_t trim();

private:
  std::shared_ptr<const KernelCode> fromDisk(const std::string &name, Statistics &spent);
  std::vector<KernelObject> compile(llvm::ArrayRef<KernelOp> kernels, Statistics &spent);
  std::vector<std::pair<std::string, std::shared_ptr<const KernelCode>>>
  keep(const std::vector<KernelObject> &objects, Statistics &spent);

  std::unique_ptr<KernelBackend> backend;
  /// Guards what is below. Held while kernels are read, written and loaded, but not while they are
  /// compiled: two threads may compile the same one, and the first to end gives the code.
  std::mutex mutex;
  DiskCache disk;
  /// Those of the disk that are in some `spent`.
  int64_t countedFailures = 0;
  LeastRecentlyUsed<std::string, std::shared_ptr<const KernelCode>> loaded;
};

} // namespace weft
