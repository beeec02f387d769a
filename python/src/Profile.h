// The kernels of a compiled function as Python rows, with their times.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "python/src/PyRef.h"

#include <pybind11/pybind11.h>
#include <span>

namespace weft {

/// What a kernel is: name, user's lines, bytes, operations, schedule, reason. Throws.
pybind11::dict kernelRow(const KernelReport &kernel);

/// A list of the rows of the kernels, in the order in which they run, each with its smallest time
/// of several runs ("nanoseconds", all stages together). The inputs stay as they are. Throws.
PyRef profileKernels(const Executable &executable, std::span<const StorageRef> inputs);

} // namespace weft
