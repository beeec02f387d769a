// The targets by name.
#include "codegen/Target.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/NVPTX/GpuTarget.h"

namespace weft {

const Target *Target::byName(llvm::StringRef name) {
  if (const Target *processor = CpuTarget::byName(name))
    return processor;
  return GpuTarget::byName(name);
}

std::string Target::names() { return CpuTarget::names() + ", " + GpuTarget::names(); }

} // namespace weft
