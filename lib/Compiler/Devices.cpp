#include "lib/Compiler/Devices.h"
#include "lib/Compiler/EmulatedDevice.h"
#include "lib/Runtime/Cuda/CudaDevice.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/StringRef.h"

namespace weft {

Device *deviceByName(std::string_view text) {
  llvm::StringRef name(text.data(), text.size());
  auto [kind, which] = name.split(':');
  bool isComplete = !name.contains(':');
  if (name == "cpu")
    return nullptr;
  int ordinal = 0;
  if (kind == "cuda" && (isComplete || !which.getAsInteger(10, ordinal)))
    return &cuda::CudaDevice::instance(ordinal);
  if (kind == "emulator")
    return &EmulatedDevice::instance(isComplete ? "sm_80" : which.str());
  throw Error(Error::Kind::Unsupported, "there is no device \"" + name.str() +
                                            "\": devices are cpu, cuda, cuda:0, cuda:1, "
                                            "... and emulator");
}

} // namespace weft
