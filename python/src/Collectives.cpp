// What connects this process to others; weft.distributed has the functions that move bytes.
#include "python/src/Collectives.h"

#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/Cuda/CudaDevice.h"
#include "lib/Support/Interpreter.h"
#include "python/src/Translated.h"

namespace py = pybind11;

using namespace weft;

/// 1 if the user interrupts the work in progress, or has done so in another thread: asked by
/// functions that wait.
static int isInterrupted() {
  if (isConnectionBroken())
    return 1;
  try {
    throwIfInterrupted();
    return 0;
  } catch (const Interrupted &) {
    return 1;
  }
}

static void connect(const py::dict &addresses, bool compares, bool linksDevices, bool anyOrder,
                    double timeout) {
  auto function = [&](const char *name) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses come from Python as integers.
    return addresses.contains(name) ? reinterpret_cast<MoveBytes>(addresses[name].cast<uintptr_t>())
                                    : nullptr;
  };
  Connection connection = {.allGather = function("all_gather"),
                           .allToAll = function("all_to_all"),
                           .broadcast = function("broadcast"),
                           .exchange = function("exchange"),
                           .compares = compares,
                           .linksDevices = linksDevices,
                           .anyOrder = anyOrder,
                           .timeout = timeout};
  // Who moves bytes meanwhile may wait for the interpreter.
  py::gil_scoped_release released;
  connectProcesses(connection);
}

void weft::registerCollectives(py::module_ &module) {
  module.def("connect_processes", connect, py::arg("addresses"), py::arg("compares") = true,
             py::arg("links_devices") = true, py::arg("any_order") = false,
             py::arg("timeout") = 300.0);
  module.def("require_nccl", [] { translated([] { cuda::NcclLibrary::instance(); }); });
  module.def("leave_devices", cuda::CudaDevice::leaveOthers,
             py::call_guard<py::gil_scoped_release>());
  module.def(
      "connect_alone", [] { connectProcesses(connectionToNobody()); },
      py::call_guard<py::gil_scoped_release>());
  module.def("add_process_group", addGroup, py::call_guard<py::gil_scoped_release>());
  module.def("agree", [](int64_t group, const std::string &name, const std::string &line,
                         const std::string &words) {
    translated([&] { agree(group, name, line, words); });
  });
  module.def("tell_refusal", tellRefusal);
  module.def("broken_connection", brokenConnection);
  module.def("collectives_under_way", collectivesUnderWay);
  module.def("interrupt_question", [] { return reinterpret_cast<uintptr_t>(&isInterrupted); });
}
