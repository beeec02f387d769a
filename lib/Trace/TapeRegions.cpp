// Values from outside, in the bodies of loops and branches that run at once.
#include "lib/Trace/TapeRegions.h"

#include "llvm/ADT/DenseMap.h"

#include <tuple>
#include <vector>

using namespace weft;

namespace {

struct Body {
  /// Later nodes are its own.
  uint64_t start = 0;
  /// By the leaf, or the node and the number of its result; and by the memory, as the handle of a
  /// leaf may be rebound between two uses.
  llvm::DenseMap<std::tuple<const void *, uint32_t, const void *>, Origin> inside;
};

} // namespace

static thread_local std::vector<Body> bodies;

void weft::openTapeRegion() { bodies.emplace_back().start = TapeNode().sequence; }

void weft::closeTapeRegion() { bodies.pop_back(); }

/// A node with the value itself.
static Origin takenIn(const Array &array, const Origin &origin) {
  auto node = std::make_shared<TapeNode>();
  node->call = OpCall(requireOp("weft.reshape"));
  node->call.resultDType = array.dtype;
  node->call.resultShape = array.shape;
  node->inputs.push_back({array, origin});
  node->outputs.push_back(array);
  return {std::move(node), 0, nullptr};
}

TapeInput weft::recordedInput(Array array, Origin origin) {
  if (!origin)
    return {std::move(array), std::move(origin)};
  bool isOutside = false;
  for (Body &body : bodies) {
    isOutside |= !origin.node || origin.node->sequence <= body.start;
    if (!isOutside)
      continue;
    const void *source = origin.node ? static_cast<const void *>(origin.node.get())
                                     : static_cast<const void *>(origin.leaf.get());
    Origin &inside = body.inside[{source, origin.result, array.storage.get()}];
    if (!inside)
      inside = takenIn(array, origin);
    origin = inside;
  }
  return {std::move(array), std::move(origin)};
}
