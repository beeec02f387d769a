// What connects this process to others; weft.distributed has the functions that move bytes.
#include "python/src/Collectives.h"

#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/Cuda/CudaDevice.h"
#include "lib/Runtime/Waiting.h"
#include "lib/Support/Interpreter.h"
#include "python/src/Translated.h"

#include <pybind11/stl.h>

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

/// What functions of C ask while they wait, by its address.
struct WaitQuestions {
  int (*isInterrupted)();
  /// What all others are to hear; valid until the next call on this thread.
  const char *(*tell)(int64_t *bytes);
  void (*hear)(const char *told, int64_t bytes);
  int (*isEndless)();
};

static const char *tell(int64_t *bytes) {
  static thread_local std::string told;
  told = ProcessWaits::process().tell();
  *bytes = static_cast<int64_t>(told.size());
  return told.data();
}

static void hear(const char *told, int64_t bytes) {
  ProcessWaits::process().hear({told, static_cast<size_t>(bytes)});
}

static int isEndless() { return int(ProcessWaits::process().isEndless()); }

static constexpr WaitQuestions waitQuestions = {isInterrupted, tell, hear, isEndless};

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
  module.def("wait_questions", [] { return reinterpret_cast<uintptr_t>(&waitQuestions); });
  module.def("wait_to_tell", [] { return py::bytes(ProcessWaits::process().tell()); });
  module.def("hear_wait", [](const std::string &told) { hear(told.data(), int64_t(told.size())); });
  module.def("waits_for_ever", [] { return ProcessWaits::process().isEndless(); });
  module.def("is_interrupted", isInterrupted, py::call_guard<py::gil_scoped_release>());
}
