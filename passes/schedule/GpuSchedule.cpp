// How a kernel runs on a GPU.
#include "passes/schedule/GpuSchedule.h"
#include "dialects/Weft/IR/ContractionLoops.h"
#include "lib/Support/SymbolicSize.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockThreads = 256;
constexpr int64_t vectorBytes = 16, mostLanes = 8;
/// Blocks that keep a whole GPU busy.
constexpr int64_t fullGrid = 132;

int64_t bytesOf(Type type) {
  return std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
}

/// A dimension of a value.
using Dimension = std::pair<Value, int64_t>;
constexpr int64_t uniform = -1;

/// The dimension of `operand` of `op` that is walked when dimension `ofResult` of result `number`
/// is: `uniform` if none is; nothing if there is no telling.
std::optional<int64_t> operandDimension(Operation *op, unsigned number, unsigned operand,
                                        int64_t ofResult) {
  auto labelled = dyn_cast<DimensionOpInterface>(op);
  if (!labelled)
    return std::nullopt;
  auto labels = labelled.getDimensionLabels();
  int64_t label = labels[op->getNumOperands() + number][ofResult];
  ArrayRef<int64_t> ofOperand = labels[operand];
  if (label >= 0)
    if (auto *found = llvm::find(ofOperand, label); found != ofOperand.end())
      return found - ofOperand.begin();
  // What is not walked one to one may depend on anything.
  if (label < 0 || llvm::is_contained(ofOperand, -1))
    return ofOperand.empty() ? std::optional<int64_t>(uniform) : std::nullopt;
  return uniform;
}

/// True if neighbours along the last dimension of the results are neighbours in each input, or the
/// same element of it.
bool readsNeighbours(KernelOp kernel) {
  llvm::SetVector<Dimension> pending;
  for (Value value : kernel.getYield().getValues())
    pending.insert({value, cast<RankedTensorType>(value.getType()).getRank() - 1});
  for (size_t next = 0; next < pending.size(); ++next) {
    auto [value, dimension] = pending[next];
    if (dimension == uniform)
      continue;
    Operation *op = value.getDefiningOp();
    if (!op) {
      if (dimension + 1 != cast<RankedTensorType>(value.getType()).getRank())
        return false;
      continue;
    }
    for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
      auto found = operandDimension(op, cast<OpResult>(value).getResultNumber(), number, dimension);
      if (!found)
        return false;
      pending.insert({operand, *found});
    }
  }
  return true;
}

/// Elements of which 16 bytes hold a vector of the widest tensor.
int64_t lanesOf(KernelOp kernel) {
  int64_t widest = 1;
  for (ArrayRef<Type> types : {kernel.getArgumentTypes(), kernel.getResultTypes()})
    for (Type type : types)
      widest = std::max(widest, bytesOf(type));
  return std::min(vectorBytes / widest, mostLanes);
}

/// The number of elements of a tensor in a call of the kernel; 0 if they are not known.
int64_t elementsIn(Type type, LaunchOp launch) {
  if (!launch)
    return 0;
  int64_t count = 1;
  for (int64_t symbol : cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding()).getSymbols()) {
    int64_t size = launch.getSizes()[symbol];
    if (isSymbolicSize(size) || llvm::MulOverflow(count, size, count))
      return 0;
  }
  return count;
}

ScheduleAttr make(KernelOp kernel, Template kind, int64_t lanes, int64_t rows, int64_t columns,
                  int64_t depth, int64_t grain) {
  return ScheduleAttr::get(kernel.getContext(), kind, lanes, rows, columns, depth, false, false, 0,
                           grain);
}

ScheduleAttr chooseElementwise(KernelOp kernel, LaunchOp launch) {
  constexpr int64_t tile = 32;
  if (findTransposition(kernel))
    return make(kernel, Template::elementwise, 1, tile, tile, 0, tile * tile);
  int64_t lanes = readsNeighbours(kernel) ? lanesOf(kernel) : 1;
  // Large tensors keep several vectors of each thread in flight.
  int64_t grain = blockThreads * lanes;
  int64_t tasks = elementsIn(kernel.getResultTypes()[0], launch) / grain;
  if (tasks >= 16 * fullGrid)
    grain *= 4;
  return make(kernel, Template::elementwise, lanes, 0, 0, 0, grain);
}

ScheduleAttr chooseColumns(KernelOp kernel, Template kind) {
  // Two accumulators of a position and a value fill the registers sooner.
  int64_t lanes = std::min<int64_t>(lanesOf(kernel), 4);
  return make(kernel, kind, lanes, 0, 0, 0, 1);
}

bool computesInDoubles(KernelOp kernel) {
  return llvm::any_of(kernel.getBody().front().without_terminator(), [](Operation &op) {
    return llvm::any_of(op.getResultTypes(), [](Type type) { return bytesOf(type) == 8; });
  });
}

/// Keeps the row in registers if all of it fits, with room for what is computed from it.
ScheduleAttr chooseRows(KernelOp kernel, ReductionOpInterface op, LaunchOp launch) {
  constexpr int64_t lanes = 4, warpThreads = 32, longestOfWarp = 1024, registerVectors = 16;
  Type operand = op->getOperand(0).getType();
  auto symbols = cast<SizesAttr>(cast<RankedTensorType>(operand).getEncoding()).getSymbols();
  int64_t rowInputs = 1;
  for (Type type : kernel.getArgumentTypes()) {
    auto encoding = cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding());
    rowInputs += llvm::is_contained(encoding.getSymbols(), symbols.back());
  }
  int64_t most = std::max<int64_t>(2, llvm::bit_floor<uint64_t>(registerVectors / rowInputs));
  if (computesInDoubles(kernel))
    most /= 2;
  if (!launch || isSymbolicSize(launch.getSizes()[symbols.back()]))
    return make(kernel, Template::row_reduction, lanes, 0, most, 0, 1);
  int64_t length = launch.getSizes()[symbols.back()];
  int64_t strands = length <= longestOfWarp ? warpThreads : blockThreads;
  int64_t needed = llvm::bit_ceil<uint64_t>(
      std::max<int64_t>(1, (length + lanes * strands - 1) / (lanes * strands)));
  return make(kernel, Template::row_reduction, lanes, 0, needed <= most ? needed : 0, 0, 1);
}

/// The tiles of `size` rows or columns that cover loops in a call of the kernel; sizes that are not
/// known are taken for large ones.
int64_t tilesOf(ArrayRef<ContractionLoop> loops, int64_t size, LaunchOp launch) {
  constexpr int64_t unknown = 4096;
  int64_t count = 1;
  for (const ContractionLoop &loop : loops)
    for (int64_t symbol : loop.symbols) {
      int64_t factor = launch.getSizes()[symbol];
      if (llvm::MulOverflow(count, isSymbolicSize(factor) ? unknown : factor, count))
        return std::numeric_limits<int32_t>::max();
    }
  return std::min<int64_t>((count + size - 1) / size, std::numeric_limits<int32_t>::max());
}

/// Tiles of warpgroups that cover a contraction.
int64_t warpgroupTiles(ArrayRef<ContractionLoop> loops, int64_t columns, LaunchOp launch) {
  int64_t count = 1;
  for (auto [kind, size] :
       {std::pair(Contraction::Batch, int64_t(1)), std::pair(Contraction::Row, warpgroupTileRows),
        std::pair(Contraction::Column, columns)})
    count =
        llvm::SaturatingMultiply<uint64_t>(count, tilesOf(loopsOfKind(loops, kind), size, launch));
  return std::min<uint64_t>(count, std::numeric_limits<int64_t>::max());
}

/// Columns of a tile for warpgroups: more for less reading, if still each multiprocessor has a
/// tile; 0 if the tiles are so few that smaller ones of single warps are better.
int64_t warpgroupColumns(ContractionOpInterface op, LaunchOp launch) {
  constexpr int64_t small = 128, large = 256;
  if (!launch || !suitsWarpgroups(op))
    return 0;
  auto loops = contractionLoops(op);
  if (warpgroupTiles(loops, large, launch) >= fullGrid)
    return large;
  return warpgroupTiles(loops, small, launch) >= fullGrid / 4 ? small : 0;
}

/// Large tiles read operands less often, small ones are many: enough for each multiprocessor.
ScheduleAttr chooseContraction(KernelOp kernel, ContractionOpInterface op, LaunchOp launch,
                               bool warpgroups) {
  constexpr int64_t small = 64, large = 128;
  if (int64_t columns = warpgroups ? warpgroupColumns(op, launch) : 0)
    return make(kernel, Template::contraction, 4, warpgroupTileRows, columns, warpgroupTileDepth,
                1);
  Type element = getElementTypeOrSelf(op->getOperand(0));
  bool onTensorCores = element.isF16() || element.isBF16();
  int64_t depth = onTensorCores ? 32 : 16;
  int64_t tile = small;
  if (launch && bytesOf(getElementTypeOrSelf(op->getResult(0))) <= 4) {
    auto loops = contractionLoops(op);
    int64_t blocks = tilesOf(loopsOfKind(loops, Contraction::Row), large, launch) *
                     tilesOf(loopsOfKind(loops, Contraction::Column), large, launch);
    int64_t batches = tilesOf(loopsOfKind(loops, Contraction::Batch), 1, launch);
    if (blocks >= fullGrid / 2 || blocks * batches >= fullGrid / 2)
      tile = large;
  }
  return make(kernel, Template::contraction, 4, tile, tile, depth, 1);
}

} // namespace

std::optional<Transposition> findTransposition(KernelOp kernel) {
  auto results = kernel.getYield().getValues();
  Type shape = results[0].getType();
  int64_t last = cast<RankedTensorType>(shape).getRank() - 1;
  std::optional<Transposition> found;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (!isa<IndexedOpInterface>(op) || op.getNumOperands() != 1 || op.getNumResults() != 1 ||
        cast<RankedTensorType>(op.getResult(0).getType()).getEncoding() !=
            cast<RankedTensorType>(shape).getEncoding())
      continue;
    auto walked = last < 1 ? std::nullopt : operandDimension(&op, 0, 0, last);
    int64_t innermost = cast<RankedTensorType>(op.getOperand(0).getType()).getRank() - 1;
    if (!walked || *walked == uniform || *walked == innermost)
      continue;
    for (int64_t dimension = 0; dimension < last; ++dimension)
      if (operandDimension(&op, 0, 0, dimension) == innermost &&
          (!found || found->dimension == dimension)) {
        if (!found)
          found = Transposition{static_cast<unsigned>(dimension), {}};
        found->values.push_back(op.getResult(0));
      }
  }
  return found;
}

bool suitsWarpgroups(ContractionOpInterface op) {
  constexpr size_t mostBatches = 3; // a tensor map has five dimensions
  Type element = getElementTypeOrSelf(op->getOperand(0));
  if ((!element.isF16() && !element.isBF16()) ||
      element != getElementTypeOrSelf(op->getOperand(1)) ||
      !llvm::all_of(op->getOperands(), llvm::IsaPred<BlockArgument>))
    return false;
  auto loops = contractionLoops(op);
  auto depth = loopsOfKind(loops, Contraction::Depth);
  if (depth.size() != 1 || loopsOfKind(loops, Contraction::Batch).size() > mostBatches)
    return false;
  auto isMatrix = [&](Contraction::Operand operand, Contraction::Kind kind) {
    auto outer = loopsOfKind(loops, kind);
    return outer.size() == 1 && outer[0].strides[operand].factor > 0 &&
           depth[0].strides[operand].factor > 0 &&
           (outer[0].strides[operand].isOne() || depth[0].strides[operand].isOne());
  };
  return isMatrix(Contraction::Lhs, Contraction::Row) &&
         isMatrix(Contraction::Rhs, Contraction::Column);
}

ScheduleAttr chooseGpuSchedule(KernelOp kernel, LaunchOp launch, bool warpgroups) {
  for (Operation &op : kernel.getBody().front()) {
    if (auto contraction = dyn_cast<ContractionOpInterface>(op))
      return chooseContraction(kernel, contraction, launch, warpgroups);
    if (auto reduction = dyn_cast<ReductionOpInterface>(op)) {
      int64_t rank = cast<RankedTensorType>(op.getOperand(0).getType()).getRank();
      ArrayRef<int64_t> axes = reduction.getReducedAxes(); // without axes: refused by templates
      if (!axes.empty() && axes.back() == rank - 1)
        return chooseRows(kernel, reduction, launch);
      return chooseColumns(kernel, Template::column_reduction);
    }
    if (isa<UpdateOpInterface>(op))
      return chooseColumns(kernel, Template::update);
  }
  return chooseElementwise(kernel, launch);
}

} // namespace weft
