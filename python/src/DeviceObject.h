// Devices as Python sees them.
#pragma once

#include "lib/Trace/Placement.h"
#include "python/src/PyRef.h"
#include "python/src/TensorObject.h"

#include <pybind11/pybind11.h>

#include <utility>

namespace weft {

/// The device that a weft.device or a name means; null for the host, and for None. Throws
/// (UnsupportedError, saying why, if there is no such device).
Device *deviceFrom(PyObject *object);

/// The weft.device of a device, or of the host.
PyRef deviceObject(Device *device);

/// What a device's name consists of: "cuda:1" gives "cuda" and 1, "cpu" gives "cpu" and 0.
std::pair<std::string, int> kindAndNumber(const Device *device);

/// `tensor` in the memory of `device`; itself if it is there already. The copy keeps the history:
/// gradients flow back through it. Throws.
PyRef tensorOn(Device *device, TensorObject *tensor);

/// Throws DeviceError unless the host can read the tensor's memory; `action` says what for.
void requireHost(TensorObject *tensor, const char *action);

/// Throws DeviceError, which names both devices, unless `source` is where `target` is.
void requireSameDevice(TensorObject *target, TensorObject *source, const char *action);

/// The state of weft.random's generator on `device`. Throws.
PyRef stateOn(Device *device, TensorObject *state);

/// Adds weft.device and what belongs to it to the module.
void registerDevices(pybind11::module_ &module);

} // namespace weft
