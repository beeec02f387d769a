// weft.device, and moving tensors.
#include "python/src/DeviceObject.h"

#include "lib/Compiler/Devices.h"
#include "lib/Compiler/EmulatedDevice.h"
#include "lib/Trace/TapeRegions.h"
#include "python/src/Errors.h"
#include "python/src/TraceScope.h"
#include "python/src/Translated.h"
#include "python/src/state/Handle.h"

namespace py = pybind11;
using namespace weft;

namespace {

/// What a weft.device holds: the runtime's device, which lives as long as the process.
struct DeviceHandle {
  Device *device;

  bool operator==(const DeviceHandle &) const = default;
};

/// The functions that give the generator's state, and the processes' token, of devices.
PyObject *generatorOnDevice = nullptr, *tokenOnDevice = nullptr;

} // namespace

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

static Device *deviceNamed(const std::string &name) {
  try {
    return deviceByName(name);
  } catch (const Error &error) {
    throw Error(error.kind(),
                std::string(error.what()) + "; weft.device(\"cpu\") works on every machine");
  }
}

Device *weft::deviceFrom(PyObject *object) {
  if (object == Py_None)
    return nullptr;
  py::handle handle(object);
  if (py::isinstance<DeviceHandle>(handle))
    return handle.cast<DeviceHandle>().device;
  if (!PyUnicode_Check(object))
    throwError("DTypeError", std::string("a device is a weft.device or its name, as \"cuda:0\", "
                                         "not a ") +
                                 Py_TYPE(object)->tp_name);
  return deviceNamed(handle.cast<std::string>());
}

PyRef weft::deviceObject(Device *device) {
  return PyRef::steal(py::cast(DeviceHandle{device}).release().ptr());
}

std::pair<std::string, int> weft::kindAndNumber(const Device *device) {
  llvm::StringRef name = deviceName(device);
  auto [kind, which] = name.split(':');
  int number = 0;
  which.getAsInteger(10, number);
  return {kind.str(), number};
}

//===----------------------------------------------------------------------===//
// Tensors on devices
//===----------------------------------------------------------------------===//

/// In a trace a tensor is where the trace is, and older ones are not read: their values change.
static PyRef tracedOn(Device *device, TensorObject *tensor) {
  Device *here =
      tensor->value.isTracer() ? currentScope->device() : tensor->value.storage->device();
  if (here != device)
    throwError("DeviceError", "to: a compiled function works on one device, here " +
                                  deviceName(here) + ", and can't move a tensor to " +
                                  deviceName(device) + "; move it before the call");
  return PyRef::borrow(reinterpret_cast<PyObject *>(tensor));
}

static void recordCopy(TensorObject *source, TensorObject *copy) {
  TapeInput input = recordedInput(source->value.array(), source->origin());
  input.array.storage = {};
  auto node = std::make_shared<TapeNode>();
  node->copiedFrom = source->value.storage->device();
  node->inputs.push_back(std::move(input));
  copy->node = std::move(node);
  copy->requiresGrad = true;
}

PyRef weft::tensorOn(Device *device, TensorObject *tensor) {
  tensor = current(tensor);
  if (currentScope && (tensor->value.isTracer() || currentScope->isOlder(tensor)))
    return tracedOn(device, tensor);
  requireConcrete(tensor, "moving a tensor");
  if (tensor->value.storage->device() == device)
    return PyRef::borrow(reinterpret_cast<PyObject *>(tensor));
  PyRef copy = checked(newTensor(TensorValue::of(copyTo(device, tensor->value.array()))));
  if (gradientsEnabled && (tensor->requiresGrad || tensor->node))
    recordCopy(tensor, asTensor(copy.get()));
  return copy;
}

void weft::requireHost(TensorObject *tensor, const char *action) {
  if (Device *device = tensor->value.storage->device())
    throwError("DeviceError", std::string(action) + ": the tensor is on " + deviceName(device) +
                                  "; copy it to the memory of the host by .cpu() first");
}

void weft::requireSameDevice(TensorObject *target, TensorObject *source, const char *action) {
  if (!target->value.storage || !source->value.storage)
    return;
  Device *wanted = target->value.storage->device(), *given = source->value.storage->device();
  if (wanted != given)
    throwError("DeviceError", std::string(action) + ": the tensor is on " + deviceName(wanted) +
                                  ", but the value on " + deviceName(given) +
                                  "; move it by .to(\"" + deviceName(wanted) + "\")");
}

PyRef weft::stateOn(Device *device, TensorObject *state) {
  PyRef object = deviceObject(device);
  PyObject *function = isGeneratorState(state) ? generatorOnDevice : tokenOnDevice;
  return checked(PyObject_CallOneArg(function, object.get()));
}

//===----------------------------------------------------------------------===//
// Python
//===----------------------------------------------------------------------===//

/// The elements in the memory of the host: for printing and reading.
static py::object onHost(const py::object &object) {
  return translated([&] {
    TensorObject *tensor = asTensor(object.ptr());
    Array elements = elementsOf(tensor, "reading the elements");
    if (tensor->value.storage.get() == elements.storage.get())
      return py::reinterpret_borrow<py::object>(object);
    return py::reinterpret_steal<py::object>(
        checked(newTensor(TensorValue::of(std::move(elements)))).release());
  });
}

static bool equals(const DeviceHandle &handle, const py::object &other) {
  if (py::isinstance<DeviceHandle>(other))
    return handle == other.cast<DeviceHandle>();
  return py::isinstance<py::str>(other) && other.cast<std::string>() == deviceName(handle.device);
}

/// Waits until the device has done what it was asked; a processor has done it already.
static void synchronize(const DeviceHandle &handle) {
  translated([&] {
    py::gil_scoped_release released;
    if (handle.device)
      handle.device->synchronize();
    return 0;
  });
}

static void setEmulatorSeed(const py::object &device, uint64_t seed) {
  translated([&] {
    auto *emulated = dynamic_cast<EmulatedDevice *>(deviceFrom(device.ptr()));
    if (!emulated)
      throwError("UnsupportedError", "only the emulator has a seed for its schedule");
    emulated->setSeed(seed);
    return 0;
  });
}

static void registerDeviceClass(py::module_ &module) {
  py::class_<DeviceHandle> type(
      module, "device",
      "A processor with its memory: \"cpu\", \"cuda\" (the first GPU), \"cuda:1\", or \"emulator\" "
      "(of a GPU, for finding errors; \"emulator:sm_90a\").\n\nIt equals its name.\n\nRaises:\n"
      "    UnsupportedError: there is no such device; the message says why.");
  type.def(py::init([](const py::object &name) {
             return translated([&] { return DeviceHandle{deviceFrom(name.ptr())}; });
           }),
           py::arg("name"))
      .def_property_readonly(
          "type", [](const DeviceHandle &handle) { return kindAndNumber(handle.device).first; },
          "\"cpu\", \"cuda\" or \"emulator\".")
      .def_property_readonly(
          "index",
          [](const DeviceHandle &handle) -> py::object {
            auto [kind, number] = kindAndNumber(handle.device);
            return kind == "cuda" ? py::object(py::int_(number)) : py::object(py::none());
          },
          "Which of the machine's GPUs; None for others.")
      .def("synchronize", synchronize,
           "Waits until the device has done all that was asked of it; for timing calls on a GPU, "
           "which return before.\n\nRaises:\n    DeviceError: something that was asked failed.")
      .def("__str__", [](const DeviceHandle &handle) { return deviceName(handle.device); })
      .def("__repr__",
           [](const DeviceHandle &handle) {
             return "weft.device(\"" + deviceName(handle.device) + "\")";
           })
      .def("__eq__", equals)
      .def("__hash__",
           [](const DeviceHandle &handle) { return py::hash(py::str(deviceName(handle.device))); })
      .def("__reduce__", [type](const DeviceHandle &handle) {
        return py::make_tuple(type, py::make_tuple(deviceName(handle.device)));
      });
  // Compared by value where it is an argument of a compiled function.
  type.attr("__weft_static__") = true;
  type.attr("__module__") = "weft";
}

void weft::registerDevices(py::module_ &module) {
  registerDeviceClass(module);
  module.def("tensor_on", [](const py::object &device, const py::object &tensor) {
    return translated([&] {
      return py::reinterpret_steal<py::object>(
          tensorOn(deviceFrom(device.ptr()), asTensor(tensor.ptr())).release());
    });
  });
  module.def("on_host", onHost);
  module.def("set_emulator_seed", setEmulatorSeed);
  module.def("register_generator", [](const py::object &state, const py::object &onDevice) {
    generatorState = py::object(state).release().ptr();
    generatorOnDevice = py::object(onDevice).release().ptr();
  });
  module.def("register_token", [](const py::object &token, const py::object &onDevice) {
    communicationToken = py::object(token).release().ptr();
    tokenOnDevice = py::object(onDevice).release().ptr();
  });
}
