// What a tensor has around it.
#include "dialects/Weft/IR/Frames.h"
#include "dialects/Weft/IR/Regroup.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

SmallVector<Operation *, 2> framingOps(Operation *op) {
  auto indexed = dyn_cast_or_null<IndexedOpInterface>(op);
  if (!indexed || !indexed.isFramed())
    return {};
  auto labels = cast<DimensionOpInterface>(op).getDimensionLabels();
  if (labels.back().size() < 2 || labels.back().back() < 0)
    return {};
  SmallVector<Operation *, 2> ops{op};
  if (auto regroup = op->getOperand(0).getDefiningOp<RegroupOp>(); regroup && regroup->hasOneUse())
    ops.push_back(regroup);
  return ops;
}

std::optional<Frame> frameOf(KernelOp kernel) {
  auto results = kernel.getYield().getValues();
  auto ops =
      results.size() == 1 ? framingOps(results[0].getDefiningOp()) : SmallVector<Operation *, 2>();
  if (ops.empty())
    return std::nullopt;
  auto pad = cast<PadOp>(ops.front());
  Operation *regroup = ops.size() > 1 ? ops.back() : nullptr;
  return Frame{pad,     pad.getResult(),          pad.getX(), pad.getValue(), pad.getLow(),
               regroup, ops.back()->getOperand(0)};
}

bool isMostlyFrame(std::optional<int64_t> inside, std::optional<int64_t> all) {
  return inside && all && *all - *inside > *inside;
}

std::pair<int64_t, int64_t> zeroLines(Value value, int64_t dimension) {
  if (auto turned = value.getDefiningOp<TransposeOp>())
    return zeroLines(turned.getX(), turned.getPermutation()[dimension]);
  if (auto apart = value.getDefiningOp<ReshapeOp>()) {
    int64_t leading = dimension + 1;
    RankedTensorType from = apart.getX().getType(), to = apart.getType();
    bool areAlike = from.getRank() >= leading &&
                    from.getShape().take_front(leading) == to.getShape().take_front(leading);
    return areAlike ? zeroLines(apart.getX(), dimension) : std::pair<int64_t, int64_t>();
  }
  auto pad = value.getDefiningOp<PadOp>();
  if (!pad || !matchPattern(pad.getValue(), m_PosZeroFloat()) || !pad.isFramed())
    return {};
  auto isKnown = [](int64_t size) { return !ShapedType::isDynamic(size) && !isSymbolicSize(size); };
  int64_t inside = pad.getX().getType().getDimSize(dimension);
  int64_t size = pad.getType().getDimSize(dimension), low = pad.getLow()[dimension];
  return {low, isKnown(inside) && isKnown(size) ? size - inside - low : 0};
}

LogicalResult verifyZeroBorder(Operation *op, Attribute border) {
  auto numbers = dyn_cast<DenseI64ArrayAttr>(border);
  if (!isa<ContractionOpInterface>(op) || !numbers || numbers.size() != 3)
    return op->emitOpError() << "has a weft.border that is not [dimension, first lines, last lines]"
                             << " of the image of a contraction";
  int64_t dimension = numbers[0], first = numbers[1], last = numbers[2];
  auto image = cast<RankedTensorType>(op->getOperand(0).getType());
  if (dimension < 0 || dimension >= image.getRank() || first < 0 || last < 0)
    return op->emitOpError() << "has a weft.border of " << first << " and " << last
                             << " lines along dimension " << dimension
                             << ", which an image of rank " << image.getRank() << " cannot have";
  auto [known, knownLast] = zeroLines(op->getOperand(0), dimension);
  if (first <= known && last <= knownLast)
    return success();
  return op->emitOpError() << "has a weft.border of " << first << " and " << last
                           << " lines of zeros along dimension " << dimension << ", but of "
                           << known << " and " << knownLast
                           << " the image shows that they are; weft-mark-borders finds them";
}

} // namespace weft
