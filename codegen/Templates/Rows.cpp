// Kernels that reduce along the innermost dimensions, and what surrounds the reductions row by row:
// sums of rows, softmax, norms.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/Loops/RowWalk.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "codegen/Templates/SharedChoices.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {
namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

bool computesInDoubles(KernelOp kernel) {
  return llvm::any_of(kernel.getBody().front().without_terminator(), [](Operation &op) {
    return llvm::any_of(op.getResultTypes(), [](Type type) { return elementBytes(type) == 8; });
  });
}

class Rows : public KernelTemplate {
public:
  StringRef name() const override { return "rows"; }
  StringRef reason() const override {
    return "one pass of rows: what reduces along them and what follows row by row";
  }

  bool claims(Operation *op) const override {
    auto reduction = dyn_cast<ReductionOpInterface>(op);
    return reduction && reducesInnermost(reduction);
  }

  bool canLead(Operation *op, const FusionGroup &group) const override {
    ArrayRef<int64_t> axes = cast<ReductionOpInterface>(op).getReducedAxes();
    ArrayRef<int64_t> reduced = shapeOf(op->getOperand(0)), kept = shapeOf(op->getResult(0));
    ArrayRef<int64_t> domain = group.domain;
    if (group.kind == this)
      return domain == reduced && ArrayRef<int64_t>(group.axes) == axes &&
             group.readsInPlace(op, /*byRows=*/true);
    if (!llvm::all_of(group.ops, isElementByElement))
      return false;
    if (domain == kept)
      return group.readsInPlace(op, /*byRows=*/false);
    // Its readers walk the reduced elements again (as in softmax), one row at a time.
    return domain == reduced && group.readsInPlace(op, /*byRows=*/true) &&
           llvm::all_of(group.ops, llvm::IsaPred<ElementwiseOpInterface>);
  }

  void lead(Operation *op, FusionGroup &group) const override {
    group.kind = this;
    ArrayRef<int64_t> axes = cast<ReductionOpInterface>(op).getReducedAxes();
    ArrayRef<int64_t> shape = shapeOf(op->getOperand(0));
    group.domain.assign(shape.begin(), shape.end());
    group.axes.assign(axes.begin(), axes.end());
  }

  bool walksRows() const override { return true; }

  /// All passes that reduce a row come before the one that writes it, in a stage of their own where
  /// rows are cut into blocks; no task reads the rows of another.
  bool readsAhead(OpOperand &use) const override { return claims(use.getOwner()); }

  /// What is as long as the row, or one value for each.
  bool canYield(ArrayRef<int64_t> shape, const FusionGroup &group) const override {
    ArrayRef<int64_t> domain = group.domain;
    return shape == domain || shape == domain.drop_back(group.axes.size());
  }

  WorkTerm operationsOf(Operation *op) const override { return elementsOf(op->getOperand(0)); }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                               const CpuTarget &target) const override {
    return chooseRowSchedule(kernel, launch, target, cpuLanes);
  }

  /// Keeps the row in registers if all of it fits, with room for what is computed from it.
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch, const GpuTarget &) const override {
    constexpr int64_t lanes = 4, warpThreads = 32, blockThreads = 256, longestOfWarp = 1024,
                      registerVectors = 16;
    auto schedule = [&](int64_t kept) {
      return RowsScheduleAttr::get(kernel.getContext(), lanes, kept, /*chains=*/1, /*blocks=*/0,
                                   /*across=*/false);
    };
    auto op = *kernel.getBody().front().getOps<ReductionOpInterface>().begin();
    int64_t symbol = symbolsOf(op->getOperand(0).getType()).back();
    int64_t rowInputs = 1 + llvm::count_if(kernel.getArgumentTypes(), [&](Type type) {
                          return llvm::is_contained(symbolsOf(type), symbol);
                        });
    int64_t most = std::max<int64_t>(2, llvm::bit_floor<uint64_t>(registerVectors / rowInputs));
    if (computesInDoubles(kernel))
      most /= 2;
    std::optional<int64_t> length = knownProduct({symbol}, launch);
    if (!length)
      return schedule(most);
    int64_t strands = *length <= longestOfWarp ? warpThreads : blockThreads;
    int64_t needed = llvm::bit_ceil<uint64_t>(
        std::max<int64_t>(1, (*length + lanes * strands - 1) / (lanes * strands)));
    return schedule(needed <= most ? needed : 0);
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    return verifyOn(kernel, target, "a processor");
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    return verifyOn(kernel, target, "a GPU");
  }

  void emit(KernelEmitter &emitter) const override {
    emitter.setLaneCount(emitter.schedule<RowsScheduleAttr>().getLanes());
    emitRowReduction(emitter);
  }
  void emit(GpuEmitter &emitter) const override {
    emitGpuRowReduction(emitter, emitter.schedule<RowsScheduleAttr>().getKept());
  }

private:
  /// Without axes: refused when the kernel is verified.
  static bool reducesInnermost(ReductionOpInterface op) {
    ArrayRef<int64_t> axes = op.getReducedAxes();
    auto rank = static_cast<int64_t>(shapeOf(op->getOperand(0)).size());
    auto first = rank - static_cast<int64_t>(axes.size());
    return axes.empty() || (axes.front() == first && axes.back() == rank - 1);
  }

  template <typename Target>
  LogicalResult verifyOn(KernelOp kernel, const Target &target, StringRef kind) const {
    auto schedule = dyn_cast<RowsScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, kind);
    return success(succeeded(verifyReductions(kernel)) &&
                   succeeded(verifyLanes(kernel, schedule.getLanes(), target)) &&
                   succeeded(verifySchedule(kernel, schedule, target)));
  }

  static LogicalResult verifyReductions(KernelOp kernel) {
    for (auto op : kernel.getBody().front().getOps<ReductionOpInterface>())
      if (op.getReducedAxes().empty())
        return op->emitOpError() << "reduces along no dimension; canonicalize removes it";
    return success();
  }

  static LogicalResult verifySchedule(KernelOp kernel, RowsScheduleAttr schedule,
                                      const GpuTarget &) {
    constexpr int64_t mostKept = 64;
    if (schedule.getKept() < 0 || schedule.getKept() > mostKept)
      return kernel.emitOpError() << "has a schedule that keeps " << schedule.getKept()
                                  << " vectors of a row; there must be 0 to " << mostKept;
    return success();
  }

  static LogicalResult verifySchedule(KernelOp kernel, RowsScheduleAttr schedule,
                                      const CpuTarget &) {
    constexpr int64_t mostKept = 65536, mostChains = 16, mostBlocks = 65536;
    int64_t kept = schedule.getKept(), elements = kept * schedule.getLanes();
    if (kept < 0 || kept > mostKept ||
        (kept > 0 && (elements < RowWalk::blockElements || elements > mostKept ||
                      !llvm::isPowerOf2_64(elements))))
      return kernel.emitOpError() << "has a schedule that keeps " << kept << " vectors of "
                                  << schedule.getLanes() << " elements; on a processor they must be"
                                  << " a power of 2 of elements, " << RowWalk::blockElements
                                  << " to " << mostKept << ", or none";
    if (schedule.getChains() < 1 || schedule.getChains() > mostChains)
      return kernel.emitOpError() << "has a schedule of " << schedule.getChains()
                                  << " chains; there must be 1 to " << mostChains;
    if (schedule.getBlocks() < 0 || schedule.getBlocks() > mostBlocks)
      return kernel.emitOpError() << "has a schedule with tasks of " << schedule.getBlocks()
                                  << " blocks; there must be 0 to " << mostBlocks;
    if (kept > 0 && schedule.getBlocks() > 0)
      return kernel.emitOpError()
             << "has a schedule that keeps values of a row, and cuts rows into "
                "blocks, which are computed in stages of their own";
    return schedule.getAcross() ? verifyAcross(kernel, schedule) : success();
  }

  static LogicalResult verifyAcross(KernelOp kernel, RowsScheduleAttr schedule) {
    if (schedule.getKept() > 0 || schedule.getChains() > 1 || schedule.getBlocks() > 0)
      return kernel.emitOpError()
             << "has a schedule of vectors across rows, which has neither kept "
                "values nor chains nor blocks";
    RowSymbols symbols(kernel);
    if (symbols.outer.empty() || !llvm::all_of(kernel.getYield().getValues(),
                                               [&](Value value) { return symbols.isOfRow(value); }))
      return kernel.emitOpError() << "has a schedule of vectors across rows, which needs a "
                                     "dimension beside them, and results of one element a row";
    return success();
  }
};

} // namespace

const KernelTemplate &rowsTemplate() {
  static const Rows instance;
  return instance;
}

} // namespace weft
