// Chooses for each kernel how it runs.
//
//   weft.kernel @k(...) -> ... {                 weft.kernel @k(...) -> ... attributes
//     %0 = weft.matmul ...                 ->        {schedule = #weft.schedule<kind = contraction,
//                                                     lanes = 16, rows = 14, columns = 2, ...>} {
//
// A schedule holds no sizes but those that pay: the rows of a convolution's tile divide its width.
// Symbolic sizes count as large, and none becomes part of a schedule.
#include "dialects/Weft/IR/ContractionLoops.h"
#include "lib/Support/SymbolicSize.h"
#include "passes/Passes.h"
#include "passes/schedule/GpuSchedule.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SCHEDULE
#include "passes/Passes.h.inc"

namespace {

/// Elements in a vector, on all targets: the order of a sum depends on it.
constexpr int64_t lanes = 16;

/// How many steps of the depth loops a tile takes before the next tile: a block of the right
/// operand of so many steps stays in the second-level cache.
constexpr int64_t depthSteps = 1024;

/// The product of sizes of a launch; nothing if it is not known, as a symbolic one.
std::optional<int64_t> knownProduct(ArrayRef<int64_t> symbols, LaunchOp launch) {
  auto product = productOf(
      llvm::map_to_vector(symbols, [&](int64_t symbol) { return launch.getSizes()[symbol]; }));
  return product && !isSymbolicSize(*product) ? product : std::nullopt;
}

/// The size of a loop in a call of the kernel, if it is known.
std::optional<int64_t> sizeOf(const ContractionLoop &loop, LaunchOp launch) {
  return knownProduct(loop.symbols, launch);
}

/// A distance in memory in a call of the kernel, in elements; 0 if it is not known.
int64_t valueOf(const SymbolicStride &stride, LaunchOp launch) {
  std::optional<int64_t> run = knownProduct(stride.symbols, launch);
  return run ? stride.factor * *run : 0;
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
        kernel.setScheduleAttr(chooseFor(kernel, launches.lookup(kernel.getSymName())));
  }

private:
  ScheduleAttr chooseFor(KernelOp kernel, LaunchOp launch) {
    return gpu ? chooseGpuSchedule(kernel, launch, warpgroups) : choose(kernel, launch);
  }

  ScheduleAttr choose(KernelOp kernel, LaunchOp launch) {
    for (Operation &op : kernel.getBody().front()) {
      if (auto contraction = dyn_cast<ContractionOpInterface>(op))
        return chooseContraction(kernel, contraction, launch);
      if (auto reduction = dyn_cast<ReductionOpInterface>(op)) {
        int64_t rank = cast<RankedTensorType>(op.getOperand(0).getType()).getRank();
        ArrayRef<int64_t> axes = reduction.getReducedAxes();
        bool rows = axes.empty() || axes.back() == rank - 1; // without axes: refused by templates
        return make(rows ? Template::row_reduction : Template::column_reduction);
      }
      if (isa<UpdateOpInterface>(op))
        return make(Template::update);
    }
    return make(Template::elementwise);
  }

  ScheduleAttr make(Template kind) {
    int64_t grain = kind == Template::elementwise ? 64 * lanes : 1;
    return ScheduleAttr::get(&getContext(), kind, lanes, 0, 0, 0, false, false, 0, grain);
  }

  /// The register tile leaves room for one row of the right operand and a broadcast.
  ScheduleAttr chooseContraction(KernelOp kernel, ContractionOpInterface op, LaunchOp launch) {
    int64_t elementBytes =
        std::max(4u, getElementTypeOrSelf(op->getResult(0)).getIntOrFloatBitWidth() / 8);
    int64_t perVector = std::max<int64_t>(1, lanes * elementBytes / registerBytes);
    int64_t columns = perVector == 1 ? 2 : 1;
    int64_t most =
        (registers - columns * perVector - (registers > 16 ? 2 : 1)) / (columns * perVector);
    most = std::clamp<int64_t>(most, 1, 14);
    std::vector<ContractionLoop> loops = contractionLoops(op);
    auto rowLoops = loopsOfKind(loops, Contraction::Row);
    auto depthLoops = loopsOfKind(loops, Contraction::Depth);
    // One loop of rows and one of depth: a matrix product, whose tile suits any size. Otherwise the
    // operands are images, whose width and window are worth a kernel of their own.
    bool isMatrix = rowLoops.size() == 1 && depthLoops.size() == 1;
    int64_t rows = most, depth = depthSteps * 4 / elementBytes, rowStride = 0;
    if (!isMatrix && launch) {
      // With the distance of rows known their addresses need no registers.
      rowStride = valueOf(rowLoops.back().strides[Contraction::Lhs], launch);
      std::optional<int64_t> width = sizeOf(rowLoops.back(), launch);
      if (rowLoops.size() > 1 && width)
        rows = bestRows(*width, most);
      // A loop of unknown size counts as long: the outermost one goes step by step.
      int64_t inner = 1;
      for (const ContractionLoop &loop : llvm::drop_begin(depthLoops))
        inner = std::min(depth, inner * std::min(depth, sizeOf(loop, launch).value_or(depth)));
      depth = llvm::bit_floor<uint64_t>(std::max<int64_t>(1, depth / std::max<int64_t>(1, inner)));
    }
    return ScheduleAttr::get(&getContext(), Template::contraction, lanes, rows, columns, depth,
                             /*pack_lhs=*/isMatrix, !readsWholeColumns(op, loops, launch, columns),
                             rowStride, /*grain=*/1);
  }

  /// True if the right operand of images can be read where it is: columns are neighbours, and are a
  /// multiple of the tile's.
  static bool readsWholeColumns(ContractionOpInterface op, ArrayRef<ContractionLoop> loops,
                                LaunchOp launch, int64_t vectors) {
    auto columns = loopsOfKind(loops, Contraction::Column);
    return launch && loopsOfKind(loops, Contraction::Depth).size() > 1 &&
           isa<BlockArgument>(op->getOperand(1)) && columns.size() == 1 &&
           columns[0].strides[Contraction::Rhs].isOne() &&
           sizeOf(columns[0], launch).value_or(1) % (vectors * lanes) == 0;
  }
};

} // namespace
} // namespace weft
