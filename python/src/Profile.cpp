// Timing kernels.
#include "python/src/Profile.h"

#include "lib/Runtime/Executor.h"
#include "lib/Support/Interpreter.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace weft;

/// The smallest time of each launch. The first run, which warms the caches, is not counted.
static LaunchTimings measure(const Plan &plan, std::span<const StorageRef> inputs) {
  constexpr int64_t leastRuns = 10, mostRuns = 1000, enoughNanoseconds = 200'000'000;
  // Other references to the inputs keep the plan from writing into those that a call would donate.
  std::vector<StorageRef> kept(inputs.begin(), inputs.end());
  LaunchTimings smallest(plan.launches().size(), std::numeric_limits<int64_t>::max()), timings;
  execute(plan, inputs);
  int64_t spent = 0;
  for (int64_t run = 0; run < leastRuns || (run < mostRuns && spent < enoughNanoseconds); ++run) {
    throwIfInterrupted();
    execute(plan, inputs, &timings);
    for (size_t launch = 0; launch < timings.size(); ++launch)
      smallest[launch] = std::min(smallest[launch], timings[launch]);
    // At least 1, so that plans without launches end too.
    spent += std::max<int64_t>(1, std::accumulate(timings.begin(), timings.end(), int64_t(0)));
  }
  return smallest;
}

py::dict weft::kernelRow(const KernelReport &kernel) {
  py::dict row;
  row["name"] = kernel.source->name;
  row["lines"] = kernel.source->lines;
  row["bytes"] = kernel.source->bytes;
  row["operations"] = kernel.source->operations;
  row["schedule"] = kernel.source->schedule;
  row["reason"] = kernel.reason;
  return row;
}

PyRef weft::profileKernels(const Executable &executable, std::span<const StorageRef> inputs) {
  LaunchTimings timings;
  {
    py::gil_scoped_release released;
    timings = measure(executable.plan, inputs);
  }
  py::list rows;
  auto stage = timings.begin();
  for (const KernelReport &kernel : executable.kernels) {
    auto end = stage + kernel.stages;
    py::dict row = kernelRow(kernel);
    row["nanoseconds"] = std::accumulate(stage, end, int64_t(0));
    stage = end;
    rows.append(row);
  }
  return PyRef::steal(rows.release().ptr());
}
