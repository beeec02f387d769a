// Result types by family of ops, and the verifiers of ops whose result type is given.
#include "dialects/Weft/Rules/Inference.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

static std::string dtypeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << getElementTypeOrSelf(type);
  return text;
}

/// Emits an error at `location`, if there is one, and fails.
static LogicalResult fail(InferenceLocation location, const Twine &message) {
  return emitOptionalError(location, message);
}

static LogicalResult checkAxis(int64_t axis, int64_t rank, StringRef op,
                               InferenceLocation location) {
  if (axis >= 0 && axis < rank)
    return success();
  return fail(location, op + ": axis " + Twine(axis) + " is out of range for a tensor of rank " +
                            Twine(rank));
}

LogicalResult inferBoolLike(ValueRange operands, InferenceLocation location, InferredTypes &types) {
  types.push_back(
      withElement(operands[0].getType(), IntegerType::get(operands[0].getContext(), 1)));
  return success();
}

LogicalResult inferReducedShape(Value x, ArrayRef<int64_t> axes, Type element,
                                InferenceLocation location, InferredTypes &types) {
  RankedTensorType type = tensorType(x);
  int64_t previous = -1;
  for (int64_t axis : axes) {
    if (failed(checkAxis(axis, type.getRank(), "reduction", location)))
      return failure();
    if (axis <= previous)
      return fail(location, "reduction: the axes must be ascending and different");
    previous = axis;
  }
  SmallVector<int64_t> shape;
  for (auto [axis, size] : llvm::enumerate(type.getShape()))
    if (!llvm::is_contained(axes, static_cast<int64_t>(axis)))
      shape.push_back(size);
  types.push_back(RankedTensorType::get(shape, element ? element : type.getElementType()));
  return success();
}

LogicalResult inferNormalized(Value x, int64_t axis, StringRef op, InferenceLocation location,
                              InferredTypes &types) {
  types.push_back(x.getType());
  return checkAxis(axis, tensorType(x).getRank(), op, location);
}

template <typename Adaptor>
static LogicalResult inferPosition(Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types) {
  if (adaptor.getAxes().size() != 1)
    return fail(location, "argmax and argmin take one axis");
  Type element = IntegerType::get(adaptor.getX().getContext(), 64);
  return inferReducedShape(adaptor.getX(), adaptor.getAxes(), element, location, types);
}

LogicalResult inferArgReduction(ArgmaxOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types) {
  return inferPosition(adaptor, location, types);
}

LogicalResult inferArgReduction(ArgminOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types) {
  return inferPosition(adaptor, location, types);
}

LogicalResult inferTranspose(TransposeOp::Adaptor adaptor, InferenceLocation location,
                             InferredTypes &types) {
  RankedTensorType type = tensorType(adaptor.getX());
  SmallVector<int64_t> sorted(adaptor.getPermutation());
  llvm::sort(sorted);
  if (sorted != llvm::to_vector(llvm::seq<int64_t>(0, type.getRank())))
    return fail(location, "transpose: the permutation must name each of the " +
                              Twine(type.getRank()) + " dimensions once");
  SmallVector<int64_t> shape;
  for (int64_t axis : adaptor.getPermutation())
    shape.push_back(type.getDimSize(axis));
  types.push_back(withShape(type, shape));
  return success();
}

LogicalResult inferConcatenate(ConcatenateOp::Adaptor adaptor, InferenceLocation location,
                               InferredTypes &types) {
  if (adaptor.getInputs().empty())
    return fail(location, "concatenate needs at least one operand");
  RankedTensorType first = tensorType(adaptor.getInputs()[0]);
  int64_t axis = adaptor.getAxis(), total = 0;
  if (failed(checkAxis(axis, first.getRank(), "concatenate", location)))
    return failure();
  for (auto [number, input] : llvm::enumerate(adaptor.getInputs())) {
    RankedTensorType type = tensorType(input);
    bool fits =
        type.getRank() == first.getRank() && type.getElementType() == first.getElementType();
    for (int64_t d = 0; fits && d < type.getRank(); ++d)
      fits = d == axis || agree(type.getDimSize(d), first.getDimSize(d));
    if (!fits)
      return fail(location, "concatenate: operand #" + Twine(number) + " has shape " +
                                shapeText(type) + ", operand #0 has shape " + shapeText(first) +
                                "; they may differ along axis " + Twine(axis) + " only");
    int64_t size = type.getDimSize(axis);
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(total)) {
      total = ShapedType::kDynamic;
      continue;
    }
    std::optional<int64_t> sum = checkedSize([&] { return addSizes(total, size); });
    if (!sum)
      return fail(location,
                  "concatenate: the size along axis " + Twine(axis) + " overflows 64 bits");
    total = *sum;
  }
  SmallVector<int64_t> shape(first.getShape());
  shape[axis] = total;
  types.push_back(withShape(first, shape));
  return success();
}

/// The shape of `x` with dimension `axis` replaced by the shape of `indices`.
static SmallVector<int64_t> gatheredShape(RankedTensorType x, RankedTensorType indices,
                                          int64_t axis) {
  SmallVector<int64_t> shape(x.getShape().take_front(axis));
  llvm::append_range(shape, indices.getShape());
  llvm::append_range(shape, x.getShape().drop_front(axis + 1));
  return shape;
}

LogicalResult inferGather(GatherOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX());
  if (failed(checkAxis(adaptor.getAxis(), x.getRank(), "gather", location)))
    return failure();
  bool takesNone = llvm::is_contained(tensorType(adaptor.getIndices()).getShape(), 0);
  if (x.getDimSize(adaptor.getAxis()) == 0 && !takesNone)
    return fail(location, "gather: cannot take from an axis of size 0");
  types.push_back(
      withShape(x, gatheredShape(x, tensorType(adaptor.getIndices()), adaptor.getAxis())));
  return success();
}

LogicalResult inferScattered(Value x, Value indices, Value updates, int64_t axis,
                             InferenceLocation location, InferredTypes &types) {
  RankedTensorType type = tensorType(x);
  if (failed(checkAxis(axis, type.getRank(), "scatter", location)))
    return failure();
  Type wanted = withShape(type, gatheredShape(type, tensorType(indices), axis));
  if (!areCompatible(wanted, updates.getType()))
    return fail(location, "scatter: updates have shape " + shapeText(updates.getType()) +
                              " and dtype " + dtypeText(updates.getType()) +
                              ", but x and the indices want " + shapeText(wanted) + " and " +
                              dtypeText(wanted));
  types.push_back(type);
  return success();
}

std::optional<std::string> placementError(RankedTensorType part, RankedTensorType whole,
                                          ArrayRef<int64_t> first, ArrayRef<int64_t> distances) {
  for (int64_t d = 0; d < whole.getRank(); ++d) {
    int64_t size = part.getDimSize(d), room = whole.getDimSize(d);
    if (isFromLaunch(first[d]) || isFromLaunch(distances[d])) {
      if (!whole.getEncoding())
        return "is not in a kernel, whose launch could give it numbers";
      continue;
    }
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(room) || size == 0)
      continue;
    std::optional<int64_t> needed = checkedSize([&] {
      int64_t before = multiplySizes(subtractSizes(size, 1), distances[d]);
      return addSizes(addSizes(first[d], before), 1);
    });
    // What symbols decide is checked where they get values (SizeConditionOpInterface).
    std::optional<int64_t> rest;
    if (needed)
      rest = checkedSize([&] { return subtractSizes(room, *needed); });
    if (rest.value_or(-1) < 0)
      return "dimension " + std::to_string(d) + " needs " +
             (needed ? textOfSize(*needed) : "too many") + " elements, the result has " +
             textOfSize(room);
  }
  return std::nullopt;
}

LogicalResult inferUpdate(UpdateOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX()), value = tensorType(adaptor.getValue());
  auto rank = static_cast<size_t>(x.getRank());
  if (x.getElementType() != value.getElementType())
    return fail(location,
                "update: x has dtype " + dtypeText(x) + ", the value " + dtypeText(value));
  if (value.getRank() != x.getRank() || adaptor.getStarts().size() != rank ||
      adaptor.getSteps().size() != rank)
    return fail(location, "update: needs a start, a step and a size of the value for each of the " +
                              Twine(rank) + " dimensions of x");
  for (auto [start, step] : llvm::zip_equal(adaptor.getStarts(), adaptor.getSteps()))
    if ((start < 0 && !isFromLaunch(start)) || (step < 1 && !isFromLaunch(step)))
      return fail(location, "update: starts may not be negative, and steps must be positive");
  if (auto error = placementError(value, x, adaptor.getStarts(), adaptor.getSteps()))
    return fail(location, "update: " + Twine(*error));
  types.push_back(x);
  return success();
}

bool isFixedExponent(double exponent, Type element) {
  static constexpr double anywhere[] = {0, 1, 2, 3, 4}, ofFloats[] = {-2, -1, -0.5, 0.5};
  return llvm::is_contained(anywhere, exponent) ||
         (isa<FloatType, ComplexType>(element) && llvm::is_contained(ofFloats, exponent));
}

LogicalResult inferFixedPow(FixedPowOp::Adaptor adaptor, InferenceLocation location,
                            InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX());
  double exponent = adaptor.getExponent().convertToDouble();
  if (!isFixedExponent(exponent, x.getElementType()))
    return fail(location, "fixed_pow: has no products for the exponent " +
                              Twine(std::to_string(exponent)) + " of " + dtypeText(x));
  types.push_back(x);
  return success();
}

/// True if the right operand of a contraction may be of `right`: of the left one's dtype, or of one
/// all of whose numbers that has too, which are then as if they had been converted.
static bool fitsLeft(Type left, Type right) {
  if (left == right)
    return true;
  bool isByte = isa<IntegerType>(right) && right.getIntOrFloatBitWidth() == 8;
  bool isHalf = right.isF16() || right.isBF16();
  return (left.isF32() && (isByte || isHalf)) || ((left.isF16() || left.isBF16()) && isByte);
}

LogicalResult inferMatmul(MatmulOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  RankedTensorType lhs = tensorType(adaptor.getLhs()), rhs = tensorType(adaptor.getRhs());
  int64_t rank = lhs.getRank();
  auto mismatch = [&](const Twine &why) {
    return fail(location, "matmul: " + why + ": the operands have shapes " + shapeText(lhs) +
                              " and " + shapeText(rhs));
  };
  if (rank < 2 || rhs.getRank() != rank)
    return mismatch("both operands need the same rank, at least 2");
  if (!fitsLeft(lhs.getElementType(), rhs.getElementType()))
    return mismatch("the right operand needs the dtype of the left one, or a narrower one whose "
                    "numbers that has too, but they are " +
                    dtypeText(lhs) + " and " + dtypeText(rhs));
  for (int64_t d = 0; d < rank - 2; ++d)
    if (!agree(lhs.getDimSize(d), rhs.getDimSize(d)))
      return mismatch("the batch dimensions differ");
  bool transposeLhs = adaptor.getTransposeLhs(), transposeRhs = adaptor.getTransposeRhs();
  if (!agree(lhs.getDimSize(rank - (transposeLhs ? 2 : 1)),
             rhs.getDimSize(rank - (transposeRhs ? 1 : 2))))
    return mismatch("the contracted dimensions differ");
  SmallVector<int64_t> shape(lhs.getShape().drop_back(2));
  shape.push_back(lhs.getDimSize(rank - (transposeLhs ? 1 : 2)));
  shape.push_back(rhs.getDimSize(rank - (transposeRhs ? 2 : 1)));
  types.push_back(withShape(lhs, shape));
  return success();
}

int64_t windowCount(int64_t size, int64_t window, int64_t stride, int64_t dilation) {
  if (ShapedType::isDynamic(size) || ShapedType::isDynamic(window))
    return ShapedType::kDynamic;
  auto count = checkedSize([&] {
    int64_t span = addSizes(multiplySizes(dilation, subtractSizes(window, 1)), 1);
    int64_t last = subtractSizes(size, span);
    return last < 0 ? 0 : addSizes(floorDivideSize(last, stride), 1);
  });
  return count.value_or(0); // a window that large has no place
}

static bool arePositive(ArrayRef<int64_t> values, size_t count) {
  return values.size() == count && llvm::all_of(values, [](int64_t v) { return v > 0; });
}

static bool areSizes(ArrayRef<int64_t> values, size_t count) {
  return values.size() == count && llvm::all_of(values, [](int64_t v) { return v >= 0; });
}

LogicalResult inferConvolution(ConvolutionOp::Adaptor adaptor, InferenceLocation location,
                               InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX()), weight = tensorType(adaptor.getWeight());
  int64_t rank = x.getRank();
  bool fits = (rank == 4 || rank == 5) && weight.getRank() == rank &&
              fitsLeft(x.getElementType(), weight.getElementType()) &&
              (rank == 4 || agree(x.getDimSize(3), weight.getDimSize(3))) &&
              agree(x.getDimSize(rank - 1), weight.getDimSize(2));
  if (!fits)
    return fail(location, "convolution: x [N, H, W, (G,) C] has shape " + shapeText(x) +
                              ", weight [KH, KW, C, (G,) O] has shape " + shapeText(weight));
  if (!arePositive(adaptor.getStrides(), 2) || !arePositive(adaptor.getDilations(), 2))
    return fail(location, "convolution: strides and dilations are two positive integers each");
  SmallVector<int64_t> shape{x.getDimSize(0)};
  for (int64_t d : {0, 1})
    shape.push_back(windowCount(x.getDimSize(d + 1), weight.getDimSize(d), adaptor.getStrides()[d],
                                adaptor.getDilations()[d]));
  llvm::append_range(shape, weight.getShape().drop_front(3));
  if (adaptor.getChannelsFirst()) {
    if (rank != 4)
      return fail(location,
                  "convolution: channels_first is for images without groups, x has shape " +
                      shapeText(x));
    std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  }
  types.push_back(withShape(x, shape));
  return success();
}

LogicalResult inferDepthwiseConvolution(DepthwiseConvolutionOp::Adaptor adaptor,
                                        InferenceLocation location, InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX()), weight = tensorType(adaptor.getWeight());
  ArrayRef<int64_t> window = adaptor.getWindow();
  if (!arePositive(window, 2) || !arePositive(adaptor.getStrides(), 2) ||
      !arePositive(adaptor.getDilations(), 2) || !areSizes(adaptor.getLow(), 2) ||
      !areSizes(adaptor.getHigh(), 2))
    return fail(location, "depthwise_convolution: window, strides and dilations are two positive "
                          "integers each, low and high two that are not negative");
  bool isLast = adaptor.getChannelsLast();
  if (isLast && adaptor.getJoined())
    return fail(location, "depthwise_convolution: joined takes images with channels first");
  int64_t height = isLast ? 1 : 2, channels = isLast ? 3 : 1;
  int64_t weightHeight = isLast ? 0 : 1, weightChannels = isLast ? 2 : 0;
  bool fits = x.getRank() == 4 && weight.getRank() == 3 &&
              x.getElementType() == weight.getElementType() &&
              agree(x.getDimSize(channels), weight.getDimSize(weightChannels)) &&
              agree(window[0], weight.getDimSize(weightHeight)) &&
              agree(window[1], weight.getDimSize(weightHeight + 1));
  if (!fits)
    return fail(location, "depthwise_convolution: x [N, " +
                              std::string(isLast ? "H, W, C" : "C, H, W") + "] has shape " +
                              shapeText(x) + ", weight [" +
                              std::string(isLast ? "KH, KW, C" : "C, KH, KW") + "] has shape " +
                              shapeText(weight));
  SmallVector<int64_t> shape(x.getShape());
  for (int64_t d : {0, 1}) {
    if (int64_t &size = shape[d + height]; !ShapedType::isDynamic(size))
      size = sizeOrDynamic(
          [&] { return addSizes(addSizes(size, adaptor.getLow()[d]), adaptor.getHigh()[d]); });
    shape[d + height] = windowCount(shape[d + height], window[d], adaptor.getStrides()[d],
                                    adaptor.getDilations()[d]);
  }
  if (adaptor.getJoined()) {
    for (int64_t d : {0, 1}) {
      int64_t reach = (window[d] - 1) * adaptor.getDilations()[d];
      if (adaptor.getStrides()[d] != 1 || adaptor.getLow()[d] + adaptor.getHigh()[d] != reach)
        return fail(location, "depthwise_convolution: joined takes strides of 1 and a border that "
                              "keeps the size of images");
    }
    int64_t width = shape.pop_back_val();
    if (shape.back() != ShapedType::kDynamic)
      shape.back() = width == ShapedType::kDynamic
                         ? width
                         : sizeOrDynamic([&] { return multiplySizes(shape.back(), width); });
  }
  types.push_back(withShape(x, shape));
  return success();
}

LogicalResult inferCrossEntropy(CrossEntropyOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types) {
  RankedTensorType logits = tensorType(adaptor.getLogits()),
                   labels = tensorType(adaptor.getLabels());
  if (logits.getRank() != 2 || labels.getRank() != 1 ||
      !agree(logits.getDimSize(0), labels.getDimSize(0)))
    return fail(location, "cross_entropy: logits [N, C] have shape " + shapeText(logits) +
                              ", labels [N] have shape " + shapeText(labels));
  types.push_back(withShape(logits, logits.getShape().take_front()));
  return success();
}

/// Checks that `operand`, a parameter of a normalisation, has x's dtype and the shape `expected`.
static LogicalResult checkParameter(StringRef op, StringRef name, Value operand, Value x,
                                    ArrayRef<int64_t> expected, InferenceLocation location) {
  Type want = withShape(x.getType(), expected);
  if (areCompatible(want, operand.getType()))
    return success();
  return fail(location, op + ": " + name + " is " + shapeText(operand.getType()) + " of " +
                            dtypeText(operand.getType()) + ", x of shape " +
                            shapeText(x.getType()) + " wants " + shapeText(want) + " of " +
                            dtypeText(want));
}

LogicalResult inferLayerNorm(LayerNormOp::Adaptor adaptor, InferenceLocation location,
                             InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX()), weight = tensorType(adaptor.getWeight());
  types.push_back(x);
  int64_t count = std::min(weight.getRank(), x.getRank());
  ArrayRef<int64_t> normalized = x.getShape().take_back(count);
  if (failed(checkParameter("layer_norm", "weight", adaptor.getWeight(), adaptor.getX(), normalized,
                            location)))
    return failure();
  return checkParameter("layer_norm", "bias", adaptor.getBias(), adaptor.getX(), normalized,
                        location);
}

LogicalResult inferBatchNorm(BatchNormOp::Adaptor adaptor, InferenceLocation location,
                             InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX());
  types.push_back(x);
  if (x.getRank() < 2)
    return fail(location, "batch_norm: x must be [N, C, ...], but has shape " + shapeText(x));
  std::pair<StringRef, Value> parameters[] = {{"mean", adaptor.getMean()},
                                              {"variance", adaptor.getVariance()},
                                              {"weight", adaptor.getWeight()},
                                              {"bias", adaptor.getBias()}};
  for (auto [name, parameter] : parameters)
    if (failed(checkParameter("batch_norm", name, parameter, adaptor.getX(), x.getDimSize(1),
                              location)))
      return failure();
  return success();
}

LogicalResult inferDropout(DropoutOp::Adaptor adaptor, InferenceLocation location,
                           InferredTypes &types) {
  RankedTensorType key = tensorType(adaptor.getKey());
  types.push_back(adaptor.getX().getType());
  if (key.getRank() != 1 || !agree(key.getDimSize(0), 2))
    return fail(location,
                "dropout: the key has shape " + shapeText(key) + ", it must have shape [2]");
  double probability = adaptor.getProbability().convertToDouble();
  if (probability >= 0 && probability <= 1)
    return success();
  return fail(location, "dropout: the probability " + Twine(std::to_string(probability)) +
                            " is not from 0 to 1");
}

/// The mask is for each score: bool, or of a type that scores are computed in.
static LogicalResult checkMask(ScaledDotProductAttentionOp::Adaptor adaptor,
                               InferenceLocation location) {
  if (!adaptor.getMask())
    return success();
  RankedTensorType query = tensorType(adaptor.getQuery()), key = tensorType(adaptor.getKey()),
                   mask = tensorType(adaptor.getMask());
  int64_t rank = query.getRank();
  bool fits = mask.getRank() == rank && agree(mask.getDimSize(rank - 1), key.getDimSize(rank - 2));
  for (int64_t d = 0; fits && d < rank - 1; ++d)
    fits = agree(mask.getDimSize(d), query.getDimSize(d));
  if (!fits)
    return fail(location, "scaled_dot_product_attention: mask [..., L, S] has shape " +
                              shapeText(mask) + ", query [..., L, E] has shape " +
                              shapeText(query) + ", key [..., S, E] has shape " + shapeText(key));
  Type added = mask.getElementType();
  bool isAdded = isa<FloatType>(added) && added.isF64() == query.getElementType().isF64();
  if (!added.isInteger(1) && !isAdded)
    return fail(location, "scaled_dot_product_attention: the mask is of " + dtypeText(mask) +
                              "; it must be of bool, or of the floating type of the scores");
  return success();
}

LogicalResult inferAttention(ScaledDotProductAttentionOp::Adaptor adaptor,
                             InferenceLocation location, InferredTypes &types) {
  RankedTensorType query = tensorType(adaptor.getQuery()), key = tensorType(adaptor.getKey()),
                   value = tensorType(adaptor.getValue());
  int64_t rank = query.getRank();
  bool fits = rank >= 2 && key.getRank() == rank && value.getRank() == rank;
  for (int64_t d = 0; fits && d < rank - 2; ++d)
    fits = agree(query.getDimSize(d), key.getDimSize(d)) &&
           agree(key.getDimSize(d), value.getDimSize(d));
  if (!fits || !agree(query.getDimSize(rank - 1), key.getDimSize(rank - 1)) ||
      !agree(key.getDimSize(rank - 2), value.getDimSize(rank - 2)))
    return fail(location, "scaled_dot_product_attention: query [..., L, E] has shape " +
                              shapeText(query) + ", key [..., S, E] has shape " + shapeText(key) +
                              ", value [..., S, V] has shape " + shapeText(value));
  if (failed(checkMask(adaptor, location)))
    return failure();
  auto groups = static_cast<int64_t>(adaptor.getGroups());
  int64_t rows = query.getDimSize(rank - 2);
  if (groups < 1 || isSymbolicSize(groups) ||
      (!ShapedType::isDynamic(rows) && !divideSizesExactly(rows, groups)))
    return fail(location, "scaled_dot_product_attention: query [..., L, E] of shape " +
                              shapeText(query) + " is not " + Twine(groups) +
                              " runs of equal length");
  SmallVector<int64_t> shape(query.getShape());
  shape.back() = value.getDimSize(rank - 1);
  types.push_back(withShape(query, shape));
  return success();
}

static int64_t padded(int64_t size, int64_t padding) {
  if (ShapedType::isDynamic(size))
    return size;
  return checkedSize([&] { return addSizes(size, multiplySizes(2, padding)); }).value_or(0);
}

LogicalResult inferConv2d(Conv2dOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX()), weight = tensorType(adaptor.getWeight());
  int64_t groups = adaptor.getGroups();
  bool fits = x.getRank() == 4 && weight.getRank() == 4 && groups > 0;
  if (fits && !x.isDynamicDim(1) && !weight.isDynamicDim(1))
    fits = x.getDimSize(1) == productOf({weight.getDimSize(1), groups});
  if (fits && !weight.isDynamicDim(0))
    fits = divideSizesExactly(weight.getDimSize(0), groups).has_value();
  if (!arePositive(adaptor.getStrides(), 2) || !arePositive(adaptor.getDilations(), 2) ||
      !areSizes(adaptor.getPadding(), 2))
    return fail(location,
                "conv2d: strides and dilations are two positive integers each, padding two "
                "that are not negative");
  if (Value bias = adaptor.getBias(); bias && fits) {
    RankedTensorType type = tensorType(bias);
    if (type.getRank() != 1 || !agree(type.getDimSize(0), weight.getDimSize(0)))
      return fail(location, "conv2d: bias [O] has shape " + shapeText(type) +
                                ", weight [O, C / groups, KH, KW] has shape " + shapeText(weight));
  }
  if (!fits)
    return fail(location, "conv2d: x [N, C, H, W] has shape " + shapeText(x) +
                              ", weight [O, C / groups, KH, KW] has shape " + shapeText(weight) +
                              ", groups are " + Twine(groups));
  SmallVector<int64_t> shape{x.getDimSize(0), weight.getDimSize(0)};
  for (int64_t d : {0, 1})
    shape.push_back(windowCount(padded(x.getDimSize(d + 2), adaptor.getPadding()[d]),
                                weight.getDimSize(d + 2), adaptor.getStrides()[d],
                                adaptor.getDilations()[d]));
  if (shape[2] == 0 || shape[3] == 0)
    return fail(location, "conv2d: the kernel " + shapeText(weight) +
                              " is larger than the padded input " + shapeText(x));
  types.push_back(withShape(x, shape));
  return success();
}

template <typename Adaptor>
static LogicalResult inferPooled(Adaptor adaptor, StringRef name, InferenceLocation location,
                                 InferredTypes &types) {
  RankedTensorType x = tensorType(adaptor.getX());
  if (x.getRank() != 4)
    return fail(location, name + ": x must be [N, C, H, W], but has shape " + shapeText(x));
  if (!arePositive(adaptor.getWindow(), 2) || !arePositive(adaptor.getStrides(), 2))
    return fail(location, name + ": window and strides are two positive integers each");
  if (!areSizes(adaptor.getPadding(), 2))
    return fail(location, name + ": padding is two integers that are not negative");
  SmallVector<int64_t> shape{x.getDimSize(0), x.getDimSize(1)};
  for (int64_t d : {0, 1}) {
    shape.push_back(windowCount(padded(x.getDimSize(d + 2), adaptor.getPadding()[d]),
                                adaptor.getWindow()[d], adaptor.getStrides()[d], 1));
    if (shape.back() == 0)
      return fail(location, name + ": the window is larger than the padded input " + shapeText(x));
  }
  types.push_back(withShape(x, shape));
  return success();
}

LogicalResult inferPool2d(MaxPool2dOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  return inferPooled(adaptor, "max_pool2d", location, types);
}

LogicalResult inferPool2d(AvgPool2dOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  return inferPooled(adaptor, "avg_pool2d", location, types);
}

} // namespace weft
