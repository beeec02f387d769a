// An order of groups that grows while groups are made.
//
// After Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic graphs"
// (2006): only what lies between the ends of a new edge can have to move. Nodes have labels with
// gaps between them, so that moving some does not renumber the others.
#include "passes/fusion/GroupOrder.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"

namespace weft {

void GroupOrder::addInFront(Node *node) {
  node->label = nodes.empty() ? 0 : nodes.begin()->first - gap;
  nodes.emplace(node->label, node);
}

bool GroupOrder::putBefore(Node *node, llvm::ArrayRef<Node *> others, Successors successors) {
  // All that comes before `node` now and has to come after it.
  llvm::SmallVector<Node *> moved;
  llvm::DenseSet<Node *> seen;
  size_t steps = 0;
  bool possible = true;
  auto reach = [&](Node *other) {
    possible &= other != node && ++steps <= mostSteps;
    if (other->label < node->label && seen.insert(other).second)
      moved.push_back(other);
    return possible;
  };
  for (Node *other : others)
    reach(other);
  for (size_t next = 0; next < moved.size() && possible; ++next)
    successors(moved[next], reach);
  if (possible)
    moveBehind(node, moved);
  return possible;
}

void GroupOrder::moveBehind(Node *node, llvm::ArrayRef<Node *> moved) {
  if (moved.empty())
    return;
  llvm::SmallVector<Node *> sorted(moved);
  llvm::sort(sorted, [](Node *left, Node *right) { return left->label < right->label; });
  for (Node *other : sorted)
    nodes.erase(other->label);
  auto count = static_cast<int64_t>(sorted.size());
  auto room = [&] {
    auto behind = nodes.upper_bound(node->label);
    return behind == nodes.end() ? gap : (behind->first - node->label) / (count + 1);
  };
  if (room() == 0)
    spread();
  int64_t step = std::max<int64_t>(1, room()), label = node->label;
  for (Node *other : sorted) {
    other->label = label += step;
    nodes.emplace(label, other);
  }
}

void GroupOrder::spread() {
  std::map<int64_t, Node *> spaced;
  int64_t label = 0;
  for (auto &[_, node] : nodes) {
    node->label = label;
    spaced.emplace_hint(spaced.end(), label, node);
    label += gap;
  }
  nodes = std::move(spaced);
}

} // namespace weft
