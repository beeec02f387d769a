// What a launch costs.
#include "lib/Compiler/LaunchCost.h"
#include "lib/Support/SymbolicSize.h"
#include "passes/templates/KernelWork.h"

using namespace mlir;

namespace weft {

/// Where sums stop.
static constexpr double mostWork = int64_t(1) << 62;

static int64_t sumOf(ArrayRef<WorkTerm> terms, ArrayRef<int64_t> sizes) {
  double sum = 0;
  for (const WorkTerm &term : terms) {
    double product = term.factor;
    for (int64_t number : term.sizes)
      product *= static_cast<double>(estimateSize(sizes[number]));
    sum += product;
  }
  return static_cast<int64_t>(std::min(sum, mostWork));
}

double LaunchCost::nanoseconds() const {
  return std::max(bytes / double(bytesPerNanosecond), operations / double(operationsPerNanosecond));
}

int32_t LaunchCost::threads() const {
  return static_cast<int32_t>(
      std::clamp(nanoseconds() / double(nanosecondsPerThread), 1.0, double(mostThreads)));
}

int64_t LaunchCost::chunk(int64_t tasks) const {
  double each = nanoseconds() / static_cast<double>(std::max<int64_t>(tasks, 1));
  double wanted = static_cast<double>(nanosecondsPerChunk) / std::max(each, 1e-3);
  return static_cast<int64_t>(
      std::clamp(wanted, 1.0, static_cast<double>(std::max<int64_t>(tasks, 1))));
}

static LaunchCost costOf(LaunchOp launch, const KernelWork &work) {
  return {sumOf(work.bytes, launch.getSizes()), sumOf(work.operations, launch.getSizes())};
}

LaunchCost costOf(LaunchOp launch, KernelOp kernel) { return costOf(launch, workOf(kernel)); }

LaunchCost copyCostOf(LaunchOp launch, KernelOp kernel) {
  return costOf(launch, copyWorkOf(kernel));
}

} // namespace weft
