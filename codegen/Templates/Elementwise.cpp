// Kernels whose elements are computed one by one: arithmetic and data movement.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "codegen/Templates/SharedChoices.h"
#include "codegen/Templates/Transposition.h"
#include "dialects/Weft/IR/TurnedDimension.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockThreads = 256;
/// Rows of a tile that is turned: what is read along them is some lines of the cache.
constexpr int64_t turnedRows = 64;
/// A shorter innermost dimension leaves more than half of a vector empty.
constexpr int64_t shortRow = 8;
/// Such a tile is kept on the stack.
constexpr int64_t mostTurned = 1024;

class Elementwise : public KernelTemplate {
public:
  StringRef name() const override { return "elementwise"; }
  StringRef reason() const override {
    return "its results are read at other elements, by other kernels, or leave the function";
  }

  bool claims(Operation *op) const override {
    // Of constants those that are one number, which a kernel computes anew for each element.
    Attribute value;
    if (matchPattern(op, m_Constant(&value)))
      return !isa<ElementsAttr>(value) || isa<SplatElementsAttr>(value);
    return isElementByElement(op);
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                               const CpuTarget &target) const override {
    int64_t most = independentLanes(target);
    ArrayRef<int64_t> symbols = symbolsOf(kernel.getResultTypes()[0]);
    bool isAcross = most > 1 && symbols.size() > 1 && isShort(kernel) &&
                    knownProduct({symbols.back()}, launch).value_or(cpuLanes) < shortRow;
    if (!isAcross && turnedDimension(kernel))
      return TranspositionScheduleAttr::get(kernel.getContext(), turnedRows, most);
    // Longer vectors than rows are computed in vain, and more of long ones lie across a border.
    int64_t row =
        symbols.size() > 1 ? knownProduct({symbols.back()}, launch).value_or(cpuLanes) : cpuLanes;
    bool isShorter =
        !isAcross && (row <= cpuLanes / 2 || (row > cpuLanes && readsSeveralInRow(kernel)));
    int64_t lanes = isShorter ? std::max<int64_t>(1, most / 2) : most, jam = 1;
    if (most > 1 && sharesWithNeighbours(kernel)) {
      int64_t width = elementBytes(kernel.getResultTypes()[0]);
      lanes = jamLanes(row, width, target);
      jam = chooseJam(kernel, launch, lanes * width, target);
    }
    bool isFramed = !isAcross && jam == 1 && isWorthFraming(kernel, launch);
    return ElementwiseScheduleAttr::get(kernel.getContext(), lanes, 64 * cpuLanes, isAcross,
                                        isFramed, jam);
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch, const GpuTarget &) const override {
    if (findTransposition(kernel))
      return TranspositionScheduleAttr::get(kernel.getContext(), transpositionTile, 1);
    int64_t lanes = readsNeighbours(kernel) ? gpuLanesOf(kernel) : 1;
    // Large tensors keep several vectors of each thread in flight.
    int64_t grain = blockThreads * lanes;
    if (elementsIn(kernel.getResultTypes()[0], launch) / grain >= 16 * fullGrid)
      grain *= 4;
    return ElementwiseScheduleAttr::get(kernel.getContext(), lanes, grain, /*across=*/false,
                                        /*framed=*/false, /*jam=*/1);
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    if (auto schedule = dyn_cast<TranspositionScheduleAttr>(kernel.getScheduleAttr())) {
      if (schedule.getTile() < 1 || schedule.getTile() > mostTurned)
        return kernel.emitOpError() << "has a schedule with tiles of " << schedule.getTile()
                                    << " rows; there must be at least 1, at most " << mostTurned;
      return verifyLanes(kernel, schedule.getLanes(), target);
    }
    auto schedule = dyn_cast<ElementwiseScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, "a processor");
    if (schedule.getAcross() && symbolsOf(kernel.getResultTypes()[0]).size() < 2)
      return kernel.emitOpError() << "has a schedule of vectors across the innermost dimension, "
                                     "which need a second one";
    if (schedule.getFramed() && (schedule.getAcross() || !frameOf(kernel)))
      return kernel.emitOpError()
             << "has a framed schedule, which is one of vectors along rows, for "
                "a single result with a frame around them (weft.pad)";
    return success(succeeded(verifyLanes(kernel, schedule.getLanes(), target)) &&
                   succeeded(verifyGrain(kernel, schedule, 1)) &&
                   succeeded(verifyJam(kernel, schedule)));
  }

  LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    if (auto schedule = dyn_cast<TranspositionScheduleAttr>(kernel.getScheduleAttr()))
      return verifyTransposition(kernel, schedule);
    auto schedule = dyn_cast<ElementwiseScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule || schedule.getAcross() || schedule.getFramed() || schedule.getJam() != 1)
      return refuseSchedule(kernel, "a GPU");
    return success(succeeded(verifyLanes(kernel, schedule.getLanes(), target)) &&
                   succeeded(verifyGrain(kernel, schedule, schedule.getLanes())));
  }

  void emit(KernelEmitter &emitter) const override {
    if (auto schedule = emitter.scheduleIf<TranspositionScheduleAttr>()) {
      emitter.setLaneCount(schedule.getLanes());
      return emitTransposition(emitter, schedule.getTile());
    }
    auto schedule = emitter.schedule<ElementwiseScheduleAttr>();
    emitter.setLaneCount(schedule.getLanes());
    if (schedule.getFramed())
      emitter.storeInFrame();
    emitElementwise(emitter);
  }

  void emit(GpuEmitter &emitter) const override {
    if (auto schedule = emitter.scheduleIf<ElementwiseScheduleAttr>())
      return emitGpuElementwise(emitter, schedule.getLanes(), schedule.getGrain());
    if (std::optional<Transposition> turned = findTransposition(emitter.getKernel()))
      emitGpuTransposition(emitter, *turned);
  }

private:
  /// True if the kernel has a frame that is not larger than what is in it: the tasks, which share
  /// it, are those of the latter.
  static bool isWorthFraming(KernelOp kernel, LaunchOp launch) {
    std::optional<Frame> frame = frameOf(kernel);
    auto elementsOf = [&](Value value) { return knownProduct(symbolsOf(value.getType()), launch); };
    return frame && !isMostlyFrame(elementsOf(frame->inside), elementsOf(frame->result));
  }

  /// True if several elements of an operand are read for one.
  static bool readsSeveral(IndexedOpInterface op) {
    return op->getNumOperands() > 0 && op.getInstructionCount() > 0 && !op.readsOnce(0);
  }
  static bool readsSeveral(KernelOp kernel) {
    return llvm::any_of(kernel.getBody().front().getOps<IndexedOpInterface>(),
                        [](auto op) { return readsSeveral(op); });
  }

  /// True if some of them are neighbours along the innermost dimension, that of vectors.
  static bool readsSeveralInRow(KernelOp kernel) {
    return llvm::any_of(kernel.getBody().front().getOps<IndexedOpInterface>(), [](auto op) {
      auto dimensions = dyn_cast<DimensionOpInterface>(*op);
      if (!dimensions || !readsSeveral(op))
        return readsSeveral(op);
      auto labels = dimensions.getDimensionLabels();
      ArrayRef<int64_t> operand = labels.front(), result = labels.back();
      return operand.empty() || result.empty() || operand.back() < 0 ||
             operand.back() != result.back();
    });
  }

  /// True if elements are windows, of which neighbours along the dimension before the innermost one
  /// overlap, or are weighted alike. Two dimensions are those of tasks.
  static bool sharesWithNeighbours(KernelOp kernel) {
    if (symbolsOf(kernel.getResultTypes()[0]).size() < 4 || readsSeveralInRow(kernel))
      return false;
    return llvm::any_of(kernel.getBody().front().getOps<IndexedOpInterface>(),
                        [](auto op) { return readsSeveral(op) && readsMemoryAlone(op); });
  }

  /// What the kernel computes would be computed again for each element of a window.
  static bool readsMemoryAlone(IndexedOpInterface op) {
    return llvm::all_of(op->getOperands(),
                        [](Value operand) { return isa<BlockArgument>(operand); });
  }

  /// As many as fill a register, or half as many where rows then are whole vectors.
  static int64_t jamLanes(int64_t row, int64_t bytes, const CpuTarget &target) {
    int64_t lanes = std::clamp<int64_t>(target.registerBytes / bytes, cpuLanes / 2, cpuLanes);
    int64_t rest = row % lanes;
    return rest > 0 && rest <= lanes / 2 ? lanes / 2 : lanes;
  }

  /// How many neighbours the registers hold and code of a reasonable length computes, fewer where
  /// they share less: of these numbers one that divides the dimension, or leaves the fewest for the
  /// end.
  static int64_t chooseJam(KernelOp kernel, LaunchOp launch, int64_t vectorBytes,
                           const CpuTarget &target) {
    constexpr int64_t most = 7, mostInstructions = 512, inUse = 4;
    auto lengthOf = [&](Value tensor) {
      ArrayRef<int64_t> symbols = symbolsOf(tensor.getType());
      return knownProduct({symbols[symbols.size() - 2]}, launch);
    };
    std::optional<int64_t> length = lengthOf(kernel.getYield().getValues()[0]);
    int64_t instructions = 1, distance = 1;
    for (auto op : kernel.getBody().front().getOps<IndexedOpInterface>()) {
      instructions += op.getInstructionCount();
      if (readsSeveral(op))
        distance = std::max(distance, lengthOf(op->getOperand(0)).value_or(1) /
                                          std::max<int64_t>(1, length.value_or(1)));
    }
    int64_t registers = llvm::divideCeil(vectorBytes, target.registerBytes);
    int64_t sharing = llvm::divideCeil(most, distance);
    int64_t limit = std::min(
        {sharing, (target.vectorRegisters - inUse) / registers, mostInstructions / instructions});
    if (limit < 2)
      return 1;
    int64_t best = limit;
    if (length)
      for (int64_t jam = limit; jam > std::max<int64_t>(1, limit / 2); --jam)
        if (*length % jam < *length % best)
          best = jam;
    return best;
  }

  /// True if an element takes few instructions, and nothing is read several times for it: vectors
  /// whose elements are apart are loaded and stored one by one.
  static bool isShort(KernelOp kernel) {
    constexpr int64_t mostInstructions = 48;
    int64_t instructions = 0;
    for (Operation &op : kernel.getBody().front().without_terminator())
      if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
        instructions += elementwise.getInstructionCount();
      else if (auto indexed = dyn_cast<IndexedOpInterface>(op); indexed && op.getNumOperands() > 0)
        instructions += indexed.getInstructionCount();
    return instructions <= mostInstructions && !readsSeveral(kernel);
  }

  static LogicalResult verifyGrain(KernelOp kernel, ElementwiseScheduleAttr schedule,
                                   int64_t divisor) {
    if (schedule.getGrain() < 1)
      return kernel.emitOpError() << "has a schedule of grain " << schedule.getGrain()
                                  << "; it must be at least 1";
    if (schedule.getGrain() % divisor != 0)
      return kernel.emitOpError() << "has a schedule of grain " << schedule.getGrain()
                                  << ", which is no multiple of its " << divisor << " lanes";
    return success();
  }

  static LogicalResult verifyJam(KernelOp kernel, ElementwiseScheduleAttr schedule) {
    constexpr int64_t most = 16;
    if (schedule.getJam() < 1 || schedule.getJam() > most)
      return kernel.emitOpError() << "has a schedule of " << schedule.getJam()
                                  << " neighbours side by side; there must be at least 1, at most "
                                  << most;
    if (schedule.getJam() == 1)
      return success();
    if (schedule.getAcross() || symbolsOf(kernel.getResultTypes()[0]).size() < 4)
      return kernel.emitOpError() << "has a schedule of neighbours side by side, which need a "
                                     "dimension between those of tasks and that of vectors";
    return success();
  }

  static LogicalResult verifyTransposition(KernelOp kernel, TranspositionScheduleAttr schedule) {
    if (schedule.getTile() != transpositionTile || schedule.getLanes() != 1)
      return kernel.emitOpError() << "has a schedule with tiles of " << schedule.getTile()
                                  << " and " << schedule.getLanes()
                                  << " lanes; a GPU turns tiles of " << transpositionTile
                                  << " one element at a time";
    if (!findTransposition(kernel))
      return kernel.emitOpError() << "has the schedule of a transposition, but reads nothing "
                                     "transposed; without a schedule, weft-schedule chooses one";
    return success();
  }
};

} // namespace

const KernelTemplate &elementwiseTemplate() {
  static const Elementwise instance;
  return instance;
}

} // namespace weft
