// An order of groups that grows while groups are made.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <map>

namespace weft {

/// A topological order to which nodes are added in front and edges anywhere. The work for an edge
/// does not grow with the number of nodes: an edge that the order has already is free, and for
/// another one at most `mostSteps` edges are followed, after which it counts as one of a cycle.
class GroupOrder {
public:
  struct Node {
    int64_t label = 0;
  };
  /// Calls `visit` for the nodes that an edge of the first one leads to, until it returns false.
  using Successors = llvm::function_ref<void(Node *, llvm::function_ref<bool(Node *)> visit)>;

  /// Adds a node before all others.
  void addInFront(Node *node);

  /// Puts `node` before `others`; false, and nothing changes, if one of them leads to it.
  bool putBefore(Node *node, llvm::ArrayRef<Node *> others, Successors successors);

  /// The nodes in order.
  const std::map<int64_t, Node *> &inOrder() const { return nodes; }

private:
  static constexpr size_t mostSteps = 4096;
  static constexpr int64_t gap = int64_t(1) << 36;

  void moveBehind(Node *node, llvm::ArrayRef<Node *> moved);
  void spread();

  std::map<int64_t, Node *> nodes;
};

} // namespace weft
