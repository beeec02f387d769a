// Constants that loops and branches read, in the functions that they run.
//
// So that a step captures less:
//
//   %w = weft.constant ...                     ->   weft.loop @f_body_0 init(%x)
//   weft.loop @f_body_0 init(%x) with(%w)           // and @f_body_0 begins with %w = weft.constant
#include "lib/Compiler/CapturedConstants.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/plan/ValueMemory.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace weft {
namespace {

/// Gives the functions of one step constants, and the step fewer operands.
class ConstantSinking {
public:
  explicit ConstantSinking(const SymbolTable &symbols) : symbols(symbols) {}

  void run(func::FuncOp function) {
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front()))
      llvm::TypeSwitch<Operation *>(&op).Case<LoopOp, BranchOp>([&](auto step) { sink(step); });
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

private:
  /// A function of a step, and the number of its first argument that all functions of it get.
  struct Callee {
    func::FuncOp function;
    unsigned first;
  };

  func::FuncOp lookup(Attribute name) const {
    return symbols.lookup<func::FuncOp>(cast<FlatSymbolRefAttr>(name).getAttr());
  }

  void sink(LoopOp loop) {
    unsigned carries = loop.getInit().size();
    SmallVector<Callee> callees{
        {lookup(loop.getBodyAttr()), static_cast<unsigned>(carries + loop.getScanned().size())}};
    if (FlatSymbolRefAttr condition = loop.getConditionAttr())
      callees.push_back({lookup(condition), carries});
    sink(callees, loop.getCapturedMutable());
  }

  void sink(BranchOp branch) {
    auto callees = llvm::map_to_vector(branch.getFunctions(),
                                       [&](Attribute name) { return Callee{lookup(name), 0}; });
    sink(callees, branch.getInputsMutable());
  }

  void sink(ArrayRef<Callee> callees, MutableOperandRange captured) {
    for (unsigned number = captured.size(); number-- > 0;) {
      Value value = captured[number].get();
      auto constant = withoutReshapes(value).getDefiningOp<ConstantOp>();
      for (auto [function, first] : callees) {
        function.removeArgAttr(first + number, "weft.hidden");
        if (!constant)
          continue;
        BlockArgument argument = function.getArgument(first + number);
        auto builder = OpBuilder::atBlockBegin(&function.getBody().front());
        argument.replaceAllUsesWith(clone(builder, value));
        (void)function.eraseArgument(first + number);
      }
      if (constant)
        captured.erase(number);
    }
    for (const Callee &callee : callees)
      run(callee.function);
  }

  /// A constant, maybe in another shape.
  static Value clone(OpBuilder &builder, Value value) {
    IRMapping mapping;
    if (auto reshape = value.getDefiningOp<ReshapeOp>())
      mapping.map(reshape.getX(), clone(builder, reshape.getX()));
    return builder.clone(*value.getDefiningOp(), mapping)->getResult(0);
  }

  const SymbolTable &symbols;
};

} // namespace

void sinkConstants(ModuleOp module) {
  SymbolTable symbols(module);
  ConstantSinking(symbols).run(symbols.lookup<func::FuncOp>("main"));
}

} // namespace weft
