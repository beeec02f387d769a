// The order of groups while edges are added in any order.
#include "passes/fusion/GroupOrder.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <random>
#include <vector>

using weft::GroupOrder;

namespace {

/// Nodes that know what they lead to.
struct Graph {
  struct Node : GroupOrder::Node {
    std::vector<Node *> successors;
  };

  explicit Graph(size_t count) : nodes(count) {
    for (Node &node : nodes)
      order.addInFront(&node);
  }

  bool connect(size_t from, llvm::ArrayRef<size_t> to) {
    llvm::SmallVector<GroupOrder::Node *> others;
    for (size_t number : to)
      others.push_back(&nodes[number]);
    bool done = order.putBefore(&nodes[from], others, [](GroupOrder::Node *node, auto visit) {
      for (Node *successor : static_cast<Node *>(node)->successors)
        if (!visit(successor))
          return;
    });
    if (done)
      for (size_t number : to)
        nodes[from].successors.push_back(&nodes[number]);
    return done;
  }

  /// Whether a path of edges leads from one node to another.
  bool leads(size_t from, size_t to) const {
    std::vector<const Node *> pending = {&nodes[from]};
    std::vector<bool> seen(nodes.size());
    while (!pending.empty()) {
      const Node *node = pending.back();
      pending.pop_back();
      if (node == &nodes[to])
        return true;
      for (const Node *next : node->successors)
        if (size_t number = next - nodes.data(); !seen[number]) {
          seen[number] = true;
          pending.push_back(next);
        }
    }
    return false;
  }

  bool isOrdered() const {
    for (const Node &node : nodes)
      for (const Node *successor : node.successors)
        if (node.label >= successor->label)
          return false;
    return order.inOrder().size() == nodes.size();
  }

  std::vector<Node> nodes;
  GroupOrder order;
};

TEST(GroupOrder, TakesEveryEdgeThatClosesNoCycleAndNoOther) {
  std::mt19937 random(7);
  Graph graph(60);
  int refused = 0;
  for (int step = 0; step < 600; ++step) {
    size_t from = random() % 60;
    std::vector<size_t> to;
    for (size_t count = 1 + random() % 3; to.size() < count;)
      if (size_t other = random() % 60; other != from)
        to.push_back(other);
    bool cyclic = llvm::any_of(to, [&](size_t other) { return graph.leads(other, from); });
    EXPECT_EQ(graph.connect(from, to), !cyclic);
    refused += cyclic;
    EXPECT_TRUE(graph.isOrdered());
  }
  EXPECT_GT(refused, 100);
}

// Moving behind one node again and again uses the gap behind it up.
TEST(GroupOrder, SpreadsItsNodesWhenThereIsNoRoom) {
  Graph graph(1000);
  for (size_t number = 999; number > 0; --number)
    EXPECT_TRUE(graph.connect(0, {number}));
  EXPECT_TRUE(graph.isOrdered());
}

} // namespace
