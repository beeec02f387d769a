#include "lib/Runtime/Plan.h"

#include <algorithm>

namespace weft {

bool copiesToItself(const Launch &launch, LaunchPointers pointers) {
  return launch.copied && pointers[*launch.copied] == pointers[launch.inputs];
}

bool runsOnDevice(const Launch &launch, LaunchPointers pointers, bool ranBefore) {
  if (launch.tasks <= 0 || (launch.isAlternative && ranBefore) || copiesToItself(launch, pointers))
    return false;
  return std::ranges::all_of(launch.deviceFunction->tensorMaps, [&](const TensorMapShape &shape) {
    return reinterpret_cast<uintptr_t>(pointers[shape.buffer]) % TensorMapShape::alignment == 0;
  });
}

static void addLaunches(const Plan &plan, std::vector<const Launch *> &launches) {
  for (const Step &step : plan.steps)
    if (const auto *launch = std::get_if<Launch>(&step)) {
      launches.push_back(launch);
    } else if (const auto *loop = std::get_if<Loop>(&step)) {
      if (loop->condition)
        addLaunches(*loop->condition, launches);
      addLaunches(*loop->body, launches);
    } else if (const auto *choice = std::get_if<Branch>(&step)) {
      for (const std::shared_ptr<const Plan> &branch : choice->branches)
        addLaunches(*branch, launches);
    }
}

std::vector<const Launch *> Plan::launches() const {
  std::vector<const Launch *> result;
  addLaunches(*this, result);
  return result;
}

} // namespace weft
