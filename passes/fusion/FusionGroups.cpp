// Which ops become one kernel.
#include "passes/fusion/FusionGroups.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// True if the op computes elements one by one.
static bool isMap(Operation *op) {
  return isa<ElementwiseOpInterface, IndexedOpInterface>(op) || matchPattern(op, m_Constant());
}

/// True if the op can be part of a kernel.
static bool isFusable(Operation *op) {
  if (!isa_and_nonnull<WeftDialect>(op->getDialect()))
    return false;
  if (auto constant = dyn_cast<ConstantOp>(op))
    return isa<SplatElementsAttr>(constant.getValue());
  return isMap(op) || isa<ReductionOpInterface, ContractionOpInterface, ScatterAddOp>(op);
}

/// True if the op's template reads its operands from memory.
static bool readsMemory(Operation *op) { return !isMap(op) && !isa<ReductionOpInterface>(op); }

/// True if computing the op again costs no more than reading its result: it has no operands, or
/// only says where an element comes from.
static bool isFree(Operation *op) { return op->getNumOperands() == 0 || isa<BroadcastOp>(op); }

/// True if `user` reads the element of the operand that it is computing itself.
static bool readsInPlace(Operation *user, unsigned operand) {
  auto dimensions = dyn_cast<DimensionOpInterface>(user);
  if (!dimensions || !isMap(user))
    return false;
  auto labels = dimensions.getDimensionLabels();
  ArrayRef<int64_t> result = labels[user->getNumOperands()];
  return ArrayRef<int64_t>(labels[operand]) == result && !llvm::is_contained(result, -1);
}

/// True if each element of an operand is read once for an element of the result.
static bool readsOnce(Operation *user, unsigned operand) {
  if (isa<ReductionOpInterface>(user) || readsInPlace(user, operand))
    return true;
  auto indexed = dyn_cast<IndexedOpInterface>(user);
  return indexed && indexed.readsOnce(operand);
}

/// True if the op only puts elements elsewhere.
static bool isMovement(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return indexed && op->getNumOperands() > 0 && indexed.readsOnce(0);
}

/// True if the op reads several elements of an operand for one of its own.
static bool readsSeveral(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return indexed && op->getNumOperands() > 0 && !isFree(op) && !indexed.readsOnce(0);
}

/// True if the broadcast repeats along inner dimensions only, so that one value serves a whole run.
static bool repeatsInnermost(BroadcastOp op) {
  ArrayRef<int64_t> dimensions = op.getDimensions();
  for (auto [d, target] : llvm::enumerate(dimensions))
    if (static_cast<int64_t>(d) != target)
      return false;
  return true;
}

/// True if `axes` are the last ones of `rank`.
static bool areInnermost(ArrayRef<int64_t> axes, int64_t rank) {
  int64_t first = rank - static_cast<int64_t>(axes.size());
  return axes.empty() || (axes.front() == first && axes.back() == rank - 1);
}

FusionGroups::FusionGroups(Block &block) {
  for (Operation &op : llvm::reverse(block))
    if (isFusable(&op))
      visit(&op);
}

void FusionGroups::visit(Operation *op) {
  bool leaves = llvm::any_of(op->getUsers(), [&](Operation *user) {
    return readsMemory(user) || (!groupOf.count(user) && !rematerialized.contains(user));
  });
  if (!leaves && isFree(op)) {
    rematerialized.insert(op);
    return;
  }
  FusionGroup *host = findHost(op);
  add(op, host ? *host : start(op));
}

/// Calls `visit(user, operand)` for each use, looking through ops that are computed again by their
/// readers.
static void forEachRead(Operation *op, const llvm::DenseSet<Operation *> &rematerialized,
                        function_ref<void(OpOperand &, Operation *through)> visit) {
  for (OpOperand &use : op->getUses()) {
    if (!rematerialized.contains(use.getOwner())) {
      visit(use, nullptr);
      continue;
    }
    SmallVector<Operation *> pending{use.getOwner()};
    while (!pending.empty()) {
      Operation *through = pending.pop_back_val();
      for (OpOperand &next : through->getUses()) {
        if (rematerialized.contains(next.getOwner()))
          pending.push_back(next.getOwner());
        else
          visit(next, use.getOwner());
      }
    }
  }
}

FusionGroup *FusionGroups::findHost(Operation *op) {
  llvm::SmallSetVector<FusionGroup *, 4> candidates;
  bool leaves = false;
  forEachRead(op, rematerialized, [&](OpOperand &use, Operation *) {
    if (FusionGroup *group = groupOf.lookup(use.getOwner()))
      candidates.insert(group);
    else
      leaves = true;
  });
  bool shared = leaves || candidates.size() > 1;
  // The order of uses is not that of the program: the first reader is asked first.
  auto inOrder = candidates.takeVector();
  llvm::sort(inOrder, [](auto *left, auto *right) { return left->number > right->number; });
  for (FusionGroup *group : inOrder) {
    if (!canJoin(op, *group))
      continue;
    if (!shared)
      return group;
    // The op becomes a result of the kernel: it must be computed at the kernel's own elements, and
    // its other readers must not come before the kernel.
    if (!canBeResult(op, *group) || !isReadInPlace(op, *group))
      continue;
    bool cyclic = llvm::any_of(op->getUsers(), [&](Operation *user) {
      return groupOf.lookup(user) != group && reaches(user, *group);
    });
    if (!cyclic)
      return group;
  }
  return nullptr;
}

bool FusionGroups::canBeResult(Operation *op, const FusionGroup &group) {
  if (group.kind == FusionGroup::ColumnReduction)
    return false;
  ArrayRef<int64_t> shape = shapeOf(op->getResult(0)), domain = group.domain;
  if (shape == domain)
    return true;
  return group.kind == FusionGroup::RowReduction && shape == domain.drop_back(group.axes.size());
}

bool FusionGroups::isReadInPlace(Operation *op, FusionGroup &group, bool byRows) {
  byRows |= group.kind == FusionGroup::RowReduction;
  SmallVector<Operation *> pending{op};
  llvm::DenseSet<Operation *> seen;
  while (!pending.empty()) {
    Operation *current = pending.pop_back_val();
    for (OpOperand &use : current->getUses()) {
      Operation *user = use.getOwner();
      if (!group.ops.contains(user) && !rematerialized.contains(user))
        continue;
      if (isa<ReductionOpInterface>(user))
        continue;
      // A row's own value may be read by the whole row.
      auto broadcast = dyn_cast<BroadcastOp>(user);
      bool ofRow = broadcast && byRows && repeatsInnermost(broadcast);
      if (!ofRow && !readsInPlace(user, use.getOperandNumber()))
        return false;
      if (seen.insert(user).second)
        pending.push_back(user);
    }
  }
  return true;
}

bool FusionGroups::canJoin(Operation *op, FusionGroup &group) {
  if (group.kind == FusionGroup::Own)
    return false;
  if (isa<ReductionOpInterface>(op))
    return reductionCanJoin(op, group);
  if (isa<ContractionOpInterface>(op))
    return contractionCanJoin(op, group);
  if (!isMap(op))
    return false;
  bool allowed = true;
  forEachRead(op, rematerialized, [&](OpOperand &use, Operation *through) {
    Operation *user = use.getOwner();
    if (!group.ops.contains(user))
      return;
    if (through) {
      auto broadcast = dyn_cast<BroadcastOp>(through);
      allowed &= broadcast && (repeatsInnermost(broadcast) || isMovement(op));
    } else if (!readsInPlace(user, use.getOperandNumber()) && !isa<ReductionOpInterface>(user)) {
      // Read in another order: nothing that reads several elements, as those would be far apart.
      allowed &= readsOnce(user, use.getOperandNumber()) && !readsSeveral(op);
    }
  });
  return allowed;
}

bool FusionGroups::reductionCanJoin(Operation *op, FusionGroup &group) {
  if (group.kind == FusionGroup::Contraction || group.kind == FusionGroup::ColumnReduction)
    return false;
  ArrayRef<int64_t> axes = cast<ReductionOpInterface>(op).getReducedAxes();
  ArrayRef<int64_t> reduced = shapeOf(op->getOperand(0)), kept = shapeOf(op->getResult(0));
  if (!areInnermost(axes, reduced.size())) {
    // A reduction of columns: its readers must work on the reduced elements, one by one.
    return group.kind == FusionGroup::Map && kept == ArrayRef<int64_t>(group.domain) &&
           isReadInPlace(op, group) && llvm::all_of(group.ops, [](Operation *other) {
             return isa<ElementwiseOpInterface>(other);
           });
  }
  if (group.kind == FusionGroup::RowReduction)
    return ArrayRef<int64_t>(group.domain) == reduced && ArrayRef<int64_t>(group.axes) == axes &&
           isReadInPlace(op, group);
  if (ArrayRef<int64_t>(group.domain) == kept)
    return isReadInPlace(op, group);
  // Its readers walk the reduced elements again (as in softmax), one row at a time.
  return ArrayRef<int64_t>(group.domain) == reduced && isReadInPlace(op, group, /*byRows=*/true) &&
         llvm::all_of(group.ops,
                      [](Operation *other) { return isa<ElementwiseOpInterface>(other); });
}

bool FusionGroups::contractionCanJoin(Operation *op, FusionGroup &group) {
  return group.kind == FusionGroup::Map &&
         shapeOf(op->getResult(0)) == ArrayRef<int64_t>(group.domain) && isReadInPlace(op, group) &&
         llvm::all_of(group.ops,
                      [](Operation *other) { return isa<ElementwiseOpInterface>(other); });
}

void FusionGroups::add(Operation *op, FusionGroup &group) {
  if (auto reduction = dyn_cast<ReductionOpInterface>(op)) {
    ArrayRef<int64_t> axes = reduction.getReducedAxes(), shape = shapeOf(op->getOperand(0));
    group.kind =
        areInnermost(axes, shape.size()) ? FusionGroup::RowReduction : FusionGroup::ColumnReduction;
    group.domain.assign(shape.begin(), shape.end());
    group.axes.assign(axes.begin(), axes.end());
  } else if (isa<ContractionOpInterface>(op)) {
    group.kind = FusionGroup::Contraction;
  } else if (!isMap(op)) {
    group.kind = FusionGroup::Own;
  }
  group.ops.insert(op);
  groupOf[op] = &group;
}

FusionGroup &FusionGroups::start(Operation *op) {
  FusionGroup &group = *groups.emplace_back(std::make_unique<FusionGroup>());
  group.number = groups.size();
  group.domain.assign(shapeOf(op->getResult(0)).begin(), shapeOf(op->getResult(0)).end());
  return group;
}

bool FusionGroups::reaches(Operation *from, FusionGroup &to) {
  SmallVector<Operation *> pending;
  llvm::DenseSet<Operation *> seen;
  auto enter = [&](Operation *op) {
    FusionGroup *group = groupOf.lookup(op);
    if (!group)
      return seen.insert(op).second ? pending.push_back(op) : void();
    for (Operation *member : group->ops)
      if (seen.insert(member).second)
        pending.push_back(member);
  };
  enter(from);
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    if (groupOf.lookup(op) == &to)
      return true;
    for (Operation *user : op->getUsers())
      enter(user);
  }
  return false;
}

SmallVector<FusionGroup *> FusionGroups::inOrder() const {
  SmallVector<FusionGroup *> order;
  llvm::DenseSet<const FusionGroup *> done;
  llvm::DenseSet<Operation *> seen;
  // Depth first over operands: a group comes after all groups that it reads.
  std::function<void(FusionGroup *)> place;
  std::function<void(Operation *)> follow = [&](Operation *op) {
    if (!op || !seen.insert(op).second)
      return;
    if (FusionGroup *group = groupOf.lookup(op))
      return place(group);
    for (Value operand : op->getOperands())
      follow(operand.getDefiningOp());
  };
  place = [&](FusionGroup *group) {
    if (!done.insert(group).second)
      return;
    for (Operation *op : group->ops) {
      seen.insert(op);
      for (Value operand : op->getOperands()) {
        Operation *definition = operand.getDefiningOp();
        if (definition && !group->ops.contains(definition))
          follow(definition);
      }
    }
    order.push_back(group);
  };
  for (const auto &group : llvm::reverse(groups))
    place(group.get());
  return order;
}

} // namespace weft
