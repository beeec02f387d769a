// What goes wrong in users' programs over blocks while they run.
#pragma once

#include "lib/Runtime/Device.h"

#include <cstdint>

namespace weft {

/// Called by kernels: an index along a dimension of a tensor that has `size` elements there does
/// not exist; or, with a negative dimension, programs number `index` and `size` store to one
/// element. `site` is the program's name and, on a line of its own, where and what it does. Kept as
/// a KernelFailure; objects keep it at `place`, behind a kernel's buffers
/// (lib/Runtime/artifact/failure.c).
void noteProgramFault(const char *site, int64_t dimension, int64_t index, int64_t size,
                      const void *place) noexcept;

/// Throws weft::Error if a launch on a device, which is over or under way, notes that an index does
/// not exist: the first place in the program, with the largest index there.
void throwProgramFaults(Device &device, const DeviceLaunch &launch);

} // namespace weft
