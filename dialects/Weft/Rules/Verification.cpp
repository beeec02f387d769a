// Verifiers of the ops whose result type is given, not inferred.
#include "dialects/Weft/Rules/Inference.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace weft {

static LogicalResult verifySameElement(Operation *op) {
  Type have = getElementTypeOrSelf(op->getOperand(0)),
       want = getElementTypeOrSelf(op->getResult(0));
  if (have == want)
    return success();
  return op->emitOpError() << "operand #0 has dtype " << have << ", the result has dtype " << want;
}

/// The difference of two sizes; nothing if it overflows.
static std::optional<int64_t> difference(int64_t left, int64_t right) {
  return checkedSize([&] { return subtractSizes(left, right); });
}

/// Checks that the value of a constant is there: a blob of the right length, or dense elements.
static LogicalResult verifyElements(ConstantOp op) {
  auto resource = dyn_cast<DenseResourceElementsAttr>(op.getValue());
  if (!resource) {
    if (isa<DenseElementsAttr>(op.getValue()))
      return success();
    return op.emitOpError() << "the value must be dense<...> or dense_resource<...>";
  }
  StringRef name = resource.getRawHandle().getKey();
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  if (!blob)
    return op.emitOpError() << "the resource \"" << name << "\" is not in the file";
  ShapedType type = resource.getType();
  auto complex = dyn_cast<ComplexType>(type.getElementType());
  int64_t bits = complex ? 2 * complex.getElementType().getIntOrFloatBitWidth()
                         : type.getElementTypeBitWidth();
  int64_t elementBytes = std::max<int64_t>(1, bits / 8);
  std::optional<int64_t> count = elementCount(type);
  auto bytes = static_cast<int64_t>(blob->getData().size());
  if (count && bytes % elementBytes == 0 && bytes / elementBytes == *count)
    return success();
  return op.emitOpError() << "the resource \"" << name << "\" has " << bytes << " bytes; shape "
                          << shapeText(type) << " of " << type.getElementType() << " needs "
                          << (count ? textOfSize(*count) : "too many") << " times " << elementBytes;
}

LogicalResult ConstantOp::verify() {
  if (failed(verifyElements(*this)))
    return failure();
  // Inside a kernel the sizes are those of the type, and the value is one element.
  if (getType().getEncoding() && getValue().getNumElements() == 1 &&
      getValue().getElementType() == getType().getElementType())
    return success();
  if (areCompatible(getValue().getType(), getType()))
    return success();
  return emitOpError() << "value has type " << getValue().getType() << ", the result " << getType();
}

LogicalResult SizeOp::verify() {
  if (getSize().getElement() == getType().getElementType())
    return success();
  return emitOpError() << "fills with a number of type " << getSize().getElement()
                       << ", the result has dtype " << getType().getElementType();
}

LogicalResult CastOp::verify() {
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getType());
  if (isa<ComplexType>(from) && !isa<ComplexType>(to) && !to.isInteger(1))
    return emitOpError() << "takes no complex numbers to " << to
                         << "; say which part is meant by weft.real or weft.imag";
  return verifyElementwise(*this);
}

LogicalResult BitcastOp::verify() {
  Type have = getElementTypeOrSelf(getX()), want = getElementTypeOrSelf(getType());
  if (have.getIntOrFloatBitWidth() != want.getIntOrFloatBitWidth())
    return emitOpError() << "an element of " << have << " has other bits than one of " << want;
  return verifyElementwise(*this);
}

LogicalResult IotaOp::verify() {
  int64_t rank = getType().getRank(), axis = getAxis();
  if (axis >= 0 && axis < rank)
    return success();
  return emitOpError() << "axis " << axis << " is out of range for a result of rank " << rank;
}

LogicalResult RandomBitsOp::verify() {
  auto key = getKey().getType(), result = getType();
  int64_t own = key.getRank() - 1;
  bool fits = own >= 0 && own <= result.getRank() && agree(key.getDimSize(own), 2);
  for (int64_t d = 0; fits && d < own; ++d)
    fits = agree(key.getDimSize(d), result.getDimSize(d));
  if (fits)
    return success();
  return emitOpError() << "the key has shape " << shapeText(key)
                       << ", it must have shape [2], or [B..., 2] for a result [B..., N...] of "
                          "keys of their own, not "
                       << shapeText(result);
}

LogicalResult ReshapeOp::verify() {
  if (failed(verifySameElement(*this)))
    return failure();
  auto from = getX().getType(), to = getType();
  if (!from.hasStaticShape() || !to.hasStaticShape())
    return success();
  std::optional<int64_t> have = elementCount(from), want = elementCount(to);
  if (have && want && *have == *want)
    return success();
  auto textOf = [](std::optional<int64_t> count) {
    return count ? textOfSize(*count) : "too many";
  };
  return emitOpError() << "x of shape " << shapeText(from) << " has " << textOf(have)
                       << " elements, the result of shape " << shapeText(to) << " has "
                       << textOf(want);
}

/// Checks that one shape is another with a first dimension, and that a number of an example is one.
static LogicalResult verifyExamples(Operation *op, TypedValue<RankedTensorType> one,
                                    TypedValue<RankedTensorType> all) {
  if (cast<RankedTensorType>(op->getOperand(1).getType()).getRank() != 0)
    return op->emitOpError() << "the number of the example has shape "
                             << shapeText(op->getOperand(1).getType()) << ", but is one number";
  if (all.getType().getRank() == 0 ||
      all.getType().getShape().drop_front() != one.getType().getShape())
    return op->emitOpError() << "the shape " << shapeText(all.getType())
                             << " of all examples is not that of one, " << shapeText(one.getType())
                             << ", with a first dimension";
  return verifySameElement(op);
}

LogicalResult SumExamplesOp::verify() {
  if (getX().getType() != getType())
    return emitOpError() << "the sum of " << getX().getType() << " has type " << getType();
  return success();
}

LogicalResult GatherExamplesOp::verify() { return verifyExamples(*this, getX(), getResult()); }

LogicalResult ScatterExamplesOp::verify() { return verifyExamples(*this, getResult(), getX()); }

LogicalResult BroadcastOp::verify() {
  if (failed(verifySameElement(*this)))
    return failure();
  auto from = getX().getType(), to = getType();
  if (static_cast<int64_t>(getDimensions().size()) != from.getRank())
    return emitOpError() << "needs one dimension of the result for each of the " << from.getRank()
                         << " dimensions of x";
  int64_t previous = -1;
  for (auto [d, target] : llvm::enumerate(getDimensions())) {
    if (target <= previous || target >= to.getRank())
      return emitOpError() << "the dimensions must be ascending and below the result's rank "
                           << to.getRank();
    previous = target;
    int64_t size = from.getDimSize(d);
    if (size != 1 && !agree(size, to.getDimSize(target)))
      return emitOpError() << "x of shape " << shapeText(from) << " cannot be broadcast to "
                           << shapeText(to) << ": dimension " << d << " is neither 1 nor "
                           << textOfSize(to.getDimSize(target));
  }
  return success();
}

/// Checks that a number that a launch gives is in a kernel.
static LogicalResult verifyFromLaunch(Operation *op) {
  if (cast<RankedTensorType>(op->getResult(0).getType()).getEncoding())
    return success();
  return op->emitOpError() << "is not in a kernel, whose launch could give it numbers";
}

LogicalResult SliceOp::verify() {
  if (failed(verifySameElement(*this)))
    return failure();
  auto from = getX().getType(), to = getType();
  int64_t rank = from.getRank();
  if (to.getRank() != rank || static_cast<int64_t>(getStarts().size()) != rank ||
      static_cast<int64_t>(getSteps().size()) != rank)
    return emitOpError() << "needs a start, a step and a result size for each of the " << rank
                         << " dimensions of x";
  if (llvm::is_contained(getSteps(), 0))
    return emitOpError() << "has a step of 0";
  for (int64_t d = 0; d < rank; ++d) {
    int64_t count = to.getDimSize(d), size = from.getDimSize(d), first = getStarts()[d];
    if (isFromLaunch(first) || isFromLaunch(getSteps()[d])) {
      if (failed(verifyFromLaunch(*this)))
        return failure();
      continue;
    }
    if (ShapedType::isDynamic(count) || ShapedType::isDynamic(size) || count == 0)
      continue;
    std::optional<int64_t> last = checkedSize(
        [&] { return addSizes(first, multiplySizes(subtractSizes(count, 1), getSteps()[d])); });
    // What symbols decide is checked where they get values (SizeConditionOpInterface).
    auto isOutside = [&](int64_t position) {
      return position < 0 || difference(size, position).value_or(0) <= 0;
    };
    if (!last || isOutside(first) || isOutside(*last))
      return emitOpError() << "reads elements " << first << " to "
                           << (last ? textOfSize(*last) : "too many") << " of dimension " << d
                           << ", whose size is " << textOfSize(size);
  }
  return success();
}

LogicalResult PadOp::verify() {
  if (failed(verifySameElement(*this)))
    return failure();
  auto from = getX().getType(), to = getType();
  int64_t rank = from.getRank();
  if (cast<RankedTensorType>(getValue().getType()).getRank() != 0 ||
      getElementTypeOrSelf(getValue()) != from.getElementType())
    return emitOpError() << "the value must be of rank 0 and of x's dtype, but is "
                         << getValue().getType();
  if (to.getRank() != rank || static_cast<int64_t>(getLow().size()) != rank ||
      static_cast<int64_t>(getInterior().size()) != rank)
    return emitOpError() << "needs low, interior and a result size for each of the " << rank
                         << " dimensions of x";
  for (auto [low, gap] : llvm::zip_equal(getLow(), getInterior()))
    if ((low < 0 && !isFromLaunch(low)) || (gap < 0 && !isFromLaunch(gap)))
      return emitOpError() << "low and interior may not be negative";
  SmallVector<int64_t> distances;
  for (int64_t gap : getInterior()) {
    std::optional<int64_t> distance =
        isFromLaunch(gap) ? gap : checkedSize([&] { return addSizes(gap, 1); });
    if (!distance)
      return emitOpError() << "interior " << gap << " is more than a tensor can have";
    distances.push_back(*distance);
  }
  if (std::optional<std::string> error = placementError(from, to, getLow(), distances))
    return emitOpError() << *error;
  return success();
}

LogicalResult ConvolutionWeightGradientOp::verify() {
  auto areTwoPositive = [](ArrayRef<int64_t> values) {
    return values.size() == 2 && values[0] > 0 && values[1] > 0;
  };
  if (!areTwoPositive(getStrides()) || !areTwoPositive(getDilations()))
    return emitOpError() << "strides and dilations are two positive integers each";
  auto x = getX().getType(), cotangent = getCotangent().getType(), result = getType();
  int64_t rank = x.getRank();
  bool fits = (rank == 4 || rank == 5) && cotangent.getRank() == rank && result.getRank() == rank &&
              agree(x.getDimSize(0), cotangent.getDimSize(0)) &&
              agree(x.getDimSize(rank - 1), result.getDimSize(2)) &&
              agree(cotangent.getDimSize(rank - 1), result.getDimSize(rank - 1)) &&
              (rank == 4 || (agree(x.getDimSize(3), cotangent.getDimSize(3)) &&
                             agree(x.getDimSize(3), result.getDimSize(3))));
  for (int64_t d = 0; fits && d < 2; ++d) {
    int64_t size = x.getDimSize(d + 1), count = cotangent.getDimSize(d + 1),
            k = result.getDimSize(d);
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(count) || ShapedType::isDynamic(k))
      continue;
    std::optional<int64_t> rest = checkedSize([&] {
      int64_t start = multiplySizes(subtractSizes(count, 1), getStrides()[d]);
      int64_t inside = multiplySizes(subtractSizes(k, 1), getDilations()[d]);
      return subtractSizes(subtractSizes(size, addSizes(start, inside)), 1);
    });
    fits = rest && *rest >= 0;
  }
  if (fits)
    return success();
  return emitOpError() << "x [N, H, W, (G,) C] has shape " << shapeText(x)
                       << ", cotangent [N, Ho, Wo, (G,) O] has shape " << shapeText(cotangent)
                       << ", the result [KH, KW, C, (G,) O] has shape " << shapeText(result);
}

/// Checks that `windows` has a window's element for each step over `elements`, both [N, H, W, C].
static LogicalResult verifyWindows(Operation *op, Type elements, Type windows,
                                   ArrayRef<int64_t> window, ArrayRef<int64_t> strides) {
  auto large = cast<RankedTensorType>(elements), small = cast<RankedTensorType>(windows);
  bool fits = large.getRank() == 4 && small.getRank() == 4 && window.size() == 2 &&
              strides.size() == 2 && agree(large.getDimSize(0), small.getDimSize(0)) &&
              agree(large.getDimSize(3), small.getDimSize(3));
  for (int64_t d = 0; fits && d < 2; ++d)
    fits = window[d] > 0 && strides[d] > 0 &&
           agree(windowCount(large.getDimSize(d + 1), window[d], strides[d], 1),
                 small.getDimSize(d + 1));
  if (fits)
    return success();
  return op->emitOpError() << "the windows over " << shapeText(elements) << " do not number "
                           << shapeText(windows) << " (both [N, H, W, C])";
}

LogicalResult WindowMaxIndexOp::verify() {
  Type dtype = getElementTypeOrSelf(getType());
  if (dtype.getIntOrFloatBitWidth() == 8 && getWindow().size() == 2 &&
      getWindow()[0] * getWindow()[1] > 256)
    return emitOpError() << "a window of " << getWindow()[0] << "x" << getWindow()[1]
                         << " has more elements than " << dtype << " can number; use i32";
  return verifyWindows(*this, getX().getType(), getType(), getWindow(), getStrides());
}

LogicalResult WindowGatherOp::verify() {
  if (!areCompatible(withElement(getType(), getElementTypeOrSelf(getIndex())),
                     getIndex().getType()))
    return emitOpError() << "index has shape " << shapeText(getIndex().getType())
                         << ", the result has shape " << shapeText(getType());
  return verifyWindows(*this, getX().getType(), getType(), getWindow(), getStrides());
}

LogicalResult WindowScatterOp::verify() {
  if (!areCompatible(withElement(getX().getType(), getElementTypeOrSelf(getIndex())),
                     getIndex().getType()))
    return emitOpError() << "index has shape " << shapeText(getIndex().getType())
                         << ", x has shape " << shapeText(getX().getType());
  return verifyWindows(*this, getType(), getX().getType(), getWindow(), getStrides());
}

LogicalResult WindowSumOp::verify() {
  return verifyWindows(*this, getX().getType(), getType(), getWindow(), getStrides());
}

LogicalResult WindowSpreadOp::verify() {
  return verifyWindows(*this, getType(), getX().getType(), getWindow(), getStrides());
}

} // namespace weft
