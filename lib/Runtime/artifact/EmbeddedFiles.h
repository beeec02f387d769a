// The files that travel in the compiler: bitcode for objects, the header that models share, what
// modules of WebAssembly are linked with and called by.
#pragma once

#include <string_view>

namespace weft {

/// The bytes of a file, aligned to 16: "model.h", or "model.x86_64.bc" and the like. Empty if there
/// is none of this name. The list is in CMakeLists.txt.
std::string_view embeddedFile(std::string_view name);

} // namespace weft
