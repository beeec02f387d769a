// Which ops become one kernel.
#include "passes/fusion/FusionGroups.h"
#include "passes/plan/ValueMemory.h"
#include "passes/templates/Template.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// True if nothing that computes the operand can be in a kernel with its user.
static bool readsMemory(OpOperand &use) {
  const Template *kind = templateClaiming(use.getOwner());
  return !kind || kind->readsMemory(use);
}

Value FusionGroups::viewedBy(Value value) const {
  while (Operation *op = withoutReshapes(value).getDefiningOp()) {
    if (!views.contains(op) && (!isFree(op) || op->getNumOperands() != 1))
      break;
    value = op->getOperand(0);
  }
  return withoutReshapes(value);
}

bool FusionGroups::isComputed(Operation *op) const {
  return templateClaiming(op) && !views.contains(op);
}

/// True if each element of an operand is read once for an element of the result.
static bool readsOnce(OpOperand &use) {
  if (isa<ReductionOpInterface>(use.getOwner()) || isReadWhereWalked(use))
    return true;
  auto indexed = dyn_cast<IndexedOpInterface>(use.getOwner());
  return indexed && indexed.readsOnce(use.getOperandNumber());
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

/// How many of these it saves to make the op's value the one result of a kernel.
static int64_t instructionsSavedAlone(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return indexed && indexed.getJoinedAxis() ? indexed.getInstructionCount() : 0;
}

int64_t FusionGroups::costOfElement(Value value) const {
  Operation *op = value.getDefiningOp();
  bool isElement = op && isComputed(op) && isElementByElement(op);
  return isElement && (isFree(op) || value.hasOneUse()) ? costs.at(op) : 1;
}

FusionGroups::FusionGroups(Block &block, Abilities abilities) : abilities(abilities) {
  if (abilities.readsParts)
    views = ArgumentViews(block);
  for (Operation &op : block) {
    int64_t cost = isComputed(&op) ? instructionCount(&op) : 0;
    for (Value operand : op.getOperands())
      cost = std::min(cost + costOfElement(operand), FusionLimits::repeated);
    costs[&op] = cost;
    if (auto update = dyn_cast<UpdateOpInterface>(op))
      lastUpdate[viewedBy(update.getX())] = &op;
  }
  for (Operation &op : llvm::reverse(block))
    visit(&op);
}

void FusionGroups::visit(Operation *op) {
  if (!isComputed(op)) {
    FusionGroup &outside = start();
    outside.ops.insert(op);
    groupOf[op] = &outside;
    return;
  }
  bool leaves = llvm::any_of(op->getUses(), [&](OpOperand &use) {
    if (rematerialized.contains(use.getOwner()))
      return false;
    return readsMemory(use) || !groupOf.at(use.getOwner())->kind;
  });
  if (!leaves && isFree(op)) {
    rematerialized.insert(op);
    return;
  }
  FusionGroup *host = findHost(op);
  add(op, host ? *host : start());
}

/// Calls `visit(use, through)` for each use, looking through ops that are computed again by their
/// readers (`through` is the first of these, or null), until it returns false.
static void forEachRead(Operation *op, const llvm::DenseSet<Operation *> &rematerialized,
                        function_ref<bool(OpOperand &, OpOperand *through)> visit) {
  for (OpOperand &use : op->getUses()) {
    if (!rematerialized.contains(use.getOwner())) {
      if (!visit(use, nullptr))
        return;
      continue;
    }
    SmallVector<Operation *> pending{use.getOwner()};
    while (!pending.empty()) {
      Operation *through = pending.pop_back_val();
      for (OpOperand &next : through->getUses()) {
        if (rematerialized.contains(next.getOwner()))
          pending.push_back(next.getOwner());
        else if (!visit(next, &use))
          return;
      }
    }
  }
}

FusionGroup *FusionGroups::findHost(Operation *op) {
  /// Readers beyond the first few hardly ever come into question.
  constexpr size_t mostCandidates = 8;
  llvm::SmallSetVector<FusionGroup *, 4> candidates;
  bool leaves = false;
  forEachRead(op, rematerialized, [&](OpOperand &use, OpOperand *) {
    FusionGroup *group = groupOf.at(use.getOwner());
    if (!group->kind)
      leaves = true;
    else
      candidates.insert(group);
    return true;
  });
  bool shared = leaves || candidates.size() > 1;
  // The order of uses is not that of the program: the first reader is asked first.
  auto inOrder = candidates.takeVector();
  llvm::sort(inOrder, [](auto *left, auto *right) { return left->number > right->number; });
  for (FusionGroup *group : ArrayRef<FusionGroup *>(inOrder).take_front(mostCandidates)) {
    if (!canJoin(op, *group) || !fits(op, *group))
      continue;
    // A shared op becomes a result of the kernel: it must be computed at the kernel's own elements,
    // and its other readers must not come before the kernel.
    bool canBeResult = group->kind->canYield(shapeOf(op->getResult(0)), *group) &&
                       group->readsInPlace(op, group->kind->walksRows());
    if ((!shared || canBeResult) && orderBefore(op, *group, shared))
      return group;
  }
  return nullptr;
}

void FusionGroups::forEachWriter(Operation *op, function_ref<bool(FusionGroup *)> visit) const {
  for (Value operand : op->getOperands()) {
    Operation *update = lastUpdate.lookup(viewedBy(operand));
    if (update && op->isBeforeInBlock(update) && !visit(groupOf.at(update)))
      return;
  }
}

void FusionGroups::forEachFollower(Operation *op, function_ref<bool(FusionGroup *)> visit) const {
  bool goesOn = true;
  forEachRead(op, rematerialized, [&](OpOperand &use, OpOperand *) {
    return goesOn = visit(groupOf.at(use.getOwner()));
  });
  if (goesOn)
    forEachWriter(op, visit);
}

bool FusionGroups::orderBefore(Operation *op, FusionGroup &group, bool isShared) {
  llvm::SmallSetVector<GroupOrder::Node *, 4> others;
  bool isPossible = true;
  forEachWriter(op, [&](FusionGroup *writer) {
    others.insert(writer);
    return isPossible = writer != &group;
  });
  if (isShared)
    forEachRead(op, rematerialized, [&](OpOperand &use, OpOperand *) {
      if (FusionGroup *reader = groupOf.at(use.getOwner()); reader != &group)
        others.insert(reader);
      return true;
    });
  auto successors = [&](GroupOrder::Node *node, function_ref<bool(GroupOrder::Node *)> visit) {
    bool goesOn = true;
    for (Operation *member : static_cast<FusionGroup *>(node)->ops) {
      forEachFollower(member, [&](FusionGroup *follower) {
        return goesOn = follower == node || visit(follower);
      });
      if (!goesOn)
        return;
    }
  };
  return isPossible &&
         (others.empty() || order.putBefore(&group, others.getArrayRef(), successors));
}

/// True if neighbours in the operand of the op are no neighbours in its result, but others are.
static bool turnsInnermost(Operation *op) {
  auto dimensions = dyn_cast<DimensionOpInterface>(op);
  if (!dimensions || op->getNumOperands() != 1)
    return false;
  auto labels = dimensions.getDimensionLabels();
  ArrayRef<int64_t> operand = labels.front(), result = labels.back();
  return !operand.empty() && operand.back() != result.back() &&
         llvm::is_contained(result, operand.back());
}

/// True if a kernel that turns what it reads (TurnedDimension.h) would not find the op's operand
/// turned behind `turning`: it has other sizes. A frame may be around the rows that are turned, not
/// along the vectors.
static bool hidesTurned(Operation *op, Operation *turning) {
  if (!isMovement(op) || isFree(op) || isa<ElementwiseOpInterface>(op))
    return false;
  if (!cast<IndexedOpInterface>(op).isFramed())
    return true;
  auto labels = cast<DimensionOpInterface>(turning).getDimensionLabels();
  const auto *along = llvm::find(labels.front(), labels.back().back());
  return along == labels.front().end() || cast<DimensionOpInterface>(op)
                                                  .getDimensionLabels()
                                                  .back()[along - labels.front().begin()] < 0;
}

bool FusionGroups::canJoin(Operation *op, FusionGroup &group) {
  if (!isElementByElement(op))
    return templateClaiming(op)->canLead(op, group);
  bool allowed = true;
  forEachRead(op, rematerialized, [&](OpOperand &use, OpOperand *through) {
    Operation *user = use.getOwner();
    if (!group.ops.contains(user))
      return true;
    if (through) {
      Operation *repeating = through->getOwner();
      allowed &= repeating->getNumOperands() == 1 &&
                 (repeatsInnermost(repeating) || isMovement(op)) &&
                 !(turnsInnermost(repeating) && hidesTurned(op, repeating));
    } else if (!isReadWhereWalked(use) && !isa<ReductionOpInterface>(user)) {
      // Read in another order: nothing that reads several elements, as those would be far apart.
      allowed &=
          readsOnce(use) && !readsSeveral(op) && !(turnsInnermost(user) && hidesTurned(op, user));
    }
    return allowed;
  });
  return allowed;
}

FusionGroup::Member FusionGroups::additionOf(Operation *op, FusionGroup &group) {
  llvm::SmallSetVector<FusionGroup::Place, 4> places;
  FusionGroup::Member addition;
  auto moved = [&](OpOperand *read, FusionGroup::Place from) {
    auto [found, isNew] = group.movedPlaces.try_emplace({read, from}, group.placeCount);
    group.placeCount += isNew;
    return found->second;
  };
  forEachRead(op, rematerialized, [&](OpOperand &use, OpOperand *through) {
    Operation *user = use.getOwner();
    if (!group.ops.contains(user)) {
      addition.isResult = true;
      places.insert(0);
      return true;
    }
    const FusionGroup::Member &reader = group.members.at(user);
    addition.passes = std::max(addition.passes, reader.passes);
    OpOperand *read = through ? through : &use;
    if (isa<ReductionOpInterface>(read->getOwner()))
      places.insert(moved(nullptr, reader.passes));
    else if (isReadWhereWalked(*read))
      places.insert(reader.places.begin(), reader.places.end());
    else
      for (FusionGroup::Place place : reader.places)
        places.insert(moved(read, place));
    // One more than fits tells enough.
    return places.size() <= FusionLimits::places;
  });
  addition.places.append(places.begin(), places.end());
  // A reduction is computed once, in a pass of its own or together with others.
  if (isa<ReductionOpInterface>(op)) {
    addition.places.assign(1, 0);
    ++addition.passes;
  }
  return addition;
}

bool FusionGroups::fits(Operation *op, FusionGroup &group) {
  FusionGroup::Member addition = additionOf(op, group);
  size_t inputs = group.inputs.size(), results = group.results + addition.isResult;
  for (Value result : op->getResults())
    inputs -= group.inputs.contains(result);
  for (Value operand : op->getOperands())
    inputs += !group.inputs.contains(operand);
  auto times = static_cast<int64_t>(addition.places.size());
  int64_t instructions = instructionCount(op);
  // Passes over a row find it in a cache, and computing there again is cheap.
  bool isRow = group.kind->walksRows();
  int64_t repeated = isRow ? 0 : (times - 1) * instructions;
  return times <= int64_t(FusionLimits::places) && group.ops.size() < FusionLimits::ops &&
         (inputs <= group.inputs.size() || inputs + results <= FusionLimits::buffers) &&
         group.instructions + times * instructions <= FusionLimits::instructions &&
         group.repeated + repeated + instructionsSavedAlone(op) < FusionLimits::repeated &&
         // The kernel would only end further up.
         (isRow || (times - 1) * costs.at(op) < FusionLimits::repeated);
}

void FusionGroups::add(Operation *op, FusionGroup &group) {
  if (group.ops.empty() || !isElementByElement(op))
    templateClaiming(op)->lead(op, group);
  FusionGroup::Member addition = additionOf(op, group);
  auto times = static_cast<int64_t>(addition.places.size());
  group.instructions += times * instructionCount(op);
  if (!group.kind->walksRows())
    group.repeated += std::max<int64_t>(times - 1, 0) * instructionCount(op);
  if (!group.ops.empty())
    group.repeated += instructionsSavedAlone(op);
  group.results += addition.isResult;
  for (Value result : op->getResults())
    group.inputs.erase(result);
  group.inputs.insert(op->operand_begin(), op->operand_end());
  group.members[op] = std::move(addition);
  group.ops.insert(op);
  groupOf[op] = &group;
}

FusionGroup &FusionGroups::start() {
  FusionGroup &group = *groups.emplace_back(std::make_unique<FusionGroup>());
  group.number = groups.size();
  group.rematerialized = &rematerialized;
  group.storesInFrames = abilities.storesInFrames;
  order.addInFront(&group);
  return group;
}

SmallVector<FusionGroup *> FusionGroups::inOrder() const {
  SmallVector<FusionGroup *> steps;
  for (auto [_, node] : order.inOrder()) {
    auto *group = static_cast<FusionGroup *>(node);
    if (group->kind || group->ops.front()->hasTrait<trait::PlannedStep>())
      steps.push_back(group);
  }
  return steps;
}

} // namespace weft
