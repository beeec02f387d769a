// Lets large sums of processes be sent while other ops are computed.
//
//   %0 = weft.exp %y                           %1 = weft.negative %x
//   %1 = weft.negative %x                      %t1 = weft.start_all_reduce %1 after %t
//   %2, %t1 = weft.all_reduce %1 after %t  ->  %0 = weft.exp %y
//                                              %2, %t2 = weft.finish_all_reduce %1 started %t1
#include "dialects/Weft/IR/CollectiveProgram.h"
#include "dialects/Weft/IR/Collectives.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/CollectivePasses.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_OVERLAPCOLLECTIVES
#include "passes/CollectivePasses.h.inc"

namespace {

bool hasBytes(Value value, int64_t least) {
  auto type = cast<RankedTensorType>(value.getType());
  if (llvm::any_of(type.getShape(), isSymbolicSize))
    return true;
  return type.getNumElements() * type.getElementTypeBitWidth() / 8 >= least;
}

/// One straight list of ops with sums that are to have two ends.
class Overlap {
public:
  Overlap(Block &block, ArrayRef<AllReduceOp> sums) : block(block), sums(sums) {}

  void run() {
    reorder();
    chain();
    for (AllReduceOp sum : sums)
      sum.erase();
  }

private:
  struct Pending {
    AllReduceOp sum;
    Value started;
  };

  /// What the sums need, in their order, then everything else; both as they stood.
  void reorder() {
    DenseMap<Operation *, size_t> places;
    for (auto [place, op] : llvm::enumerate(block))
      places[&op] = place;
    llvm::SetVector<Operation *> order;
    for (AllReduceOp sum : sums) {
      SmallVector<Operation *> needed = missing(sum, order);
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

  /// Puts the ends into the list, and chains all ops as they stand there.
  void chain() {
    llvm::DenseSet<Operation *> chosen(sums.begin(), sums.end());
    for (Operation &op : llvm::make_early_inc_range(block)) {
      finishBefore(op);
      auto chained = dyn_cast<ChainedOpInterface>(op);
      if (!chained)
        continue;
      if (token)
        chained.getTokenMutable().assign(token);
      passed.insert(chained.getNext());
      if (chosen.contains(&op))
        start(cast<AllReduceOp>(op));
      else
        token = chained.getNext();
    }
    for (AllReduceOp sum : sums)
      if (pending.contains(sum.getResult()))
        finish(sum.getResult(), *block.getTerminator());
    for (OpOperand &operand : block.getTerminator()->getOpOperands())
      if (passed.contains(operand.get()))
        operand.set(token);
  }

  void start(AllReduceOp sum) {
    OpBuilder builder(sum);
    auto made = StartAllReduceOp::create(builder, sum.getLoc(), sum.getX(), sum.getToken(),
                                         sum.getGroup(), sum.getMembers());
    if (Attribute program = sum->getAttr(collectiveProgramName))
      made->setAttr(collectiveProgramName, program);
    token = made.getNext();
    pending[sum.getResult()] = {sum, token};
  }

  /// Ends the sums that an op, or one within it, reads.
  void finishBefore(Operation &op) {
    if (pending.empty())
      return;
    llvm::SetVector<Value> read;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (pending.contains(operand))
          read.insert(operand);
    });
    for (Value result : read)
      finish(result, op);
  }

  void finish(Value result, Operation &before) {
    auto [sum, started] = pending[result];
    pending.erase(result);
    OpBuilder builder(&before);
    auto made = FinishAllReduceOp::create(builder, sum.getLoc(), sum.getX(), started, token,
                                          sum.getGroup(), sum.getMembers());
    if (Attribute program = sum->getAttr(collectiveProgramName))
      made->setAttr(collectiveProgramName, program);
    result.replaceAllUsesWith(made.getResult());
    token = made.getNext();
  }

  Block &block;
  ArrayRef<AllReduceOp> sums;
  Value token;
  /// What is being sent, by the sum's result.
  DenseMap<Value, Pending> pending;
  /// What chained ops gave to the next ones at first.
  llvm::DenseSet<Value> passed;
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
    SmallVector<AllReduceOp> sums;
    for (auto sum : block.getOps<AllReduceOp>())
      if (sum.getReduction() == 0 && hasBytes(sum.getX(), leastBytes))
        sums.push_back(sum);
    if (!sums.empty() && onlyChainedOpsPassTokens(block))
      Overlap(block, sums).run();
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
