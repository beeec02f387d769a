// A contraction of a launch, as far as schedules depend on it.
#include "codegen/Loops/ContractionProblem.h"
#include "codegen/Templates/SharedChoices.h"
#include "passes/plan/PlanSteps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace weft {

/// What a size that is not known counts as.
static constexpr int64_t usualSize = 1024;
/// What more than a few rows count as.
static constexpr int64_t manyRows = 256;

static bool isRightKeptBy(ContractionOpInterface op, LaunchOp launch) {
  auto right = dyn_cast<BlockArgument>(op->getOperand(1));
  if (!launch || !right)
    return false;
  return isKept(launch.getInputs()[right.getArgNumber()]);
}

ContractionProblem::ContractionProblem(ContractionOpInterface op, LaunchOp launch)
    : op(op), launch(launch), isRightKept(isRightKeptBy(op, launch)) {
  std::vector<ContractionLoop> loops = contractionLoops(op);
  batch = loopsOfKind(loops, Contraction::Batch);
  rows = loopsOfKind(loops, Contraction::Row);
  columns = loopsOfKind(loops, Contraction::Column);
  depth = loopsOfKind(loops, Contraction::Depth);
  elementBytes = std::max<int64_t>(4, weft::elementBytes(op->getResult(0).getType()));
  for (unsigned operand : {0, 1})
    storedBytes[operand] = weft::elementBytes(op->getOperand(operand).getType());
}

std::optional<int64_t> ContractionProblem::sizeOf(const ContractionLoop &loop) const {
  return knownProduct(loop.symbols, launch);
}

std::optional<int64_t> ContractionProblem::sizeOf(ArrayRef<ContractionLoop> loops) const {
  int64_t product = 1;
  for (const ContractionLoop &loop : loops) {
    std::optional<int64_t> size = sizeOf(loop);
    if (!size || llvm::MulOverflow(product, *size, product))
      return std::nullopt;
  }
  return product;
}

int64_t ContractionProblem::valueOf(const SymbolicStride &stride) const {
  return stride.factor * knownProduct(stride.symbols, launch).value_or(0);
}

bool ContractionProblem::isInMemory(Contraction::Operand operand) const {
  return isa<BlockArgument>(op->getOperand(operand == Contraction::Lhs ? 0 : 1));
}

double ContractionProblem::bytesBetweenUses() const {
  constexpr double allOfMemory = 1e18;
  // A body that keeps more than that is as long as a model.
  constexpr unsigned mostKept = 64;
  auto function = launch ? launch->getParentOfType<func::FuncOp>() : func::FuncOp();
  if (!isRightKept || !function || !function->hasAttr("weft.repeated") ||
      function.getNumArguments() > mostKept)
    return allOfMemory;
  double bytes = 0;
  for (BlockArgument argument : function.getArguments())
    if (isKept(argument)) {
      std::optional<int64_t> count = elementCount(argument.getType());
      if (!count)
        return allOfMemory;
      bytes += static_cast<double>(*count) * weft::elementBytes(argument.getType());
    }
  return bytes;
}

int64_t ContractionProblem::resultStreams() const {
  auto kernel = op->getParentOfType<KernelOp>();
  auto sizesOf = [](Type type) { return cast<RankedTensorType>(type).getEncoding(); };
  Attribute sizes = sizesOf(op->getResult(0).getType());
  // What is written is read before.
  auto streams = 2 * static_cast<int64_t>(kernel.getResultTypes().size());
  return streams + llvm::count_if(kernel.getBody().getArgumentTypes(),
                                  [&](Type type) { return sizesOf(type) == sizes; });
}

bool ContractionProblem::isVectorLeft() const {
  if (!batchIsOneLoop() || sizeOf(column()) != 1 || !isInMemory(Contraction::Lhs) ||
      !isInMemory(Contraction::Rhs))
    return false;
  return llvm::all_of(batch.back().strides,
                      [&](const SymbolicStride &stride) { return valueOf(stride) == 1; });
}

/// 1, up to 4, up to 16, up to 64, or many; each stands for sizes that are usual there.
static double roundedRows(std::optional<int64_t> size) {
  constexpr std::pair<int64_t, double> groups[] = {{1, 1}, {4, 4}, {16, 8}, {64, 48}};
  int64_t known = size.value_or(usualSize);
  for (auto [most, counted] : groups)
    if (known <= most)
      return counted;
  return size ? manyRows : usualSize;
}

/// The next power of 2.
static double rounded(std::optional<int64_t> size) {
  int64_t known = std::clamp<int64_t>(size.value_or(usualSize), 1, int64_t(1) << 40);
  return static_cast<double>(llvm::PowerOf2Ceil(known));
}

static double exactly(std::optional<int64_t> size) {
  return static_cast<double>(std::max<int64_t>(size.value_or(usualSize), 1));
}

ContractionProblem::Estimates ContractionProblem::estimates() const {
  Estimates sizes;
  sizes.batch = roundedRows(sizeOf(batch));
  sizes.images = rows.size() > 2 ? roundedRows(sizeOf(rows.front())) : 1;
  sizes.outerRows = isMatrix() ? 1 : exactly(sizeOf(outerRows()));
  sizes.rows = isMatrix() ? roundedRows(sizeOf(rows.back())) : exactly(sizeOf(rows.back()));
  // Weights have the same sizes in all calls.
  bool isFixed = isRightKept || !isMatrix();
  sizes.columns = isFixed ? exactly(sizeOf(column())) : rounded(sizeOf(column()));
  auto depthOf = [&](std::optional<int64_t> size) {
    return isFixed ? exactly(size) : rounded(size);
  };
  sizes.outerDepth = depthOf(sizeOf(depth.front()));
  sizes.innerDepth = depthOf(sizeOf(ArrayRef<ContractionLoop>(depth).drop_front()));
  sizes.innermostDepth = depthOf(sizeOf(depth.back()));
  return sizes;
}

} // namespace weft
