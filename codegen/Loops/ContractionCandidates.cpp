// The schedules that a contraction may well run with on a processor: register tiles of all widths,
// each with the ways to read the operands.
//
//   stage    the right operand is packed by a stage of its own, once if it is kept
//   block    each task packs a block of columns, and uses it for all of its rows
//   direct   the right operand is read where it is
//
// An image's left operand is read where it is; that of a matrix is packed, or read so too.
#include "codegen/Loops/ContractionCandidates.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/ContractionBlocking.h"
#include "codegen/Loops/ContractionCost.h"
#include "codegen/Loops/MicroKernel.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {

namespace {

/// Elements in a vector of a tile whose columns allow it.
constexpr int64_t usualLanes = 16;
/// More rows in a tile are addressed by more registers than there are.
constexpr int64_t mostRows = 14;
/// Fewer sums wait for each other: a fused multiply-add takes about so long as two ports do so
/// many.
constexpr int64_t leastSums = 8;
/// How many steps of the depth loops a tile takes before the next tile: a block of the right
/// operand of so many steps stays in the second-level cache.
constexpr int64_t depthBytes = 4096;
/// The most steps in a block that is copied: verifyContraction refuses more.
constexpr int64_t mostLines = 4096;
/// The same where all columns take so many steps before the next: lines of the right operand that
/// are read side by side, as many as are delivered fastest.
constexpr int64_t fewRowSteps = 8;
/// The same for a block that is copied before each use: long runs of memory, a short way down.
constexpr int64_t blockBytes = 1 << 16;
/// What a block of the left operand may take of the second-level cache.
constexpr double leftPart = 0.5;

/// The rows that tiles of `rows` compute of `size` rows, the last of which is moved back to end
/// with them, if starting one takes as long as `starting` rows.
double workOf(int64_t size, int64_t rows, double starting) {
  int64_t tiles = (size + rows - 1) / rows;
  return static_cast<double>(tiles) * (static_cast<double>(rows) + starting);
}

/// The lowest height that is little lower than `most`.
int64_t leastRows(int64_t most) { return (2 * most + 2) / 3; }

/// The tile height from `most` downwards that wastes least of `size` rows.
int64_t bestRows(int64_t size, int64_t most) {
  // Each step of a tile also loads its columns, which costs about one row.
  constexpr double starting = 1;
  if (size <= most)
    return std::max<int64_t>(size, 1);
  int64_t best = most;
  for (int64_t rows = most; rows >= leastRows(most); --rows)
    if (workOf(size, rows, starting) < workOf(size, best, starting))
      best = rows;
  return best;
}

/// A schedule that is being made.
struct Draft {
  int64_t lanes = 1, rows = 1, columns = 1, depth = 0, packBlock = 0, outerRows = 1, steps = 1;
  bool packLhs = false, packRhs = false, vectorLhs = false, narrow = false, flat = false;
};

class Candidates {
public:
  Candidates(const ContractionProblem &problem, const CpuTarget &target)
      : problem(problem),
        target(target),
        registerLanes(std::max<int64_t>(1, target.registerBytes / problem.elementBytes)),
        mostLanes(std::max<int64_t>(1, usualLanes * 4 / problem.elementBytes)) {}

  SmallVector<ContractionScheduleAttr> all() {
    if (problem.isVectorLeft())
      addVectorLeft();
    else
      for (int64_t width : {2, 1, 3, 4, 6, 8})
        addTile(width);
    return std::move(added);
  }

private:
  /// The most rows that leave room for one row of the right operand, a broadcast and what the
  /// register allocator needs: a tile that takes all registers spills.
  int64_t tallestTile(int64_t width) const {
    constexpr int64_t spare = 2;
    return std::clamp<int64_t>((target.vectorRegisters - width - spare) / width, 1, mostRows);
  }

  /// The height of tiles of `width` registers for so many pixels. Where many sums hide their
  /// latency, columns are loaded beside the multiplications: lower tiles then only start more
  /// often, and may compute fewer pixels twice.
  int64_t bestImageRows(int64_t size, int64_t width) const {
    constexpr int64_t manySums = 2 * leastSums;
    int64_t most = tallestTile(width), best = bestRows(size, most);
    if (size <= most)
      return best;
    double starting = rowsToStart(problem, width, target);
    for (int64_t rows = leastRows(most) - 1; rows * width >= manySums; --rows)
      if (workOf(size, rows, starting) < workOf(size, best, starting))
        best = rows;
    return best;
  }

  void addVectorLeft() {
    // Each row loads a vector, so that more rows share the loads of the right operand.
    Draft draft;
    draft.lanes = mostLanes;
    draft.vectorLhs = true;
    constexpr int64_t mostAddressed = 6;
    int64_t most =
        std::min(tallestTile(std::max<int64_t>(1, mostLanes / registerLanes)), mostAddressed);
    draft.rows = bestRows(problem.sizeOf(problem.rows.back()).value_or(most), most);
    add(draft);
    for (int64_t rows : {4, 2})
      if (rows < draft.rows) {
        draft.rows = rows;
        add(draft);
      }
  }

  /// The ways to run with tiles of `width` registers.
  void addTile(int64_t width) {
    Draft tile;
    tile.lanes = width * registerLanes % mostLanes == 0 ? mostLanes : registerLanes;
    tile.columns = width * registerLanes / tile.lanes;
    tile.rows = tallestTile(width);
    std::optional<int64_t> rowCount = problem.sizeOf(problem.rows.back());
    if (problem.isMatrix() && rowCount && *rowCount <= 4)
      tile.rows = std::min<int64_t>(tile.rows, *rowCount <= 1 ? 1 : 4);
    else if (!problem.isMatrix() && problem.rows.size() > 1 && rowCount)
      tile.rows = bestImageRows(*rowCount, width);
    bool isLow = tile.rows < tallestTile(width);
    if (tile.rows * width < leastSums && !(isLow && width <= 2) && width != mostWidth())
      return;
    if (!problem.isMatrix())
      return addImage(tile);
    // Of up to 16 rows taller tiles would compute many that there are not.
    if (rowCount && *rowCount > lowTile && *rowCount <= fewRows && tile.rows > lowTile &&
        lowTile * width >= leastSums) {
      Draft low = tile;
      low.rows = lowTile;
      addMatrix(low);
    }
    addMatrix(tile);
    if (fitsDotProducts(problem.op)) {
      tile.steps = 2;
      addMatrix(tile);
    }
  }

  /// The widest tile of one row.
  static int64_t mostWidth() { return 8; }

  int64_t columnsOf(const Draft &tile) const { return tile.lanes * tile.columns; }

  void addMatrix(const Draft &tile) {
    bool canReadLeft = problem.isInMemory(Contraction::Lhs) && problem.launch;
    // Of equally good ones that which reads the left operand along its lines is taken.
    bool isTurned = problem.rows.back().strides[Contraction::Lhs].isOne();
    for (bool packLhs : {isTurned, !isTurned}) {
      if (!packLhs && (!canReadLeft || tile.steps > 1))
        continue;
      Draft draft = tile;
      draft.packLhs = packLhs;
      draft.depth = depthBytes / problem.elementBytes;
      Draft stage = draft;
      stage.packRhs = true;
      addCopied(stage);
      // A tile of one row that adds lines is for one row: it reads all of the right operand.
      bool isOneOfMany = packLhs && tile.rows == 1 && problem.sizeOf(problem.rows) != 1;
      if (canReadColumns(tile) && tile.steps == 1 && !isOneOfMany) {
        Draft direct = draft;
        if (packLhs)
          direct.depth = fewRowSteps;
        add(direct);
      }
      if (packLhs && problem.isInMemory(Contraction::Rhs)) {
        Draft block = draft;
        int64_t lines = blockBytes / (columnsOf(tile) * problem.elementBytes);
        block.depth = block.packBlock = std::clamp<int64_t>(lines / 2 * 2, 2, mostLines);
        add(block);
      }
    }
  }

  void addImage(Draft tile) {
    auto stepsOf = [&](int64_t most) {
      int64_t inner = std::max<int64_t>(1, innerSteps(most));
      return static_cast<int64_t>(llvm::bit_floor<uint64_t>(std::max<int64_t>(1, most / inner)));
    };
    tile.depth = stepsOf(mostImageSteps(tile));
    if (canReadColumns(tile) && problem.depth.size() > 1)
      add(tile);
    Draft shared = tile;
    // A block that is copied is read from a nearer cache.
    if (!problem.isRightKept)
      shared.depth = stepsOf(depthBytes / problem.elementBytes);
    addShared(shared);
    tile.packRhs = true;
    addCopied(tile);
  }

  /// The right operand copied by a stage, also as narrow as it is. What is kept for any number of
  /// rows stays so: one row reads all of it, and it is as large as its weight.
  void addCopied(Draft draft) {
    bool isNarrow = hasNarrowRight(problem.op);
    if (!isNarrow || !problem.isRightKept || problem.sizeOf(problem.rows))
      add(draft);
    draft.narrow = isNarrow;
    add(draft);
  }

  /// How many steps a tile of an image takes before the next: as long as the block of the right
  /// operand stays in half of the second-level cache, unfinished tiles, which would be written and
  /// read again, cost more than the way to it.
  int64_t mostImageSteps(const Draft &tile) const {
    int64_t usual = depthBytes / problem.elementBytes,
            lineBytes = columnsOf(tile) * problem.elementBytes;
    return std::clamp(target.caches.level2 / 2 / lineBytes, usual, 4 * usual);
  }

  /// The steps of the inner depth loops, `most` at most. A loop of unknown size counts as long: the
  /// outermost one goes step by step.
  int64_t innerSteps(int64_t most) const {
    int64_t inner = 1;
    for (const ContractionLoop &loop : llvm::drop_begin(problem.depth))
      inner = std::min(most, inner * std::min(most, problem.sizeOf(loop).value_or(most)));
    return inner;
  }

  /// Columns that serve as many outer rows at a time as stay in the cache beside them, and then are
  /// worth a copy: once if they are kept, else block by block.
  void addShared(Draft draft) {
    std::optional<int64_t> outer = problem.sizeOf(problem.outerRows());
    std::optional<int64_t> inner =
        problem.sizeOf(ArrayRef<ContractionLoop>(problem.depth).drop_front());
    if (problem.rows.size() < 2 || !outer || !inner || !problem.isInMemory(Contraction::Rhs))
      return;
    auto &line = problem.rows[problem.rows.size() - 2];
    int64_t lineBytes =
        problem.valueOf(line.strides[Contraction::Lhs]) * problem.storedBytes[Contraction::Lhs];
    if (lineBytes <= 0)
      return;
    auto fitting =
        static_cast<int64_t>(static_cast<double>(target.caches.level2) * leftPart) / lineBytes;
    fitting = std::max<int64_t>(fitting, 1);
    int64_t image = std::max<int64_t>(*outer, 1), blocks = (image + fitting - 1) / fitting;
    draft.outerRows = blocks > 1 ? (image + blocks - 1) / blocks : fitting / image * image;
    if (draft.outerRows <= 1)
      return;
    draft.packRhs = problem.isRightKept;
    if (!draft.packRhs)
      draft.packBlock = draft.depth * std::max<int64_t>(*inner, 1);
    if (!draft.packRhs && draft.packBlock > mostLines)
      return;
    add(draft);
    addFlat(draft);
  }

  /// The same with tiles that go on from line to line, where those that end with a line compute
  /// rows twice.
  void addFlat(Draft draft) {
    std::optional<int64_t> width = problem.sizeOf(problem.rows.back());
    std::optional<int64_t> outer = problem.sizeOf(problem.outerRows());
    if (!width || !outer || *width % draft.rows == 0)
      return;
    int64_t lines = std::min(draft.outerRows, std::max<int64_t>(*outer, 1));
    int64_t registers = std::max<int64_t>(1, columnsOf(draft) / registerLanes);
    draft.rows = bestImageRows(lines * *width, registers);
    draft.flat = true;
    add(draft);
  }

  /// True if the right operand can be read where it is: its columns are neighbours, and fill a
  /// tile.
  bool canReadColumns(const Draft &tile) const {
    return problem.isInMemory(Contraction::Rhs) && problem.columnsAreRun() &&
           problem.sizeOf(problem.column()).value_or(0) >= columnsOf(tile);
  }

  /// Tiles of one row have as many sums as hide the latency of adding to them.
  int64_t singleOf(const Draft &draft) const {
    bool isKept = draft.packRhs && problem.isRightKept && draft.rows > 1 && draft.steps == 1;
    if (!isKept || !problem.isMatrix() || problem.sizeOf(problem.rows) || !problem.launch ||
        !problem.isInMemory(Contraction::Lhs))
      return 0;
    return std::max<int64_t>(1, mostWidth() * registerLanes / columnsOf(draft));
  }

  void add(const Draft &draft) {
    // With at most so many rows a copy for one call is not read often enough to pay.
    constexpr int64_t mostDirectRows = 64;
    // With the distance of an image's rows known their addresses need no registers.
    bool isImage = draft.vectorLhs || !problem.isMatrix();
    int64_t rowStride = isImage && problem.launch && !draft.flat
                            ? problem.valueOf(problem.rows.back().strides[Contraction::Lhs])
                            : 0;
    int64_t directRows = draft.packRhs && problem.isRightKept ? 0 : mostDirectRows;
    auto schedule = ContractionScheduleAttr::get(
        problem.op->getContext(), draft.lanes, draft.rows, draft.columns, draft.depth,
        draft.packLhs, draft.packRhs, draft.packBlock, draft.outerRows, draft.vectorLhs, rowStride,
        directRows, draft.steps, draft.narrow, draft.flat, singleOf(draft));
    if (!llvm::is_contained(added, schedule))
      added.push_back(schedule);
  }

  const ContractionProblem &problem;
  const CpuTarget &target;
  int64_t registerLanes, mostLanes;
  SmallVector<ContractionScheduleAttr> added;
};

} // namespace

SmallVector<ContractionScheduleAttr> contractionCandidates(const ContractionProblem &problem,
                                                           const CpuTarget &target) {
  return Candidates(problem, target).all();
}

} // namespace weft
