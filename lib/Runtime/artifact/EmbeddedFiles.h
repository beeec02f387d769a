// The files that travel in the compiler: bitcode for objects, and the header that models share.
#pragma once

#include <string_view>

namespace weft {

/// The bytes of a file, aligned to 16: "model.h", or "model.x86_64.bc" and the like. Empty if there
/// is none of this name. The list is in CMakeLists.txt.
std::string_view embeddedFile(std::string_view name);

} // namespace weft
