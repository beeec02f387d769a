// Makes functions of the regions of control flow, and steps that run them.
//
//   %0 = weft.scan [5] init(%x) over(%steps) ... {     %0 = weft.loop @f_body_0 count [5] init(%x)
//   ^bb0(%carry, %slice):                                         over(%steps)
//     ...                                         ->
//     weft.yield %next                                 func.func private @f_body_0(%carry
//   }                                                      {weft.donated}, %slice) { ... }
//
// Those of a program (weft.program) stay in it. What a function requires of sizes (weft.require) is
// an attribute of it from then on.
//
// Constants that a region reads from around are constants of its own afterwards, which fold there.
#include "dialects/Weft/IR/Program.h"
#include "dialects/Weft/IR/Require.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_OUTLINEREGIONS
#include "passes/Passes.h.inc"

namespace {

/// The values that all regions of an op get as their last arguments; nothing for other ops.
std::optional<MutableOperandRange> capturedBy(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<MutableOperandRange>>(op)
      .Case<CaseOp, WhileOp, ScanOp>([](auto flow) { return flow.getCapturedMutable(); })
      .Default(std::nullopt);
}

/// True for what takes no memory, and so is as well in each region: the same number everywhere.
bool isNumber(Value value) {
  Attribute attribute;
  if (!matchPattern(value, m_Constant(&attribute)))
    return false;
  auto elements = dyn_cast<ElementsAttr>(attribute);
  return !elements || elements.isSplat();
}

/// Lets regions have constants of their own, and nothing that they do not read.
void dropCaptured(Operation *op, MutableOperandRange captured) {
  for (unsigned number = captured.size(); number-- > 0;) {
    Value value = captured[number].get();
    unsigned behind = captured.size() - number;
    bool isConstant = isNumber(value);
    auto argumentOf = [&](Region &region) {
      return region.getArgument(region.getNumArguments() - behind);
    };
    bool isRead = llvm::any_of(op->getRegions(),
                               [&](Region &region) { return !argumentOf(region).use_empty(); });
    if (isRead && !isConstant)
      continue;
    for (Region &region : op->getRegions()) {
      BlockArgument argument = argumentOf(region);
      if (!argument.use_empty()) {
        OpBuilder builder = OpBuilder::atBlockBegin(&region.front());
        argument.replaceAllUsesWith(builder.clone(*value.getDefiningOp())->getResult(0));
      }
      region.eraseArgument(argument.getArgNumber());
    }
    captured.erase(number);
  }
}

void eraseUnread(Region &region);

/// The scan without stacked results, and slices, that nobody reads.
ScanOp withoutUnread(ScanOp scan) {
  Operation *yield = scan.getBody().front().getTerminator();
  size_t carries = scan.getInit().size();
  SmallVector<Value> yielded;
  SmallVector<OpResult> kept;
  for (OpResult result : scan->getResults())
    if (result.getResultNumber() < carries || !result.use_empty()) {
      kept.push_back(result);
      yielded.push_back(yield->getOperand(result.getResultNumber()));
    }
  if (kept.size() < scan.getNumResults()) {
    OpBuilder builder(scan);
    auto types = llvm::map_to_vector(kept, [](OpResult result) { return result.getType(); });
    auto fewer = ScanOp::create(builder, scan.getLoc(), types, scan.getInit(), scan.getScanned(),
                                scan.getCaptured(), scan.getCount(), scan.getReverse());
    fewer.getBody().takeBody(scan.getBody());
    yield->setOperands(yielded);
    for (auto [former, result] : llvm::zip_equal(kept, fewer.getResults()))
      former.replaceAllUsesWith(result);
    scan.erase();
    scan = fewer;
  }
  eraseUnread(scan.getBody());
  for (size_t number = scan.getScanned().size(); number-- > 0;)
    if (scan.getBody().getArgument(carries + number).use_empty()) {
      scan.getBody().eraseArgument(carries + number);
      scan.getScannedMutable().erase(number);
    }
  return scan;
}

/// Erases what nobody reads, also in regions: loops that others took the place of, and slices of
/// results that only a gradient would have read.
void eraseUnread(Region &region) {
  for (Block &block : region)
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
        continue;
      }
      if (auto scan = dyn_cast<ScanOp>(op))
        withoutUnread(scan);
      else
        for (Region &inner : op.getRegions())
          eraseUnread(inner);
    }
}

/// Makes functions of the regions in one function.
class Outlining {
public:
  explicit Outlining(func::FuncOp function) : function(function), builder(function.getContext()) {}

  void run() {
    eraseUnread(function.getBody());
    function.walk<WalkOrder::PreOrder>([](Operation *op) {
      if (auto captured = capturedBy(op))
        dropCaptured(op, *captured);
    });
    SmallVector<Operation *> ops;
    function.walk<WalkOrder::PostOrder>([&](Operation *op) {
      // The control flow of a program is part of its kernel.
      if (capturedBy(op) && !op->getParentOfType<ProgramOp>())
        ops.push_back(op);
    });
    for (Operation *op : ops)
      llvm::TypeSwitch<Operation *>(op).Case<CaseOp, WhileOp, ScanOp>(
          [this](auto flow) { replace(flow); });
  }

private:
  void replace(CaseOp op) {
    SmallVector<Attribute> names;
    for (Region &branch : op.getBranches())
      names.push_back(outline("branch", branch));
    builder.setInsertionPoint(op);
    auto step = BranchOp::create(builder, op.getLoc(), op.getResultTypes(),
                                 builder.getArrayAttr(names), op.getIndex(), op.getCaptured());
    finish(op, step);
  }

  void replace(WhileOp op) {
    FlatSymbolRefAttr condition = outline("condition", op.getCondition());
    FlatSymbolRefAttr body = outline("body", op.getBody(), op.getInit().size());
    builder.setInsertionPoint(op);
    auto step = LoopOp::create(builder, op.getLoc(), op.getResultTypes(), body, condition,
                               ShapeAttr(), op.getInit(), ValueRange(), op.getCaptured());
    finish(op, step);
  }

  void replace(ScanOp op) {
    FlatSymbolRefAttr body = outline("body", op.getBody(), op.getInit().size());
    builder.setInsertionPoint(op);
    auto step = LoopOp::create(builder, op.getLoc(), op.getResultTypes(), body, FlatSymbolRefAttr(),
                               op.getCountAttr(), op.getInit(), op.getScanned(), op.getCaptured(),
                               op.getReverseAttr());
    finish(op, step);
  }

  static void finish(Operation *op, Operation *step) {
    op->replaceAllUsesWith(step);
    op->erase();
  }

  /// The name of a function of a region, of which the first arguments may be written over.
  FlatSymbolRefAttr outline(StringRef role, Region &region, size_t carried = 0) {
    Operation *yield = &region.front().back();
    std::string name =
        (function.getSymName() + "_" + role + "_" + std::to_string(counts[role]++)).str();
    builder.setInsertionPointToEnd(function->getBlock());
    auto made = func::FuncOp::create(
        builder, region.getParentOp()->getLoc(), name,
        builder.getFunctionType(region.getArgumentTypes(), yield->getOperandTypes()));
    made.setPrivate();
    if (Attribute precision = function->getAttr("weft.matmul_precision"))
      made->setAttr("weft.matmul_precision", precision);
    made.getBody().takeBody(region);
    for (size_t number = 0; number < carried; ++number)
      made.setArgAttr(number, "weft.donated", builder.getUnitAttr());
    builder.setInsertionPoint(yield);
    func::ReturnOp::create(builder, yield->getLoc(), yield->getOperands());
    yield->erase();
    return FlatSymbolRefAttr::get(made);
  }

  func::FuncOp function;
  OpBuilder builder;
  llvm::StringMap<int64_t> counts;
};

struct OutlineRegions : impl::OutlineRegionsBase<OutlineRegions> {
  using OutlineRegionsBase::OutlineRegionsBase;

  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      Outlining(function).run();
    for (auto function : getOperation().getOps<func::FuncOp>())
      collectRequirements(function);
  }
};

} // namespace
} // namespace weft
