// How long a contraction is likely to take with a schedule.
//
//   sums      steps of the micro-kernel, by ports and latency, and what starts and finishes a tile
//   columns   the right operand, from the cache that holds it between two uses, and its copies
//   rows      the left operand, the same
//
// Sums and memory overlap in part. Tasks that do not divide among the cores leave some idle.
#include "codegen/Loops/ContractionCost.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/ContractionBlocking.h"
#include "codegen/Loops/MicroKernel.h"
#include <numeric>

using namespace mlir;

namespace weft {

namespace {

/// What starting and ending the innermost loop costs, and a tile's addresses, in cycles.
constexpr double cyclesPerRun = 8, cyclesPerTile = 10;
/// The same for the place of a row that may be on the next line.
constexpr double cyclesPerFlatRow = 4;
/// Cycles for a vector of a finished tile: from the scratch tile through what follows to memory.
constexpr double cyclesPerFinishedVector = 4;
/// The part of the shorter of computing and waiting for memory that does not overlap.
constexpr double notOverlapped = 0.3;
/// How much slower memory is read along lines of several streams than along one, and lines of a
/// cache that nothing foresees.
constexpr double strided = 1.6, apart = 3;
/// Cycles for an element of the left operand that is copied, whose rows are turned.
constexpr double cyclesPerLeft = 0.75;
/// Cycles for a register that is copied of the right one: in lines, line by line of a stage, where
/// squares are turned, and pair by pair.
constexpr double cyclesPerCopied = 3, cyclesPerStaged = 12, cyclesPerTurned = 8, cyclesPerPair = 40;
/// Instructions on the ports of multiplications that widen a register of half precision.
constexpr double portsToWiden = 1.5;
/// What is fetched at once.
constexpr double lineBytes = 64;
/// Cycles that a step takes longer where the lines of its rows meet in the cache.
constexpr double metRows = 0.4;
/// Lines so far apart are in one set of a cache.
constexpr int64_t setsBytes = 4096;
/// What a stage of its own costs, in nanoseconds.
constexpr double nanosecondsPerStage = 500;
/// How much longer a row of a low tile takes than one of another.
constexpr double lowRow = 1.3;
/// Code that is longer has to be worth it.
constexpr double perHeight = 0.01;

class Cost {
public:
  Cost(const ContractionProblem &problem, ContractionScheduleAttr schedule, const CpuTarget &target)
      : problem(problem),
        schedule(schedule),
        target(target),
        core(target.core),
        sizes(problem.estimates()),
        bytes(static_cast<double>(problem.elementBytes)) {
    if (schedule.getVectorLhs())
      return;
    tileColumns = static_cast<double>(schedule.getLanes() * schedule.getColumns());
    registers = std::max(1.0, tileColumns * bytes / static_cast<double>(target.registerBytes));
    columnBlocks = std::ceil(sizes.columns / tileColumns);
    double steps = static_cast<double>(schedule.getDepth());
    depthBlocks = steps == 0 ? 1 : std::ceil(sizes.outerDepth / steps);
    lines = sizes.depth() / depthBlocks;
    setRows();
    panelBytes = lines * tileColumns * copiedBytes();
  }

  double nanoseconds() const {
    double cycles;
    if (schedule.getVectorLhs()) {
      cycles = vectorLeftCycles();
    } else {
      double computing = tileCycles() + packCycles(), waiting = memoryCycles();
      cycles = std::max(computing, waiting) + notOverlapped * std::min(computing, waiting);
      cycles /= balance();
    }
    double heights = static_cast<double>(tileHeights(schedule).size());
    cycles *= 1 + perHeight * heights;
    return cycles / core.gigahertz / target.cores + (copiesInStage() ? nanosecondsPerStage : 0);
  }

private:
  /// The tiles of a line of rows: their height, how many, and how many blocks they make.
  void setRows() {
    outerRows = sizes.images * sizes.outerRows;
    outerBlocks = std::ceil(outerRows / static_cast<double>(schedule.getOuterRows()));
    if (schedule.getFlat()) {
      // A block of lines is one line.
      sizes.rows *= outerRows / outerBlocks;
      outerRows = outerBlocks;
    }
    for (int64_t candidate : tileHeights(schedule)) {
      height = static_cast<double>(candidate);
      if (sizes.rows >= height)
        break;
    }
    tiles = std::ceil(sizes.rows / height);
    double rest = sizes.rows - (tiles - 1) * height;
    if (llvm::is_contained(tileHeights(schedule), lowTile) &&
        rest <= static_cast<double>(mostLowRows(static_cast<int64_t>(height))))
      tiles += std::ceil(rest / lowTile) * lowTile * lowRow / height - 1;
    auto inBlock = static_cast<double>(tilesInBlock(schedule));
    rowBlocks = schedule.getFlat()
                    ? 1
                    : std::ceil(sizes.rows / (inBlock * static_cast<double>(schedule.getRows())));
    blockRows = schedule.getFlat() ? sizes.rows : inBlock * height;
    rowTasks = sizes.batch * outerBlocks * rowBlocks;
    groups =
        std::min(columnBlocks, std::ceil(static_cast<double>(wantedTasks(schedule)) / rowTasks));
  }

  /// Cycles of a step that loads `loads` and adds `sums` products, in instructions of a register.
  double stepCycles(double sums, double loads, double more) const {
    double ports = std::max(sums / core.multiplyAdds, loads / core.loads);
    return std::max({ports, (sums + loads + more) / core.instructions, core.latency});
  }

  double vectorLeftCycles() const {
    double registersOf = std::max(1.0, static_cast<double>(schedule.getLanes()) * bytes /
                                           static_cast<double>(target.registerBytes));
    double rows = static_cast<double>(schedule.getRows());
    double sums = rows * registersOf, loads = sums + registersOf;
    double vectors = std::ceil(estimateChannels() / static_cast<double>(schedule.getLanes()));
    double tileCount = sizes.batch * sizes.images * sizes.outerRows * std::ceil(sizes.rows / rows);
    double perTile = sizes.depth() * stepCycles(sums, loads, 3) + cyclesPerTile +
                     rows * registersOf * cyclesPerFinishedVector;
    return tileCount * vectors * perTile;
  }

  double estimateChannels() const {
    return static_cast<double>(problem.sizeOf(problem.batch.back()).value_or(64));
  }

  /// The same where one row adds lines to all columns: for each register of them the lines, and the
  /// sums, which are loaded and stored.
  double lineCycles() const {
    double steps = static_cast<double>(schedule.getDepth());
    double registersOfLine =
        std::ceil(sizes.columns * bytes / static_cast<double>(target.registerBytes));
    double products = steps * (multiplication() + (widensRight() ? portsToWiden : 0));
    double each = std::max({products / core.multiplyAdds, (steps + 1) / core.loads,
                            (products + 3) / core.instructions});
    return sizes.batch * sizes.rows * registersOfLine * depthBlocks * each;
  }

  /// True if elements of the right operand are converted where they are read.
  bool widensRight() const {
    return problem.storedBytes[Contraction::Rhs] < problem.elementBytes &&
           hasNarrowRight(problem.op) &&
           (schedule.getNarrow() || !(schedule.getPackRhs() || schedule.getPackBlock()));
  }

  /// Cycles of all tiles, their operands in the first cache.
  double tileCycles() const {
    if (addsLines(schedule))
      return lineCycles();
    // The left operand's elements are operands of the multiplications where each is used once.
    double broadcasts = registers > 1 ? 0 : height;
    double widened =
        problem.storedBytes[Contraction::Lhs] < problem.elementBytes && !schedule.getPackLhs()
            ? 2 * height
            : 0;
    // Widening takes the ports of the multiplications.
    double converted = widensRight() ? portsToWiden * registers : 0;
    double step = stepCycles(height * registers * multiplication() + converted, registers + height,
                             broadcasts + widened + 3);
    step = (step + (rowsMeet() ? metRows : 0)) / static_cast<double>(schedule.getSteps());
    double runs = lines / sizes.innermostDepth;
    double perTile = lines * step + std::max(runs, 1.0) * (cyclesPerRun + height) + cyclesPerTile;
    if (schedule.getFlat())
      perTile += height * cyclesPerFlatRow;
    // Start and drain, at each block of the depth.
    perTile += 2 * height * registers;
    double all = tileCount() * depthBlocks * perTile;
    return all + tileCount() * height * registers * cyclesPerFinishedVector;
  }

  /// True if the lines of a tile's rows are in few sets of the first cache.
  bool rowsMeet() const {
    constexpr int64_t fewSets = 1024;
    int64_t distance = problem.valueOf(problem.rows.back().strides[Contraction::Lhs]);
    return !schedule.getPackLhs() && problem.isMatrix() &&
           distance * problem.storedBytes[Contraction::Lhs] % fewSets == 0;
  }

  /// True for a turned left operand: each step of the depth reads a line of its own.
  bool rowsAreNeighbours() const { return problem.rows.back().strides[Contraction::Lhs].isOne(); }

  /// How much more of a cache its lines take that meet in few of its sets; else 1.
  double leftSpread() const {
    if (schedule.getPackLhs() || !rowsAreNeighbours())
      return 1;
    int64_t distance = problem.valueOf(problem.depth.back().strides[Contraction::Lhs]) *
                       problem.storedBytes[Contraction::Lhs];
    return std::max(1.0, static_cast<double>(std::gcd(setsBytes, distance)) / (height * bytes));
  }

  /// Instructions for a product and its sum, a fused multiply-add being one.
  double multiplication() const {
    auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(problem.op->getResult(0)));
    if (!integer)
      return 1;
    constexpr double ofPairs = 1.2, other = 2, ofHalfRegisters = 1, ofLongIntegers = 5;
    if (schedule.getSteps() > 1)
      return ofPairs;
    unsigned bits = integer.getWidth();
    return bits > 32 ? ofLongIntegers : bits == 16 ? ofHalfRegisters : other;
  }

  double tileCount() const { return sizes.batch * outerRows * tiles * columnBlocks; }

  /// Cycles of the instructions that copy operands.
  double packCycles() const {
    double perElement = bytes / static_cast<double>(target.registerBytes);
    double cycles = 0, each = schedule.getPackBlock() ? cyclesPerCopied : cyclesPerStaged;
    if (schedule.getPackLhs())
      cycles += sizes.batch * sizes.rows * sizes.depth() * groups *
                (rowsAreNeighbours() ? perElement * cyclesPerCopied : cyclesPerLeft);
    if (schedule.getSteps() > 1)
      each = cyclesPerPair;
    else if (!problem.columnsAreRun())
      each = cyclesPerTurned;
    return cycles + copiedColumns() * perElement * each;
  }

  /// A stage copies the right operand in each call, unless few rows read it where it is.
  bool copiesInStage() const {
    bool isDirect = schedule.getDirectRows() > 0 && problem.columnsAreRun() &&
                    std::fmod(sizes.columns, tileColumns) == 0 &&
                    sizes.rows * outerRows <= static_cast<double>(schedule.getDirectRows());
    return schedule.getPackRhs() && !problem.isRightKept && !isDirect;
  }

  bool readsPacked() const {
    return (schedule.getPackRhs() && problem.isRightKept) || copiesInStage();
  }

  /// How many elements of the right operand are copied in a call.
  double copiedColumns() const {
    double all = rightElements();
    if (schedule.getPackBlock())
      return all * rowTasks / sizes.batch;
    return copiesInStage() ? all : 0;
  }

  /// Of an element of the copy of the right operand.
  double copiedBytes() const {
    return schedule.getNarrow() ? static_cast<double>(problem.storedBytes[Contraction::Rhs])
                                : bytes;
  }

  double rightElements() const { return sizes.batch * columnBlocks * tileColumns * sizes.depth(); }

  /// Cycles for a byte that was last used when `between` other bytes were.
  double perByte(double between) const {
    constexpr double part = 0.8;
    if (between <= part * static_cast<double>(target.caches.level1Data))
      return 0;
    if (between <= part * static_cast<double>(target.caches.level2))
      return 1 / core.level2Bytes;
    if (target.caches.level3 > 0 && between <= part * static_cast<double>(target.caches.level3))
      return 1 / core.level3Bytes;
    return 1 / core.memoryBytes;
  }

  /// The same of lines that may be apart.
  double perByteApart(double between, double spread) const {
    double cycles = perByte(between);
    return cycles > 1 / core.level2Bytes && spread > 1 ? cycles * apart : cycles;
  }

  double memoryCycles() const {
    return columnCycles() + rowCycles() + unfinishedCycles() + resultCycles();
  }

  /// What results, and inputs that lie like them, take more where tiles touch short runs of each
  /// row, which nothing fetches ahead.
  double resultCycles() const {
    constexpr double foreseenRun = 256;
    if (!problem.columns.front().strides[Contraction::Result].isOne() ||
        tileColumns * bytes >= foreseenRun)
      return 0;
    double elements = sizes.batch * outerRows * sizes.rows * sizes.columns;
    double all = elements * bytes * static_cast<double>(problem.resultStreams());
    return (strided - 1) * all * perByte(all);
  }

  /// The right operand: its first use, then again for each block of rows, and within it by each
  /// tile after the first.
  double columnCycles() const {
    double all = rightElements();
    double stored = static_cast<double>(problem.storedBytes[Contraction::Rhs]);
    double kept = schedule.getPackRhs() && problem.isRightKept ? copiedBytes() : stored;
    // Weights of a model come from where the weights of the others have pushed them; those of a
    // loop's body are where the iteration before has left them, each core's part in its own cache.
    double cores = std::min(rowTasks * groups, static_cast<double>(target.cores));
    double ofCore = problem.bytesBetweenUses() / cores;
    double first = all * kept * perByte(ofCore);
    if (readsAcrossLines())
      first *= strided * std::max(1.0, lineBytes / (tileColumns * stored));
    else if (addsLines(schedule) && ofCore <= static_cast<double>(target.caches.level2))
      first *= strided; // A copy is asked for ahead.
    double panels = sizes.batch * columnBlocks * depthBlocks;
    double blocks = rowTasks / sizes.batch;
    double groupBytes = panelBytes * std::ceil(columnBlocks / groups);
    double again = 0;
    if (!schedule.getPackBlock())
      again = panels * (blocks - 1) * panelBytes *
              perByteApart(spread() * groupBytes + blockRowsBytes(), spread());
    double tilesOfBlock = tiles / rowBlocks * outerRows / outerBlocks;
    double within = panels * blocks * (tilesOfBlock - 1) * panelBytes *
                    perByteApart(spread() * panelBytes, spread());
    return first + again + within + copyCycles();
  }

  /// What is copied is written and read again.
  double copyCycles() const {
    double copied = copiedColumns() * copiedBytes();
    if (copied == 0)
      return 0;
    double between = schedule.getPackBlock() ? panelBytes : copied;
    // A line that is written is read before, and is written back.
    constexpr double transfers = 4;
    return transfers * copied * std::max(perByte(between), 1 / core.level2Bytes);
  }

  /// How much more of a cache lines take that are so far apart that they meet in few of its sets.
  double spread() const {
    if (readsPacked() || readsRuns(schedule) || schedule.getPackBlock())
      return 1;
    int64_t distance = std::gcd(setsBytes, static_cast<int64_t>(sizes.columns) *
                                               problem.storedBytes[Contraction::Rhs]);
    double line = tileColumns * static_cast<double>(problem.storedBytes[Contraction::Rhs]);
    return std::max(1.0, static_cast<double>(distance) / line);
  }

  /// Steps of the depth go from line to line of memory, with a few columns of each.
  bool readsAcrossLines() const {
    return !readsPacked() && !readsRuns(schedule) && problem.columnsAreRun() &&
           sizes.columns > tileColumns;
  }

  /// What a block of rows reads of the left operand in a block of the depth.
  double blockRowsBytes() const {
    double rows = std::min(sizes.rows, blockRows);
    return rows * (outerRows / outerBlocks) * lines * bytes;
  }

  double rowCycles() const {
    double stored = static_cast<double>(problem.storedBytes[Contraction::Lhs]);
    double all = sizes.batch * outerRows * sizes.rows * sizes.outerDepth;
    if (problem.isMatrix())
      all = sizes.batch * sizes.rows * sizes.depth();
    // Activations were just written, by a kernel before.
    double first = all * stored * groups * perByteApart(leftSpread() * all * stored, leftSpread());
    double again = all * bytes * (columnBlocks / groups - 1) *
                   perByteApart(leftSpread() * blockRowsBytes() + panelBytes, leftSpread());
    return first + again + (schedule.getPackLhs() ? all * groups * bytes / core.level2Bytes : 0);
  }

  /// Tiles that rest between blocks of the depth.
  double unfinishedCycles() const {
    double resting = tileCount() * height * tileColumns * bytes;
    double ofTask = resting / (rowTasks * groups);
    return 2 * resting * (depthBlocks - 1) * perByte(ofTask + panelBytes);
  }

  /// The part of the cores' time that the tasks take.
  double balance() const {
    double cores = static_cast<double>(target.cores);
    double tasks = rowTasks * groups;
    return tasks / (std::ceil(tasks / cores) * cores);
  }

  const ContractionProblem &problem;
  ContractionScheduleAttr schedule;
  const CpuTarget &target;
  const CoreFacts &core;
  ContractionProblem::Estimates sizes;
  double bytes;
  /// Of a tile, and how many there are along each loop.
  double tileColumns = 1, registers = 1, height = 1;
  double columnBlocks = 1, depthBlocks = 1, lines = 1, tiles = 1, rowBlocks = 1, outerRows = 1,
         outerBlocks = 1, blockRows = 1, rowTasks = 1, groups = 1, panelBytes = 0;
};

} // namespace

double rowsToStart(const ContractionProblem &problem, int64_t registers, const CpuTarget &target) {
  ContractionProblem::Estimates sizes = problem.estimates();
  double runs = std::max(1.0, sizes.depth() / sizes.innermostDepth);
  double ofRow = std::max(1.0, sizes.depth()) * static_cast<double>(registers);
  return (runs * cyclesPerRun + cyclesPerTile) * target.core.multiplyAdds / ofRow;
}

double nanosecondsOf(const ContractionProblem &problem, ContractionScheduleAttr schedule,
                     const CpuTarget &target) {
  return Cost(problem, schedule, target).nanoseconds();
}

} // namespace weft
