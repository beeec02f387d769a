// How a contraction runs on a processor: its micro-kernel, the nest around it, what is packed.
#include "codegen/Loops/ContractionSchedule.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/ContractionCandidates.h"
#include "codegen/Loops/ContractionCost.h"
#include "codegen/Loops/MicroKernel.h"

using namespace mlir;

namespace weft {

/// A block of columns that is copied is kept on the stack.
static constexpr int64_t mostPacked = 4096;
/// By how much estimates of schedules that are equally fast may well differ.
static constexpr double equallyGood = 1.03;
/// Tiles are unrolled.
static constexpr int64_t mostInTile = 64;

SmallVector<ScheduleCandidate> rankContractions(KernelOp kernel, LaunchOp launch,
                                                const CpuTarget &target) {
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  ContractionProblem problem(op, launch);
  SmallVector<ScheduleCandidate> ranked;
  for (ContractionScheduleAttr schedule : contractionCandidates(problem, target))
    ranked.push_back({schedule, nanosecondsOf(problem, schedule, target)});
  auto isFaster = [](const ScheduleCandidate &one, const ScheduleCandidate &other) {
    return one.nanoseconds < other.nanoseconds;
  };
  // The first is the one that is preferred among those that are as good, for all that is known:
  // problems that differ little then have one kernel.
  double good = llvm::min_element(ranked, isFaster)->nanoseconds * equallyGood;
  auto first = llvm::find_if(
      ranked, [&](const ScheduleCandidate &candidate) { return candidate.nanoseconds <= good; });
  std::rotate(ranked.begin(), first, std::next(first));
  std::stable_sort(std::next(ranked.begin()), ranked.end(), isFaster);
  return ranked;
}

/// Dot products are of packed operands, of a product of matrices of narrow integers.
static LogicalResult verifySteps(KernelOp kernel, ContractionScheduleAttr schedule) {
  int64_t steps = schedule.getSteps();
  if (steps == 1)
    return success();
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  bool areBlocks = schedule.getDepth() % 2 == 0 && schedule.getPackBlock() % 2 == 0;
  bool arePacked = schedule.getPackLhs() && (schedule.getPackRhs() || schedule.getPackBlock());
  if (steps == 2 && areBlocks && arePacked && !schedule.getVectorLhs() && fitsDotProducts(op) &&
      ContractionProblem(op, {}).isMatrix())
    return success();
  return kernel.emitOpError()
         << "has a schedule of " << steps << " steps; there must be 1, or 2 for a product of "
         << "matrices of integers of at most 16 bits that packs both, with even blocks";
}

/// A copy keeps narrow elements if it is one of them.
static LogicalResult verifyNarrow(KernelOp kernel, ContractionScheduleAttr schedule) {
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  if (!schedule.getNarrow() ||
      (schedule.getPackRhs() && !schedule.getPackBlock() && !schedule.getVectorLhs() &&
       schedule.getSteps() == 1 && hasNarrowRight(op)))
    return success();
  return kernel.emitOpError() << "has a schedule with narrow elements in the copy of the right "
                              << "operand, which must be one by pack_rhs of float16, bfloat16, or "
                              << "bytes beside floats";
}

/// What the rows' schedule needs: packed ones are those of a matrix, lines follow each other where
/// there are several.
static LogicalResult verifyRows(KernelOp kernel, ContractionScheduleAttr schedule) {
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  ContractionProblem problem(op, {});
  if (schedule.getPackLhs() && !problem.isMatrix())
    return kernel.emitOpError() << "has a schedule that packs the left operand, which is not that "
                                << "of a product of matrices";
  if (schedule.getFlat() &&
      (schedule.getPackLhs() || schedule.getVectorLhs() || schedule.getRowStride() != 0))
    return kernel.emitOpError() << "has a flat schedule that also has pack_lhs, vector_lhs or a "
                                << "row_stride";
  return success();
}

/// A single row is one of a matrix in memory, by a copy that is always made.
static LogicalResult verifySingleRow(KernelOp kernel, ContractionScheduleAttr schedule) {
  constexpr int64_t mostSingle = 16;
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  ContractionProblem problem(op, {});
  bool fits = problem.isMatrix() && problem.isInMemory(Contraction::Lhs) && schedule.getPackRhs() &&
              !schedule.getPackBlock() && schedule.getDirectRows() == 0 &&
              schedule.getSteps() == 1 && !schedule.getVectorLhs() && !schedule.getFlat();
  if (schedule.getSingle() == 0 ||
      (fits && schedule.getSingle() > 0 && schedule.getSingle() <= mostSingle))
    return success();
  return kernel.emitOpError() << "has a schedule with single = " << schedule.getSingle()
                              << "; it must be at most " << mostSingle
                              << ", for a product of matrices whose left operand is in memory and "
                              << "whose right one is always copied (pack_rhs, direct_rows = 0)";
}

/// What is read where it is has to be in memory.
static LogicalResult verifyOperands(KernelOp kernel, ContractionScheduleAttr schedule) {
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  ContractionProblem problem(op, {});
  bool copiesRight = schedule.getPackRhs() || schedule.getPackBlock();
  bool readsLeft = schedule.getVectorLhs() || !schedule.getPackLhs();
  bool readsRight = schedule.getVectorLhs() || !copiesRight;
  if ((readsLeft && !problem.isInMemory(Contraction::Lhs)) ||
      (readsRight && !problem.isInMemory(Contraction::Rhs)))
    return kernel.emitOpError() << "has a schedule that reads an operand where it is, although the "
                                << "kernel computes it; pack it";
  if (schedule.getVectorLhs() && !problem.batchIsOneLoop())
    return kernel.emitOpError() << "has a schedule with vector_lhs, but its batch is not one loop, "
                                << "along which vectors could lie";
  if (readsRight && !schedule.getVectorLhs() && !problem.columnsAreRun())
    return kernel.emitOpError() << "has a schedule that reads the right operand where it is, whose "
                                << "columns are no neighbours in memory; pack it";
  return success();
}

LogicalResult verifyContraction(KernelOp kernel, ContractionScheduleAttr schedule) {
  if (schedule.getPackBlock() != 0 &&
      (schedule.getDepth() < 1 || schedule.getPackBlock() < schedule.getDepth() ||
       schedule.getPackBlock() > mostPacked))
    return kernel.emitOpError() << "has a schedule with pack_block = " << schedule.getPackBlock()
                                << " and depth " << schedule.getDepth()
                                << "; a block has at least the depth, which must be at least 1, and"
                                << " at most " << mostPacked << " steps";
  if (failed(verifySteps(kernel, schedule)) || failed(verifyNarrow(kernel, schedule)) ||
      failed(verifyOperands(kernel, schedule)) || failed(verifyRows(kernel, schedule)) ||
      failed(verifySingleRow(kernel, schedule)))
    return failure();
  if (schedule.getDirectRows() < 0)
    return kernel.emitOpError() << "has a schedule with direct_rows = " << schedule.getDirectRows()
                                << "; there must be at least 0";
  if (schedule.getOuterRows() < 1)
    return kernel.emitOpError() << "has a schedule of " << schedule.getOuterRows()
                                << " outer rows; there must be at least 1";
  if (schedule.getRows() < 1 || schedule.getColumns() < 1 || schedule.getDepth() < 0)
    return kernel.emitOpError() << "has a schedule with a tile of " << schedule.getRows()
                                << " rows, " << schedule.getColumns() << " columns and depth "
                                << schedule.getDepth()
                                << "; rows and columns must be at least 1, the depth at least 0";
  if (schedule.getRows() > mostInTile || schedule.getColumns() > mostInTile)
    return kernel.emitOpError() << "has a schedule with a tile of " << schedule.getRows()
                                << " rows and " << schedule.getColumns()
                                << " columns, which are unrolled; there must be at most "
                                << mostInTile << " of each";
  return success();
}

} // namespace weft
