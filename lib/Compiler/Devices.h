// Devices by the names that users give them.
#pragma once

#include "lib/Runtime/Device.h"

#include <string_view>

namespace weft {

/// "cpu": null. "cuda", "cuda:1": a GPU. "emulator", "emulator:sm_90a": the emulator of a GPU
/// (sm_80 if not said), for finding errors. Throws weft::Error (Unsupported) if there is no such
/// device, and says why.
Device *deviceByName(std::string_view name);

} // namespace weft
