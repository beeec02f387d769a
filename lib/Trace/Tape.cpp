// Recorded ops.
#include "lib/Trace/Tape.h"

#include <atomic>

using namespace weft;

static uint64_t nextSequence = 0;

uint64_t weft::nextFunctionSerial() {
  static std::atomic<uint64_t> next = 0;
  return ++next;
}

GradientHooks *Origin::hooks() const {
  if (leaf)
    return leaf->hooks.get();
  if (node)
    for (auto &[number, hooks] : node->hooks)
      if (number == result)
        return hooks.get();
  return nullptr;
}

TapeNode::TapeNode() : sequence(++nextSequence) {}

TapeNode::~TapeNode() {
  // The nodes that only this one holds are released one by one: a chain of thousands of ops would
  // otherwise recurse as deep.
  llvm::SmallVector<std::shared_ptr<TapeNode>> pending;
  auto take = [&](TapeNode &node) {
    for (TapeInput &input : node.inputs)
      if (input.origin.node)
        pending.push_back(std::move(input.origin.node));
  };
  take(*this);
  while (!pending.empty()) {
    std::shared_ptr<TapeNode> node = pending.pop_back_val();
    if (node.use_count() == 1)
      take(*node);
  }
}

void TapeNode::release(uint32_t result) {
  released.resize(outputs.size());
  released.set(result);
  if (!released.all())
    return;
  hooks.clear();
  for (TapeInput &input : inputs)
    input.array.storage = StorageRef();
  for (Array &output : outputs)
    output.storage = StorageRef();
}
