// The machine code of one kernel, loaded.
#pragma once

#include "weft/abi.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// An object file with one kernel, and what its symbols do not tell.
struct KernelObject {
  std::string name;
  int64_t stages = 0;
  int64_t temporaries = 0;
  llvm::SmallVector<char, 0> code;
};

/// The entry points of a loaded kernel. Lives as long as the process: code may run on any thread.
struct KernelCode {
  std::vector<weft_stage> stages;
  int64_t temporaries = 0;
  /// Stores the tasks of each stage, then the bytes of each temporary.
  void (*setup)(const int64_t *sizes, int64_t *result) = nullptr;
};

/// Links kernels into this process.
class KernelLoader {
public:
  KernelLoader();
  ~KernelLoader();
  /// Throws weft::Error if the object can't be linked.
  std::shared_ptr<const KernelCode> load(const KernelObject &object);

private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation;
};

} // namespace weft
