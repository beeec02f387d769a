// How the steps to views join, and where the elements of views lie.
#include "lib/Trace/ViewPath.h"

#include "lib/Support/SymbolicSize.h"

#include "llvm/ADT/STLExtras.h"

using namespace weft;

static const OpInfo *sliceOp() {
  static const OpInfo &op = requireOp("weft.slice");
  return &op;
}
static const OpInfo *reshapeOp() {
  static const OpInfo &op = requireOp("weft.reshape");
  return &op;
}
static const OpInfo *transposeOp() {
  static const OpInfo &op = requireOp("weft.transpose");
  return &op;
}

static const OpInfo *realOp() {
  static const OpInfo &op = requireOp("weft.real");
  return &op;
}
static const OpInfo *imaginaryOp() {
  static const OpInfo &op = requireOp("weft.imag");
  return &op;
}
static bool isPart(const OpCall &call) { return call.op == realOp() || call.op == imaginaryOp(); }

bool ViewStep::operator==(const ViewStep &other) const {
  Key mine, others;
  call.appendKey(mine);
  other.call.appendKey(others);
  return mine == others && source == other.source;
}

bool ViewStep::isSlice() const { return call.op == sliceOp(); }

bool ViewStep::isReshape() const { return call.op == reshapeOp(); }

bool ViewStep::isBroadcast() const {
  return !isSlice() && !isReshape() && !isPart() && call.op != transposeOp();
}

bool ViewStep::repeats() const {
  return isBroadcast() && elementCount(source) != elementCount(call.resultShape);
}

bool ViewStep::isPart() const { return ::isPart(call); }

bool ViewStep::isReal() const { return call.op == realOp(); }

OpCall ViewStep::otherPart() const { return OpCall(*(isReal() ? imaginaryOp() : realOp())); }

OpCall ViewStep::inverse(DType dtype) const {
  if (call.op == transposeOp()) {
    const Shape &permutation = call.list("permutation");
    Shape inverse(permutation.size());
    for (auto [i, axis] : llvm::enumerate(permutation))
      inverse[axis] = int64_t(i);
    return OpCall(*transposeOp()).set("permutation", inverse);
  }
  assert(!repeats());
  OpCall reshape(*reshapeOp());
  reshape.resultShape = source;
  reshape.resultDType = dtype;
  return reshape;
}

/// The shape of what `call` gives.
static Shape resultShape(const OpCall &call, const Shape &source) {
  if (isPart(call))
    return source;
  if (call.op != transposeOp())
    return call.resultShape;
  Shape shape;
  for (int64_t axis : call.list("permutation"))
    shape.push_back(source[axis]);
  return shape;
}

std::optional<Shape> weft::rowMajorStrides(const Shape &shape) {
  if (hasSymbolicSize(shape))
    return std::nullopt;
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  return strides;
}

/// Strides of the same elements in another shape; nullopt if they do not lie evenly for it.
static std::optional<Shape> reshapedStrides(const Shape &shape, const Shape &strides,
                                            const Shape &wanted) {
  if (elementCount(shape) == 0)
    return rowMajorStrides(wanted);
  // Dimensions that are evenly spaced together, the innermost first.
  struct Run {
    int64_t size, stride;
  };
  llvm::SmallVector<Run, 4> runs;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1)
      continue;
    if (!runs.empty() && runs.back().size * runs.back().stride == strides[i])
      runs.back().size *= shape[i];
    else
      runs.push_back({shape[i], strides[i]});
  }
  Shape result(wanted.size(), 1);
  size_t run = 0;
  for (size_t i = wanted.size(); i-- > 0;) {
    if (wanted[i] == 1)
      continue;
    if (runs[run].size == 1)
      ++run;
    if (runs[run].size % wanted[i] != 0)
      return std::nullopt;
    result[i] = runs[run].stride;
    runs[run].stride *= wanted[i];
    runs[run].size /= wanted[i];
  }
  return result;
}

static std::optional<Shape> stridesAfter(const OpCall &call, const Shape &shape,
                                         const Shape &strides) {
  if (call.op == reshapeOp())
    return reshapedStrides(shape, strides, call.resultShape);
  Shape result;
  if (isPart(call)) {
    // Distances are counted in parts from here on.
    for (int64_t stride : strides)
      result.push_back(2 * stride);
  } else if (call.op == sliceOp()) {
    const Shape &steps = call.list("steps");
    for (size_t i = 0; i < strides.size(); ++i)
      result.push_back(strides[i] * steps[i]);
  } else if (call.op == transposeOp()) {
    for (int64_t axis : call.list("permutation"))
      result.push_back(strides[axis]);
  } else {
    result.assign(call.resultShape.size(), 0);
    for (auto [i, target] : llvm::enumerate(call.list("dimensions")))
      if (shape[i] == call.resultShape[target])
        result[target] = strides[i];
  }
  return result;
}

/// One step for two that follow each other, both of one kind; nullopt for others.
static std::optional<OpCall> merged(const OpCall &first, const OpCall &second) {
  if (first.op != second.op)
    return std::nullopt;
  if (first.op == reshapeOp())
    return second;
  OpCall result(*first.op);
  result.resultDType = second.resultDType;
  result.resultShape = second.resultShape;
  if (first.op == transposeOp()) {
    Shape permutation;
    for (int64_t axis : second.list("permutation"))
      permutation.push_back(first.list("permutation")[axis]);
    return result.set("permutation", permutation);
  }
  if (first.op != sliceOp())
    return std::nullopt;
  const Shape &outerStarts = first.list("starts"), &outerSteps = first.list("steps");
  const Shape &innerStarts = second.list("starts"), &innerSteps = second.list("steps");
  Shape starts, steps;
  for (size_t i = 0; i < outerStarts.size(); ++i) {
    starts.push_back(outerStarts[i] + outerSteps[i] * innerStarts[i]);
    steps.push_back(outerSteps[i] * innerSteps[i]);
  }
  return result.set("starts", starts).set("steps", steps);
}

static bool changesNothing(const ViewStep &step) {
  if (step.isPart())
    return false;
  if (resultShape(step.call, step.source) != step.source)
    return false;
  if (step.call.op == transposeOp())
    return llvm::is_sorted(step.call.list("permutation"));
  if (step.call.op == sliceOp())
    return llvm::all_of(step.call.list("starts"), [](int64_t start) { return start == 0; }) &&
           llvm::all_of(step.call.list("steps"), [](int64_t step) { return step == 1; });
  return true;
}

/// The slice that takes of a value what `slice` takes of it transposed.
static ViewStep beforeTranspose(const ViewStep &transpose, const ViewStep &slice) {
  const Shape &permutation = transpose.call.list("permutation");
  ViewStep result{OpCall(*slice.call.op), transpose.source};
  Shape starts(permutation.size()), steps(permutation.size()), shape(permutation.size());
  for (auto [i, source] : llvm::enumerate(permutation)) {
    starts[source] = slice.call.list("starts")[i];
    steps[source] = slice.call.list("steps")[i];
    shape[source] = slice.call.resultShape[i];
  }
  result.call.resultDType = slice.call.resultDType;
  result.call.resultShape = std::move(shape);
  result.call.set("starts", std::move(starts)).set("steps", std::move(steps));
  return result;
}

/// The steps that take of a value what `slice` takes of it repeated: a slice, and a broadcast,
/// which may repeat no element any more.
static std::pair<ViewStep, ViewStep> beforeBroadcast(const ViewStep &broadcast,
                                                     const ViewStep &slice) {
  const Shape &source = broadcast.source;
  ViewStep first{OpCall(*slice.call.op), source};
  Shape starts(source.size(), 0), steps(source.size(), 1), shape = source;
  for (auto [i, target] : llvm::enumerate(broadcast.call.list("dimensions"))) {
    if (source[i] != broadcast.call.resultShape[target])
      continue;
    starts[i] = slice.call.list("starts")[target];
    steps[i] = slice.call.list("steps")[target];
    shape[i] = slice.call.resultShape[target];
  }
  first.call.resultDType = slice.call.resultDType;
  first.call.resultShape = shape;
  first.call.set("starts", std::move(starts)).set("steps", std::move(steps));
  ViewStep second{broadcast.call, std::move(shape)};
  second.call.resultShape = slice.call.resultShape;
  return {std::move(first), std::move(second)};
}

static void append(ViewPath &path, ViewStep step) {
  if (!path.steps.empty() && path.steps.back().isPart()) {
    ViewStep part = std::move(path.steps.back());
    path.steps.pop_back();
    part.source = resultShape(step.call, step.source);
    if (step.call.op != transposeOp())
      step.call.resultDType =
          step.call.resultDType == DType::Float32 ? DType::Complex64 : DType::Complex128;
    append(path, std::move(step));
    return path.steps.push_back(std::move(part));
  }
  if (step.isSlice() && !path.steps.empty() && path.steps.back().call.op == transposeOp()) {
    ViewStep transpose = std::move(path.steps.back());
    path.steps.pop_back();
    ViewStep slice = beforeTranspose(transpose, step);
    transpose.source = slice.call.resultShape;
    append(path, std::move(slice));
    return append(path, std::move(transpose));
  }
  if (step.isSlice() && !path.steps.empty() && path.steps.back().isBroadcast() &&
      !hasSymbolicSize(path.steps.back().source) && !hasSymbolicSize(step.source)) {
    auto [slice, broadcast] = beforeBroadcast(path.steps.back(), step);
    path.steps.pop_back();
    append(path, std::move(slice));
    return append(path, std::move(broadcast));
  }
  if (!path.steps.empty() && !hasSymbolicSize(step.source))
    if (auto both = merged(path.steps.back().call, step.call)) {
      step = {std::move(*both), path.steps.back().source};
      path.steps.pop_back();
    }
  if (!changesNothing(step))
    path.steps.push_back(std::move(step));
}

std::optional<ViewPath> weft::extended(const ViewPath &path, const Shape &shape,
                                       const OpCall &step) {
  ViewPath result = path;
  if (path.strides) {
    result.strides =
        hasSymbolicSize(step.resultShape) ? std::nullopt : stridesAfter(step, shape, *path.strides);
    if (!result.strides && step.op == reshapeOp() && !hasSymbolicSize(step.resultShape))
      return std::nullopt;
  }
  append(result, {step, shape});
  if (result.steps.size() > ViewPath::mostSteps) {
    result.steps.clear();
    result.strides.reset();
  }
  return result;
}

std::optional<ViewPath> weft::joined(ViewPath first, const ViewPath &second) {
  std::optional<ViewPath> result = std::move(first);
  for (const ViewStep &step : second.steps)
    if (result)
      result = extended(*result, step.source, step.call);
  return result;
}
