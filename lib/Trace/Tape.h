// What eager ops record so that gradients can be computed later.
#pragma once

#include "lib/Trace/Graph.h"
#include "mlir/IR/OwningOpRef.h"

#include "llvm/ADT/SmallBitVector.h"

#include <memory>
#include <optional>
#include <vector>

namespace weft {

struct TapeInput;
struct TapeNode;

/// What the front end does with the gradient of a value before it goes on.
class GradientHooks {
public:
  virtual ~GradientHooks() = default;
  /// The gradient that takes the place of this one, of the same type. `record`: it has gradients in
  /// turn. Throws.
  virtual TapeInput call(const TapeInput &gradient, bool record) = 0;
};

/// What the front end does with the gradients of several values together.
class GradientMark {
public:
  virtual ~GradientMark() = default;
  /// Puts others, of the same types, in the place of the gradients, which are null where there are
  /// none. Throws.
  virtual void call(llvm::MutableArrayRef<std::optional<TapeInput>> gradients, bool record) = 0;
};

/// A tensor that gradients are accumulated for; the front end derives from it.
class Leaf {
public:
  virtual ~Leaf() = default;

  /// Null for most. They see the whole gradient that a backward pass finds.
  std::shared_ptr<GradientHooks> hooks;
};

/// Where a value that needs a gradient comes from: a leaf, or a result of a recorded op; neither if
/// it needs none.
struct Origin {
  std::shared_ptr<TapeNode> node;
  uint32_t result = 0;
  std::shared_ptr<Leaf> leaf;

  explicit operator bool() const { return node || leaf; }
  /// Those of the value; null if there are none.
  GradientHooks *hooks() const;
};

struct TapeInput {
  Array array;
  Origin origin;
};

/// One application: of an op, or of a compiled function; or a copy to another device, or values
/// that are marked.
struct TapeNode {
  OpCall call;
  /// The traced function, if this is a call of one: a module with @main.
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> function;
  /// Its number, see nextFunctionSerial().
  uint64_t functionSerial = 0;
  /// Of recorded gradients, for each op of the function that is a copy of one that another node
  /// becomes: the node's sequence, and which of its ops it is. The op has its number here.
  llvm::SmallVector<std::pair<uint64_t, size_t>, 0> copies;
  llvm::SmallVector<TapeInput, 2> inputs;
  llvm::SmallVector<Array, 1> outputs;
  /// For a copy, where its one input is, whose array is not kept.
  std::optional<Device *> copiedFrom;
  /// For values that are marked: the results are the inputs, whose arrays are not kept.
  std::shared_ptr<GradientMark> mark;
  /// By the number of the result that they see the gradient of. They go when its history is given
  /// up.
  llvm::SmallVector<std::pair<uint32_t, std::shared_ptr<GradientHooks>>, 0> hooks;
  /// Grows with each recorded node, so that inputs have smaller numbers.
  uint64_t sequence = 0;

  TapeNode();
  TapeNode(const TapeNode &) = delete;
  /// Releases long chains without recursion.
  ~TapeNode();

  /// True if gradients of a result can't be asked for, or not any more.
  bool isReleased(uint32_t result) const {
    return result >= outputs.size() || (result < released.size() && released[result]);
  }
  /// Gives up what gradients of a result need; the arrays go with the last one.
  void release(uint32_t result);

private:
  llvm::SmallBitVector released;
};

/// A number for a traced function that no other one ever has: what it is known by in keys, as the
/// address of one that is gone may be another's.
uint64_t nextFunctionSerial();

} // namespace weft
