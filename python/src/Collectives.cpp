// What connects this process to others; weft.distributed has the functions that move bytes.
#include "python/src/Collectives.h"

#include "lib/Runtime/Collectives.h"
#include "lib/Support/Interpreter.h"

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

static void connect(const py::dict &addresses, bool compares) {
  auto function = [&](const char *name) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses come from Python as integers.
    return addresses.contains(name) ? reinterpret_cast<MoveBytes>(addresses[name].cast<uintptr_t>())
                                    : nullptr;
  };
  connectProcesses(
      {function("all_gather"), function("all_to_all"), function("broadcast"), function("exchange")},
      compares);
}

void weft::registerCollectives(py::module_ &module) {
  module.def("connect_processes", connect);
  module.def("connect_alone", [] { connectProcesses(connectionToNobody(), true); });
  module.def("add_process_group", addGroup);
  module.def("broken_connection", brokenConnection);
  module.def("sums_under_way", sumsUnderWay);
  module.def("interrupt_question", [] { return reinterpret_cast<uintptr_t>(&isInterrupted); });
}
