// Computes before a loop what is the same in all iterations.
//
//   %0 = weft.loop @f_body_0 ... with(%w)          %1 = weft.transpose %w [1, 0]
//                                           ->     %0 = weft.loop @f_body_0 ... with(%1)
//   func.func private @f_body_0(.., %w) {          func.func private @f_body_0(.., %t
//   {weft.hidden})
//     %1 = weft.transpose %w [1, 0] ...                attributes {weft.repeated}
//
// What is worth it is decided as for values that are prepared (KeptValues): a loop that runs once
// or not at all has computed what no iteration needs, which has no other effect.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"
#include "passes/plan/PlanSteps.h"
#include "passes/simplify/KeptValues.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_HOISTINVARIANTS
#include "passes/Passes.h.inc"

namespace {

/// Takes what is worth it out of one loop.
class Hoisting {
public:
  Hoisting(LoopOp loop, const SymbolTable &symbols)
      : loop(loop),
        body(symbols.lookup<func::FuncOp>(loop.getBody())),
        firstCaptured(loop.getInit().size() + loop.getScanned().size()) {
    if (FlatSymbolRefAttr condition = loop.getConditionAttr())
      asked = symbols.lookup<func::FuncOp>(condition.getAttr());
  }

  void run() {
    Block &block = body.getBody().front();
    KeptValues known(
        block, [&](BlockArgument argument) { return argument.getArgNumber() >= firstCaptured; });
    auto kept = known.findKept();
    cloneBefore(block, kept.getArrayRef());
    for (Operation *op : kept)
      capture(op->getResult(0));
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        op.erase();
    dropUnread();
  }

private:
  /// Clones what is kept, and what that depends on, in front of the loop.
  void cloneBefore(Block &block, ArrayRef<Operation *> kept) {
    llvm::DenseSet<Operation *> needed;
    SmallVector<Operation *> pending(kept);
    while (!pending.empty()) {
      Operation *op = pending.pop_back_val();
      if (needed.insert(op).second)
        for (Value operand : op->getOperands())
          if (Operation *definition = operand.getDefiningOp())
            pending.push_back(definition);
    }
    for (auto [number, value] : llvm::enumerate(loop.getCaptured()))
      outside.map(body.getArgument(firstCaptured + number), value);
    OpBuilder builder(loop);
    for (Operation &op : block)
      if (needed.contains(&op))
        builder.clone(op, outside);
  }

  /// The loop's functions are given the value that was computed before.
  void capture(Value inside) {
    loop.getCapturedMutable().append(outside.lookup(inside));
    for (func::FuncOp function : {body, asked})
      if (function)
        (void)function.insertArgument(function.getNumArguments(), inside.getType(), {},
                                      inside.getLoc());
    inside.replaceAllUsesWith(body.getArguments().back());
  }

  void dropUnread() {
    unsigned carries = loop.getInit().size();
    for (unsigned number = loop.getCaptured().size(); number-- > 0;) {
      bool isRead = !body.getArgument(firstCaptured + number).use_empty() ||
                    (asked && !asked.getArgument(carries + number).use_empty());
      if (isRead)
        continue;
      (void)body.eraseArgument(firstCaptured + number);
      if (asked)
        (void)asked.eraseArgument(carries + number);
      loop.getCapturedMutable().erase(number);
    }
  }

  LoopOp loop;
  func::FuncOp body;
  /// The function of the condition, or null.
  func::FuncOp asked;
  unsigned firstCaptured;
  IRMapping outside;
};

struct HoistInvariants : impl::HoistInvariantsBase<HoistInvariants> {
  using HoistInvariantsBase::HoistInvariantsBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isPrivate()) {
        hoist(function, symbols);
        mark(function, symbols);
      }
  }

private:
  /// Calls `visit` with each function that steps of `function` run.
  static void forCallees(func::FuncOp function, const SymbolTable &symbols,
                         function_ref<void(func::FuncOp)> visit) {
    auto call = [&](Attribute name) {
      visit(symbols.lookup<func::FuncOp>(cast<FlatSymbolRefAttr>(name).getAttr()));
    };
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front()))
      if (auto loop = dyn_cast<LoopOp>(op))
        call(loop.getBodyAttr());
      else if (auto branch = dyn_cast<BranchOp>(op))
        llvm::for_each(branch.getFunctions(), call);
  }

  /// From the innermost loops on. What is in a branch is computed if that is chosen.
  static void hoist(func::FuncOp function, const SymbolTable &symbols) {
    forCallees(function, symbols, [&](func::FuncOp callee) { hoist(callee, symbols); });
    for (auto loop : llvm::to_vector(function.getOps<LoopOp>()))
      Hoisting(loop, symbols).run();
  }

  /// Marks what is the same in many calls of a function: what a loop captures, and what a branch
  /// gets of that; and the functions that run again soon, with what they read the last time.
  static void mark(func::FuncOp function, const SymbolTable &symbols) {
    auto repeat = [](func::FuncOp callee) {
      callee->setAttr("weft.repeated", UnitAttr::get(callee.getContext()));
    };
    auto keep = [&](func::FuncOp callee, unsigned number) {
      callee.setArgAttr(number, "weft.hidden", UnitAttr::get(callee.getContext()));
    };
    for (auto loop : function.getOps<LoopOp>()) {
      auto body = symbols.lookup<func::FuncOp>(loop.getBody());
      unsigned first = loop.getInit().size() + loop.getScanned().size();
      repeat(body);
      for (unsigned number = first; number < body.getNumArguments(); ++number)
        keep(body, number);
    }
    for (auto branch : function.getOps<BranchOp>())
      for (auto name : branch.getFunctions().getAsRange<FlatSymbolRefAttr>()) {
        if (function->hasAttr("weft.repeated"))
          repeat(symbols.lookup<func::FuncOp>(name.getAttr()));
        for (auto [number, input] : llvm::enumerate(branch.getInputs()))
          if (isKept(input))
            keep(symbols.lookup<func::FuncOp>(name.getAttr()), number);
      }
    forCallees(function, symbols, [&](func::FuncOp callee) { mark(callee, symbols); });
  }
};

} // namespace
} // namespace weft
