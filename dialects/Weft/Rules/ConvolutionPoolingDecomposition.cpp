// Definitions of the channels-first layers over images: one transpose to [N, H, W, C] before, one
// back behind, so that between layers they cancel.
#include "dialects/Weft/Rules/Build.h"
#include "dialects/Weft/Rules/Inference.h"
#include "lib/Support/SymbolicSize.h"
#include <limits>

using namespace mlir;

namespace weft {

static Expression toChannelsLast(const Expression &x) { return transpose(x, {0, 2, 3, 1}); }
static Expression toChannelsFirst(const Expression &x) { return transpose(x, {0, 3, 1, 2}); }

/// x [N, H, W, C] in a border of `value`, padding[0] rows and padding[1] columns wide on each side.
static Expression inBorder(const Expression &x, double value, Axes padding) {
  SmallVector<int64_t> low(4, 0), interior(4, 0), shape(x.type().getShape());
  for (int64_t d : {0, 1}) {
    low[d + 1] = padding[d];
    if (!ShapedType::isDynamic(shape[d + 1]))
      shape[d + 1] =
          sizeOrDynamic([&] { return addSizes(shape[d + 1], multiplySizes(2, padding[d])); });
  }
  bool none = llvm::all_of(padding, [](int64_t width) { return width == 0; });
  return none ? x : pad(x, value, low, interior, shape);
}

/// How many of `channels` are in each group, which inference has found to be a whole number.
static int64_t channelsInGroup(int64_t channels, int64_t groups) {
  return divideSizesExactly(channels, groups).value_or(ShapedType::kDynamic);
}

/// weight [O, C / groups, KH, KW] as [KH, KW, C / groups, groups, O / groups].
static Expression groupsApart(const Expression &weight, int64_t groups) {
  SmallVector<int64_t> shape{groups, channelsInGroup(weight.size(0), groups)};
  llvm::append_range(shape, weight.type().getShape().drop_front());
  return transpose(reshape(weight, shape), {3, 4, 2, 0, 1});
}

/// The shape of the windows over an image [N, H, W, C] that is wholly inside its border.
static SmallVector<int64_t> windowsOver(const Expression &image, Axes window, Axes strides) {
  SmallVector<int64_t> shape(image.type().getShape());
  for (int64_t d : {0, 1})
    shape[d + 1] = windowCount(shape[d + 1], window[d], strides[d], 1);
  return shape;
}

/// The convolution of image [N, H, W, C] and weight [O, C, 1, 1]: a product of matrices, the pixels
/// that are met by the channels, whose sums run over c as those of the convolution.
static Expression multiplyPixels(const Expression &image, const Expression &weight, Axes strides) {
  SmallVector<int64_t> shape = windowsOver(image, {1, 1}, strides);
  bool all = strides[0] == 1 && strides[1] == 1;
  Expression met = all ? image : slice(image, {0, 0, 0, 0}, {1, strides[0], strides[1], 1}, shape);
  int64_t pixels =
      sizeOrDynamic([&] { return multiplySizes(multiplySizes(shape[0], shape[1]), shape[2]); });
  Expression product =
      matmul(reshape(met, {pixels, shape[3]}), reshape(weight, {weight.size(0), weight.size(1)}),
             /*transposeLhs=*/false, /*transposeRhs=*/true);
  return reshape(product, {shape[0], shape[1], shape[2], weight.size(0)});
}

/// The convolution of image [N, H, W, C] and weight [O, C / groups, KH, KW], channels last.
static Expression convolveGroups(const Expression &image, const Expression &weight, int64_t groups,
                                 Axes strides, Axes dilations) {
  if (groups == 1 && weight.size(2) == 1 && weight.size(3) == 1)
    return multiplyPixels(image, weight, strides);
  if (groups == 1)
    return image.at().create<ConvolutionOp>(image, transpose(weight, {2, 3, 1, 0}), strides,
                                            dilations);
  SmallVector<int64_t> shape(image.type().getShape());
  int64_t channels = shape.back();
  shape.back() = groups;
  shape.push_back(channelsInGroup(channels, groups));
  Expression apart = image.at().create<ConvolutionOp>(
      reshape(image, shape), groupsApart(weight, groups), strides, dilations);
  SmallVector<int64_t> joined(apart.type().getShape().drop_back());
  joined.back() = sizeOrDynamic([&] { return multiplySizes(groups, apart.size(4)); });
  return reshape(apart, joined);
}

SmallVector<Value> Conv2dOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  int64_t groups = getGroups();
  if (!countAlong(*this, getX(), 1) || !countAlong(*this, getWeight(), 0))
    return {};
  Expression image = inBorder(toChannelsLast(at(getX())), 0.0, getPadding());
  Expression result = convolveGroups(image, at(getWeight()), groups, getStrides(), getDilations());
  // Added while channels are last, so that the gradient of the bias is a sum of columns everywhere.
  if (getBias())
    result = result + at.create<BroadcastOp>(result.type(), getBias(), ArrayRef<int64_t>{3});
  return {toChannelsFirst(result)};
}

SmallVector<Value> MaxPool2dOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  constexpr double lowest = -std::numeric_limits<double>::infinity();
  Expression image = inBorder(toChannelsLast(at(getX())), lowest, getPadding());
  Type result = withShape(image.type(), windowsOver(image, getWindow(), getStrides()));
  bool fitsByte = getWindow()[0] * getWindow()[1] <= 256;
  Type indexType = fitsByte ? builder.getIntegerType(8, /*isSigned=*/false) : builder.getI32Type();
  Expression index =
      at.create<WindowMaxIndexOp>(withElement(result, indexType), image, getWindow(), getStrides());
  return {
      toChannelsFirst(at.create<WindowGatherOp>(result, image, index, getWindow(), getStrides()))};
}

/// float16 and bfloat16 are summed in float32.
SmallVector<Value> AvgPool2dOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression image = inBorder(widen(toChannelsLast(at(getX()))), 0.0, getPadding());
  Type result = withShape(image.type(), windowsOver(image, getWindow(), getStrides()));
  Expression total = at.create<WindowSumOp>(result, image, getWindow(), getStrides());
  double count = static_cast<double>(getWindow()[0] * getWindow()[1]);
  return {toChannelsFirst(convert(total / count, getType().getElementType()))};
}

} // namespace weft
