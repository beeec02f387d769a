// From PTX to machine code within this process, by NVIDIA's nvJitLink.
#pragma once

#include "codegen/NVPTX/GpuTarget.h"
#include <optional>
#include <string>

namespace weft {

/// True if the library was found: libnvJitLink.so.13, else .12, or what WEFT_NVJITLINK names.
bool canLinkInProcess();

/// The machine code of `ptx`. May be called on several threads at once. Throws weft::Error if the
/// library is not there, or with what it says of the text.
std::string linkInProcess(llvm::StringRef ptx, const GpuTarget &target);

} // namespace weft
