// Chooses for each kernel how it runs.
//
//   weft.kernel @k(...) -> ... {                 weft.kernel @k(...) -> ... attributes
//     %0 = weft.matmul ...                 ->        {schedule = #weft.schedule<kind = contraction,
//                                                     lanes = 16, rows = 14, columns = 2, ...>} {
//
// A schedule holds no sizes but those that pay: the rows of a convolution's tile divide its width.
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SCHEDULE
#include "passes/Passes.h.inc"

namespace {

/// Elements in a vector, on all targets: the order of a sum depends on it.
constexpr int64_t lanes = 16;

/// The size, in the calls that are known, of the innermost row loop of a contraction; 0: unknown.
int64_t innermostRows(KernelOp kernel, ContractionOpInterface op, LaunchOp launch) {
  Contraction contraction = op.getContraction();
  const Contraction::Loop *innermost = nullptr;
  int64_t count = 0;
  for (const Contraction::Loop &loop : contraction.loops)
    if (loop.kind == Contraction::Row) {
      innermost = &loop;
      ++count;
    }
  if (!launch || count < 2)
    return 0;
  Value tensor = innermost->sizeOperand == Contraction::Result
                     ? Value(op->getResult(0))
                     : op->getOperand(innermost->sizeOperand);
  auto sizes = cast<SizesAttr>(cast<RankedTensorType>(tensor.getType()).getEncoding());
  return launch.getSizes()[sizes.getSymbols()[innermost->sizeDimension]];
}

/// The tile height from `most` downwards that wastes least of `size` rows, when the last tile is
/// moved back to end with the rows.
int64_t bestRows(int64_t size, int64_t most) {
  if (size <= most)
    return std::max<int64_t>(size, 1);
  int64_t best = most, bestWork = std::numeric_limits<int64_t>::max();
  for (int64_t rows = most; rows >= (2 * most + 2) / 3; --rows) {
    // Each step of a tile also loads its columns, which costs about one row.
    int64_t work = (size + rows - 1) / rows * (rows + 1);
    if (work < bestWork)
      best = rows, bestWork = work;
  }
  return best;
}

struct Schedule : impl::ScheduleBase<Schedule> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override {
    llvm::DenseMap<StringRef, LaunchOp> launches;
    getOperation().walk([&](LaunchOp launch) { launches.try_emplace(launch.getKernel(), launch); });
    for (KernelOp kernel : getOperation().getOps<KernelOp>())
      if (!kernel.getScheduleAttr())
        kernel.setScheduleAttr(choose(kernel, launches.lookup(kernel.getSymName())));
  }

private:
  ScheduleAttr choose(KernelOp kernel, LaunchOp launch) {
    for (Operation &op : kernel.getBody().front()) {
      if (auto contraction = dyn_cast<ContractionOpInterface>(op))
        return chooseContraction(kernel, contraction, launch);
      if (auto reduction = dyn_cast<ReductionOpInterface>(op)) {
        int64_t rank = cast<RankedTensorType>(op.getOperand(0).getType()).getRank();
        bool rows = reduction.getReducedAxes().back() == rank - 1;
        return make(rows ? Template::row_reduction : Template::column_reduction);
      }
      if (isa<ScatterAddOp>(op))
        return make(Template::scatter);
    }
    return make(Template::elementwise);
  }

  ScheduleAttr make(Template kind) {
    int64_t grain = kind == Template::elementwise ? 64 * lanes : 1;
    return ScheduleAttr::get(&getContext(), kind, lanes, 0, 0, 0, false, false, grain);
  }

  /// The register tile leaves room for one row of the right operand and a broadcast.
  ScheduleAttr chooseContraction(KernelOp kernel, ContractionOpInterface op, LaunchOp launch) {
    int64_t elementBytes =
        std::max(4u, getElementTypeOrSelf(op->getResult(0)).getIntOrFloatBitWidth() / 8);
    int64_t perVector = std::max<int64_t>(1, lanes * elementBytes / registerBytes);
    int64_t columns = perVector == 1 ? 2 : 1;
    int64_t most = (registers - columns * perVector - (registers > 16 ? 2 : 1)) / (columns * perVector);
    most = std::clamp<int64_t>(most, 1, 14);
    int64_t width = innermostRows(kernel, op, launch);
    int64_t rows = width ? bestRows(width, most) : most;
    return ScheduleAttr::get(&getContext(), Template::contraction, lanes, rows, columns,
                             /*depth=*/256, /*pack_lhs=*/false, /*pack_rhs=*/true, /*grain=*/1);
  }
};

} // namespace
} // namespace weft
