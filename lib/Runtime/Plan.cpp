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

std::vector<const Launch *> Plan::launches() const {
  std::vector<const Launch *> result;
  for (const Step &step : steps)
    if (const auto *launch = std::get_if<Launch>(&step))
      result.push_back(launch);
  return result;
}

} // namespace weft
