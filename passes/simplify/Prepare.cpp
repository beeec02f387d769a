// Splits off what depends on hidden inputs and constants alone.
//
//   func.func @f(%x, %w {weft.hidden})           func.func @f(%x, %w {weft.hidden}) {
//       attributes {weft.prepare = ""} {           %0 = weft.prepare @f_prepare_0(%w)
//     %0 = weft.transpose %w [1, 0]         ->     %1 = weft.matmul %x, %0
//     %1 = weft.matmul %x, %0                      return %1
//     return %1                                  }
//   }                                            func.func private @f_prepare_0(%w) { ... }
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/simplify/KeptValues.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_PREPARE
#include "passes/Passes.h.inc"

namespace {

/// What is the same in most calls of a function.
KeptValues keptBy(func::FuncOp function) {
  return {function.getBody().front(), [&](BlockArgument argument) {
            return function.getArgAttr(argument.getArgNumber(), "weft.hidden") &&
                   !function.getArgAttr(argument.getArgNumber(), "weft.donated");
          }};
}

/// Divides one function.
class Preparation {
public:
  explicit Preparation(func::FuncOp function)
      : function(function),
        body(function.getBody().front()),
        first(&body.front()),
        kept(keptBy(function).findKept()) {}

  void run() {
    collectParts();
    for (auto &[leader, part] : parts)
      outline(part);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

private:
  /// Ops that share work, in the order of the program, and those whose values are kept.
  struct Part {
    SmallVector<Operation *> ops, kept;
  };

  /// Finds what the kept values depend on, and puts together what shares an op.
  void collectParts() {
    llvm::EquivalenceClasses<Operation *> classes;
    llvm::DenseSet<Operation *> needed;
    SmallVector<Operation *> pending(kept.begin(), kept.end());
    while (!pending.empty()) {
      Operation *op = pending.pop_back_val();
      if (!needed.insert(op).second)
        continue;
      classes.insert(op);
      for (Value operand : op->getOperands())
        if (Operation *definition = operand.getDefiningOp();
            definition && definition->getNumOperands() > 0) {
          classes.unionSets(op, definition);
          pending.push_back(definition);
        }
    }
    for (Operation &op : body)
      if (needed.contains(&op)) {
        Part &part = parts[classes.getLeaderValue(&op)];
        part.ops.push_back(&op);
        if (kept.contains(&op))
          part.kept.push_back(&op);
      }
  }

  void outline(const Part &part) {
    llvm::SmallSetVector<Value, 4> inputs;
    SmallVector<Value> results;
    SmallVector<Location> locations;
    for (Operation *op : part.ops) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands())
        if (isa<BlockArgument>(operand))
          inputs.insert(operand);
    }
    for (Operation *op : part.kept)
      results.push_back(op->getResult(0));
    Location location = FusedLoc::get(function.getContext(), locations);
    std::string name = (function.getSymName() + "_prepare_" + Twine(count++)).str();
    SmallVector<Type> types =
        llvm::map_to_vector(results, [](Value result) -> Type { return result.getType(); });
    OpBuilder builder(function->getContext());
    builder.setInsertionPointToEnd(function->getBlock());
    auto prepared = func::FuncOp::create(
        builder, location, name, builder.getFunctionType(TypeRange(inputs.getArrayRef()), types));
    prepared.setPrivate();
    fillBody(prepared, part, inputs.getArrayRef(), results);
    builder.setInsertionPoint(first);
    auto call = PrepareOp::create(builder, location, types, name, inputs.getArrayRef());
    for (auto [result, value] : llvm::zip_equal(results, call.getOutputs()))
      result.replaceAllUsesWith(value);
  }

  static void fillBody(func::FuncOp prepared, const Part &part, ArrayRef<Value> inputs,
                       ArrayRef<Value> results) {
    IRMapping mapping;
    OpBuilder builder = OpBuilder::atBlockEnd(prepared.addEntryBlock());
    for (auto [input, argument] : llvm::zip_equal(inputs, prepared.getArguments()))
      mapping.map(input, argument);
    for (Operation *op : part.ops) {
      for (Value operand : op->getOperands())
        if (!mapping.contains(operand))
          builder.clone(*operand.getDefiningOp(), mapping);
      builder.clone(*op, mapping);
    }
    auto returned =
        llvm::map_to_vector(results, [&](Value result) { return mapping.lookup(result); });
    func::ReturnOp::create(builder, prepared.getLoc(), returned);
  }

  func::FuncOp function;
  Block &body;
  /// Calls come before it.
  Operation *first;
  llvm::SmallSetVector<Operation *, 8> kept;
  llvm::MapVector<Operation *, Part> parts;
  int64_t count = 0;
};

struct Prepare : impl::PrepareBase<Prepare> {
  using PrepareBase::PrepareBase;

  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      auto asked = function->getAttrOfType<StringAttr>("weft.prepare");
      if (function.isDeclaration() || !asked)
        continue;
      function->removeAttr("weft.prepare");
      if (asked == "arranged")
        arrangeRightOperands(function);
      Preparation(function).run();
    }
  }

private:
  static void arrangeRightOperands(func::FuncOp function) {
    KeptValues known = keptBy(function);
    SmallVector<ContractionOpInterface> contractions;
    for (auto op : function.getBody().front().getOps<ContractionOpInterface>())
      if (known.contains(op->getOperand(1)) && !known.contains(op))
        contractions.push_back(op);
    for (ContractionOpInterface op : contractions) {
      OpBuilder builder(op);
      op.arrangeRightOperand(builder);
    }
  }
};

} // namespace
} // namespace weft
