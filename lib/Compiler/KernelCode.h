// The machine code of one kernel, loaded.
#pragma once

#include "codegen/KernelObject.h"
#include "lib/Runtime/Device.h"
#include "weft/abi.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// The entry points of a loaded kernel, whose code is unloaded with it.
struct KernelCode {
  /// For this processor, or for a device.
  std::vector<weft_stage> stages;
  std::vector<const DeviceFunction *> deviceStages;
  /// Keeps the stages on the device.
  std::unique_ptr<DeviceModule> deviceModule;
  int64_t temporaries = 0;
  /// Of the object file.
  uint64_t bytes = 0;
  /// Stores the tasks of each stage, then the bytes of each temporary, and, if there are any, for
  /// each stage the buffers and sizes that it uses, a bit each (see codegen/Loops/KernelEmitter.h).
  void (*setup)(const int64_t *sizes, int64_t *result) = nullptr;
};

/// Links kernels into this process.
class KernelLoader {
public:
  KernelLoader();
  ~KernelLoader();
  /// The setup of a kernel, and its stages unless they are for a device. Throws weft::Error if the
  /// object can't be linked.
  std::shared_ptr<KernelCode> load(const KernelObject &object);

private:
  struct Implementation;
  std::shared_ptr<Implementation> implementation;
};

} // namespace weft
