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

static const OpInfo *broadcastOp() {
  static const OpInfo &op = requireOp("weft.broadcast");
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
static const OpInfo *conjugateOp() {
  static const OpInfo &op = requireOp("weft.conj");
  return &op;
}

static bool areSame(const OpCall &first, const OpCall &second) {
  Key mine, others;
  first.appendKey(mine);
  second.appendKey(others);
  return mine == others;
}

bool ViewStep::operator==(const ViewStep &other) const {
  return areSame(call, other.call) && call.resultShape == other.call.resultShape &&
         source == other.source && pitch == other.pitch &&
         std::equal(ahead.begin(), ahead.end(), other.ahead.begin(), other.ahead.end(), areSame);
}

bool ViewStep::isWindows() const { return pitch != 0; }

bool ViewStep::isSlice() const { return call.op == sliceOp() && !isDiagonal(); }

bool ViewStep::isReshape() const { return call.op == reshapeOp(); }

bool ViewStep::isBroadcast() const { return call.op == broadcastOp(); }

bool ViewStep::repeats() const {
  if (isWindows())
    return call.resultShape.back() > pitch;
  return isBroadcast() && elementCount(source) != elementCount(call.resultShape);
}

bool ViewStep::moves() const {
  return isSlice() || isReshape() || isBroadcast() || isDiagonal() || isWindows() ||
         call.op == transposeOp();
}

bool ViewStep::isPart() const { return call.op == realOp() || call.op == imaginaryOp(); }

bool ViewStep::isReal() const { return call.op == realOp(); }

OpCall ViewStep::otherPart() const { return OpCall(*(isReal() ? imaginaryOp() : realOp())); }

bool ViewStep::isConjugate() const { return call.op == conjugateOp(); }

bool ViewStep::isBits() const {
  static const OpInfo &op = requireOp("weft.bitcast");
  return call.op == &op;
}

bool ViewStep::isPairs() const {
  static const OpInfo &op = requireOp("weft.concatenate");
  return call.op == &op;
}

bool ViewStep::isNumbers() const {
  static const OpInfo &op = requireOp("weft.complex");
  return call.op == &op;
}

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

Shape weft::shapeAfter(const ViewStep &step) {
  if (step.isPart() || step.isConjugate())
    return step.source;
  if (step.call.op != transposeOp())
    return step.call.resultShape;
  Shape shape;
  for (int64_t axis : step.call.list("permutation"))
    shape.push_back(step.source[axis]);
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

static Shape permuted(const OpCall &transpose, const Shape &strides) {
  Shape result;
  for (int64_t axis : transpose.list("permutation"))
    result.push_back(strides[axis]);
  return result;
}

static Shape diagonalStrides(const ViewStep &step, const Shape &strides) {
  Shape result = permuted(step.ahead.front(), strides);
  int64_t last = result.back();
  result.pop_back();
  result.back() += last;
  return result;
}

/// Strides in numbers of two elements; nullopt if some are none.
static std::optional<Shape> halved(const Shape &strides) {
  Shape result;
  for (int64_t stride : strides) {
    if (stride % 2 != 0)
      return std::nullopt;
    result.push_back(stride / 2);
  }
  return result;
}

static std::optional<Shape> stridesAfter(const ViewStep &step, const Shape &strides) {
  const OpCall &call = step.call;
  if (step.isReshape())
    return reshapedStrides(step.source, strides, call.resultShape);
  if (step.isDiagonal())
    return diagonalStrides(step, strides);
  if (step.isNumbers())
    return halved({strides.begin(), strides.end() - 1});
  if (call.op == transposeOp())
    return permuted(call, strides);
  Shape result = strides;
  if (step.isPart() || step.isPairs()) {
    // Distances are counted in parts from here on.
    for (int64_t &stride : result)
      stride *= 2;
    if (step.isPairs())
      result.push_back(1);
  } else if (step.isWindows()) {
    result.push_back(result.back());
    result[result.size() - 2] *= step.pitch;
  } else if (step.isSlice()) {
    for (auto [stride, apart] : llvm::zip(result, call.list("steps")))
      stride *= apart;
  } else if (step.isBroadcast()) {
    result.assign(call.resultShape.size(), 0);
    for (auto [i, target] : llvm::enumerate(call.list("dimensions")))
      if (step.source[i] == call.resultShape[target])
        result[target] = strides[i];
  }
  return result;
}

/// One step for two that follow each other, both of one kind; nullopt for others.
static std::optional<OpCall> merged(const ViewStep &before, const ViewStep &after) {
  const OpCall &first = before.call, &second = after.call;
  if (first.op != second.op || before.isDiagonal() || after.isDiagonal())
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
  if (!step.moves() || step.isDiagonal() || step.isWindows())
    return false;
  if (shapeAfter(step) != step.source)
    return false;
  if (step.call.op == transposeOp())
    return llvm::is_sorted(step.call.list("permutation"));
  if (step.isSlice())
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

/// The step that moves complex numbers as `step` moves their parts.
static ViewStep ofNumbers(ViewStep step) {
  auto widen = [](OpCall &call) {
    call.resultDType = call.resultDType == DType::Float32 ? DType::Complex64 : DType::Complex128;
  };
  widen(step.call);
  llvm::for_each(step.ahead, widen);
  return step;
}

static void append(ViewPath &path, ViewStep step) {
  bool isRead =
      !path.steps.empty() && (path.steps.back().isPart() || path.steps.back().isConjugate());
  if (isRead && step.moves()) {
    ViewStep read = std::move(path.steps.back());
    path.steps.pop_back();
    read.source = shapeAfter(step);
    append(path, read.isPart() ? ofNumbers(std::move(step)) : std::move(step));
    return append(path, std::move(read));
  }
  if (step.isConjugate() && !path.steps.empty() && path.steps.back().isConjugate())
    return path.steps.pop_back();
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
    if (auto both = merged(path.steps.back(), step)) {
      step = {std::move(*both), path.steps.back().source};
      path.steps.pop_back();
    }
  if (!changesNothing(step))
    path.steps.push_back(std::move(step));
}

std::optional<ViewPath> weft::extended(const ViewPath &path, const ViewStep &step) {
  ViewPath result = path;
  if (path.strides) {
    bool isKnown = !hasSymbolicSize(step.call.resultShape);
    result.strides = isKnown ? stridesAfter(step, *path.strides) : std::nullopt;
    if (!result.strides && step.isReshape() && isKnown)
      return std::nullopt;
  }
  append(result, step);
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
      result = extended(*result, step);
  return result;
}
