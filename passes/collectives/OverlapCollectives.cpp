// Lets what processes send go on while other ops are computed.
//
//   %0 = weft.exp %y                           %1 = weft.negative %x
//   %1 = weft.negative %x                      %t1 = weft.start_collective %1 after %t
//   %2, %t1 = weft.all_reduce %1 after %t  ->  %0 = weft.exp %y
//                                              %2, %t2 = weft.finish_collective %1 started %t1
//
// The same for weft.all_gather and weft.reduce_scatter.
#include "dialects/Weft/IR/CollectiveProgram.h"
#include "dialects/Weft/IR/Collectives.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/CollectivePasses.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

#include <deque>

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_OVERLAPCOLLECTIVES
#include "passes/CollectivePasses.h.inc"

namespace {

/// The number of an op's kind that has two ends; nothing for others.
std::optional<int64_t> kindOf(CollectiveOpInterface op) {
  if (auto sum = dyn_cast<AllReduceOp>(*op))
    return sum.getReduction() == 0 ? std::optional<int64_t>(0) : std::nullopt;
  return isa<AllGatherOp>(*op)       ? std::optional<int64_t>(1)
         : isa<ReduceScatterOp>(*op) ? std::optional<int64_t>(2)
                                     : std::nullopt;
}

bool isGather(Operation *op) { return isa<AllGatherOp>(op); }

bool hasBytes(Value value, int64_t least) {
  auto type = cast<RankedTensorType>(value.getType());
  if (llvm::any_of(type.getShape(), isSymbolicSize))
    return true;
  return type.getNumElements() * type.getElementTypeBitWidth() / 8 >= least;
}

/// One straight list of ops with collectives that are to have two ends.
class Overlap {
public:
  Overlap(Block &block, ArrayRef<CollectiveOpInterface> sent, size_t mostAhead)
      : block(block), sent(sent), mostAhead(mostAhead) {}

  void run() {
    reorder();
    sink();
    chain();
    // Each has the token of the one before it.
    for (CollectiveOpInterface op : llvm::reverse(sent))
      if (!whole.contains(op))
        op->erase();
  }

private:
  struct Pending {
    CollectiveOpInterface op;
    StartCollectiveOp start;
  };

  /// What they need, in their order, then everything else; both as they stood.
  void reorder() {
    DenseMap<Operation *, size_t> places;
    for (auto [place, op] : llvm::enumerate(block))
      places[&op] = place;
    llvm::SetVector<Operation *> order;
    for (CollectiveOpInterface op : sent) {
      SmallVector<Operation *> needed = missing(op, order);
      llvm::sort(needed, [&](Operation *left, Operation *right) {
        return places.at(left) < places.at(right);
      });
      order.insert(needed.begin(), needed.end());
    }
    Operation *first = &block.front();
    for (Operation *op : order) {
      if (op == first)
        first = op->getNextNode();
      else
        op->moveBefore(first);
    }
  }

  /// The op and all that it needs, without what is there already.
  SmallVector<Operation *> missing(Operation *last, const llvm::SetVector<Operation *> &there) {
    llvm::SetVector<Operation *> found;
    found.insert(last);
    for (size_t next = 0; next < found.size(); ++next)
      found[next]->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (Operation *maker = operand.getDefiningOp();
              maker && maker->getBlock() == &block && !there.contains(maker))
            found.insert(maker);
      });
    return found.takeVector();
  }

  /// What is made of a gathered value alone (its shape, its dtype) goes to where that is read: the
  /// value is waited for there.
  void sink() {
    llvm::SetVector<Operation *> made;
    for (Operation &op : block) {
      bool readsGathered = false;
      bool readsOthers = op.getNumRegions() > 0 || isa<ChainedOpInterface>(op);
      for (Value operand : op.getOperands()) {
        Operation *maker = operand.getDefiningOp();
        bool isGathered =
            maker && (made.contains(maker) || (isGather(maker) && llvm::is_contained(sent, maker)));
        readsGathered |= isGathered;
        readsOthers |= !isGathered && !matchPattern(operand, m_Constant());
      }
      if (readsGathered && !readsOthers && &op != block.getTerminator())
        made.insert(&op);
    }
    for (Operation *op : llvm::reverse(made))
      if (Operation *reader = firstReader(op))
        op->moveBefore(reader);
  }

  Operation *firstReader(Operation *op) {
    Operation *first = nullptr;
    for (Operation *user : op->getUsers()) {
      Operation *reader = block.findAncestorOpInBlock(*user);
      if (!first || reader->isBeforeInBlock(first))
        first = reader;
    }
    return first;
  }

  /// Puts the ends into the list, and chains all ops as they stand there.
  void chain() {
    llvm::DenseSet<Operation *> chosen(sent.begin(), sent.end());
    for (Operation &op : llvm::make_early_inc_range(block)) {
      finishBefore(op);
      auto chained = dyn_cast<ChainedOpInterface>(op);
      if (!chained || isa<StartCollectiveOp, FinishCollectiveOp>(op))
        continue;
      passed.insert(chained.getNext());
      bool isChosen = chosen.contains(&op);
      if (isChosen && isGather(&op)) {
        waiting.push_back(cast<CollectiveOpInterface>(op));
        startWaiting(op.getNextNode());
        continue;
      }
      // The order is the program's.
      startWaiting(&op, /*all=*/true);
      if (isChosen) {
        start(cast<CollectiveOpInterface>(op), op.getNextNode());
      } else {
        if (token)
          chained.getTokenMutable().assign(token);
        token = chained.getNext();
      }
    }
    for (CollectiveOpInterface op : sent)
      if (pending.contains(op.getResult()) || llvm::is_contained(waiting, op))
        finish(op.getResult(), *block.getTerminator());
    for (OpOperand &operand : block.getTerminator()->getOpOperands())
      if (passed.contains(operand.get()))
        operand.set(token);
  }

  /// Begins gathers in their order, as many as may be there ahead of what reads them.
  void startWaiting(Operation *before, bool all = false) {
    while (!waiting.empty() && (all || ahead < mostAhead)) {
      CollectiveOpInterface op = waiting.front();
      waiting.pop_front();
      start(op, before);
    }
  }

  void start(CollectiveOpInterface op, Operation *before) {
    OpBuilder builder(before);
    Value after = token ? token : cast<ChainedOpInterface>(*op).getToken();
    auto made = StartCollectiveOp::create(builder, op->getLoc(), op.getX(), after, op.getGroup(),
                                          op.getMembers(), uint64_t(kindOf(op).value_or(0)));
    if (Attribute program = op->getAttr(collectiveProgramName))
      made->setAttr(collectiveProgramName, program);
    token = made.getNext();
    pending[op.getResult()] = {op, made};
    ahead += isGather(op) ? 1 : 0;
  }

  /// Ends what an op, or one within it, reads.
  void finishBefore(Operation &op) {
    if (pending.empty() && waiting.empty())
      return;
    llvm::SetVector<Value> read;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (pending.contains(operand) || isWaiting(operand))
          read.insert(operand);
    });
    for (Value result : read)
      finish(result, op);
  }

  bool isWaiting(Value value) const {
    return llvm::any_of(waiting, [&](CollectiveOpInterface op) { return op.getResult() == value; });
  }

  void finish(Value result, Operation &before) {
    while (!pending.contains(result)) {
      CollectiveOpInterface next = waiting.front();
      waiting.pop_front();
      start(next, &before);
    }
    auto [op, started] = pending[result];
    pending.erase(result);
    ahead -= isGather(op) ? 1 : 0;
    if (isBetweenEmpty(op, started, before)) {
      joinEnds(op, started, before);
    } else {
      OpBuilder builder(&before);
      auto made = FinishCollectiveOp::create(builder, op->getLoc(), op.getX(), started.getNext(),
                                             token, op.getGroup(), op.getMembers(),
                                             uint64_t(kindOf(op).value_or(0)));
      if (Attribute program = op->getAttr(collectiveProgramName))
        made->setAttr(collectiveProgramName, program);
      result.replaceAllUsesWith(made.getResult());
      token = made.getNext();
    }
    startWaiting(&before);
  }

  /// Whether nothing is computed between the ends.
  bool isBetweenEmpty(CollectiveOpInterface op, StartCollectiveOp started, Operation &before) {
    Operation *next = started->getNextNode();
    if (next == op)
      next = next->getNextNode();
    return next == &before;
  }

  /// It stays one op, which takes no other thread's time.
  void joinEnds(CollectiveOpInterface op, StartCollectiveOp started, Operation &before) {
    op->moveBefore(&before);
    auto chained = cast<ChainedOpInterface>(*op);
    chained.getTokenMutable().assign(started.getToken());
    token = chained.getNext();
    started.erase();
    whole.insert(op);
  }

  Block &block;
  ArrayRef<CollectiveOpInterface> sent;
  /// How many gathers may have been begun that nothing has read yet.
  const size_t mostAhead;
  size_t ahead = 0;
  Value token;
  /// What is being sent, by its result, and the gathers whose turn has not come.
  DenseMap<Value, Pending> pending;
  std::deque<CollectiveOpInterface> waiting;
  /// What chained ops gave to the next ones at first.
  llvm::DenseSet<Value> passed;
  /// What has no two ends.
  llvm::DenseSet<Operation *> whole;
};

struct OverlapCollectives : impl::OverlapCollectivesBase<OverlapCollectives> {
  using OverlapCollectivesBase::OverlapCollectivesBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.getBody().hasOneBlock())
        overlap(function.getBody().front());
  }

private:
  void overlap(Block &block) const {
    SmallVector<CollectiveOpInterface> sent;
    for (auto op : block.getOps<CollectiveOpInterface>())
      if (kindOf(op) && hasBytes(op.getX(), leastBytes))
        sent.push_back(op);
    if (!sent.empty() && onlyChainedOpsPassTokens(block))
      Overlap(block, sent, static_cast<size_t>(mostAhead)).run();
  }

  /// A function that is called could run collectives of its own.
  static bool onlyChainedOpsPassTokens(Block &block) {
    return llvm::all_of(block.getOps<ChainedOpInterface>(), [&](ChainedOpInterface op) {
      return llvm::all_of(op.getNext().getUsers(), [&](Operation *user) {
        return isa<ChainedOpInterface>(user) || user == block.getTerminator();
      });
    });
  }
};

} // namespace
} // namespace weft
