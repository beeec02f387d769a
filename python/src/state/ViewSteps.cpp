// Steps of views as operations: taken of a value, and put back into it.
#include "python/src/state/ViewSteps.h"

#include "lib/Runtime/Storage.h"
#include "lib/Support/SymbolicSize.h"

using namespace weft;

static OpCall typedCall(const char *name, const Shape &shape, DType dtype) {
  OpCall call(requireOp(name));
  call.resultShape = shape;
  call.resultDType = dtype;
  return call;
}

static PyRef then(const OpCall &call, const PyRef &operand) {
  return dispatch(call, {asTensor(operand.get())});
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

ViewStep weft::diagonalStep(const Shape &source, DType dtype, const Shape &order, int64_t start,
                            int64_t length) {
  Shape turned;
  for (int64_t axis : order)
    turned.push_back(source[axis]);
  int64_t columns = turned.back();
  Shape flat(turned.begin(), turned.end() - 1);
  flat.back() = multiplySizes(flat.back(), columns);
  Shape starts(flat.size(), 0), steps(flat.size(), 1), shape = flat;
  starts.back() = start;
  steps.back() = addSizes(columns, 1);
  shape.back() = length;
  ViewStep step{typedCall("weft.slice", shape, dtype), source};
  step.call.set("starts", starts).set("steps", steps);
  step.ahead = {OpCall(requireOp("weft.transpose")).set("permutation", order),
                typedCall("weft.reshape", flat, dtype)};
  return step;
}

ViewStep weft::windowsStep(const Shape &source, DType dtype, int64_t count, int64_t size,
                           int64_t pitch) {
  Shape shape = source;
  shape.back() = count;
  shape.push_back(size);
  ViewStep step{typedCall("weft.gather", shape, dtype), source};
  step.call.set("axis", int64_t(source.size()) - 1);
  step.pitch = pitch;
  return step;
}

ViewStep weft::pairsStep(const Shape &source, DType numbers) {
  Shape shape = source;
  shape.push_back(2);
  DType parts = numbers == DType::Complex64 ? DType::Float32 : DType::Float64;
  ViewStep step{typedCall("weft.concatenate", shape, parts), source};
  step.call.set("axis", int64_t(source.size()));
  return step;
}

ViewStep weft::numbersStep(const Shape &source, DType parts) {
  DType numbers = parts == DType::Float32 ? DType::Complex64 : DType::Complex128;
  return {typedCall("weft.complex", Shape(source.begin(), source.end() - 1), numbers), source};
}

//===----------------------------------------------------------------------===//
// Taking
//===----------------------------------------------------------------------===//

/// Where the elements of windows are along their dimension: [count, size].
static PyRef windowPlaces(const ViewStep &step, TensorObject *before) {
  const Shape &shape = step.call.resultShape;
  Shape places(shape.end() - 2, shape.end());
  auto counted = [&](const Shape &sizes, int64_t axis) {
    OpCall iota = typedCall("weft.iota", sizes, DType::Int64);
    iota.device = before->value.storage ? before->value.storage->device() : nullptr;
    return dispatch(iota.set("axis", axis), std::initializer_list<TensorObject *>{});
  };
  int64_t reach = addSizes(multiplySizes(addSizes(places[0], -1), step.pitch), 1);
  OpCall starts = typedCall("weft.slice", {places[0]}, DType::Int64);
  starts.set("starts", Shape{0}).set("steps", Shape{step.pitch});
  OpCall columns = typedCall("weft.broadcast", places, DType::Int64);
  columns.set("dimensions", Shape{0});
  PyRef first = then(columns, then(starts, counted({reach}, 0)));
  PyRef offset = counted(places, 1);
  return dispatch(OpCall(requireOp("weft.add")), {asTensor(first.get()), asTensor(offset.get())});
}

/// The pairs of parts of complex numbers, along a new last dimension of 2.
static PyRef pairsOf(TensorObject *numbers) {
  ViewStep step = pairsStep(numbers->value.shape, numbers->value.dtype);
  Shape column = step.call.resultShape;
  column.back() = 1;
  OpCall reshape = typedCall("weft.reshape", column, step.call.resultDType);
  PyRef real = then(reshape, dispatch(OpCall(requireOp("weft.real")), {numbers}));
  PyRef imaginary = then(reshape, dispatch(OpCall(requireOp("weft.imag")), {numbers}));
  return dispatch(step.call, {asTensor(real.get()), asTensor(imaginary.get())});
}

/// The complex numbers of pairs along the last dimension.
static PyRef numbersOf(TensorObject *pairs) {
  Shape column = pairs->value.shape, flat(column.begin(), column.end() - 1);
  column.back() = 1;
  auto part = [&](int64_t place) {
    OpCall slice = typedCall("weft.slice", column, pairs->value.dtype);
    Shape starts(column.size(), 0);
    starts.back() = place;
    slice.set("starts", starts).set("steps", Shape(column.size(), 1));
    return then(typedCall("weft.reshape", flat, pairs->value.dtype), dispatch(slice, {pairs}));
  };
  PyRef real = part(0), imaginary = part(1);
  return dispatch(OpCall(requireOp("weft.complex")),
                  {asTensor(real.get()), asTensor(imaginary.get())});
}

PyRef weft::taken(const ViewStep &step, TensorObject *before) {
  if (step.isPairs())
    return pairsOf(before);
  if (step.isNumbers())
    return numbersOf(before);
  if (step.isWindows()) {
    PyRef places = windowPlaces(step, before);
    return dispatch(step.call, {before, asTensor(places.get())});
  }
  PyRef value = referenceTo(before);
  for (const OpCall &call : step.ahead)
    value = then(call, value);
  return then(step.call, value);
}

//===----------------------------------------------------------------------===//
// Putting back
//===----------------------------------------------------------------------===//

SliceUpdate weft::sliceUpdate(TensorObject *value, Shape starts, Shape steps) {
  const Shape &shape = value->value.shape;
  Shape reversedStarts(shape.size()), reversedSteps(shape.size(), 1);
  bool isReversed = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (steps[i] > 0)
      continue;
    int64_t last = addSizes(shape[i], -1);
    starts[i] = addSizes(starts[i], multiplySizes(steps[i], last));
    steps[i] = -steps[i];
    reversedStarts[i] = last;
    reversedSteps[i] = -1;
    isReversed = true;
  }
  SliceUpdate result{OpCall(requireOp("weft.update")), {}};
  result.call.set("starts", std::move(starts)).set("steps", std::move(steps));
  if (isReversed) {
    OpCall reverse(requireOp("weft.slice"));
    reverse.resultShape = shape;
    reverse.resultDType = value->value.dtype;
    reverse.set("starts", reversedStarts).set("steps", reversedSteps);
    result.add(dispatch(reverse, {value}));
  } else {
    result.add(referenceTo(value));
  }
  return result;
}

static PyRef putSliceBack(const OpCall &slice, TensorObject *before, TensorObject *value) {
  SliceUpdate update = sliceUpdate(value, slice.list("starts"), slice.list("steps"));
  return dispatch(update.call, {before, asTensor(update.others[0].object)});
}

static PyRef putDiagonalBack(const ViewStep &step, TensorObject *before, TensorObject *value) {
  const OpCall &transpose = step.ahead[0], &reshape = step.ahead[1];
  ViewStep turn{transpose, step.source};
  ViewStep flatten{reshape, shapeAfter(turn)};
  DType dtype = value->value.dtype;
  PyRef flat = then(reshape, dispatch(transpose, {before}));
  PyRef written = putSliceBack(step.call, asTensor(flat.get()), value);
  return then(turn.inverse(dtype), then(flatten.inverse(dtype), written));
}

static PyRef putWindowsBack(const ViewStep &step, TensorObject *before, TensorObject *value) {
  PyRef places = windowPlaces(step, before);
  OpCall scatter(requireOp("weft.scatter"));
  scatter.set("axis", int64_t(step.source.size()) - 1);
  return dispatch(scatter, {before, asTensor(places.get()), value});
}

static PyRef putPartBack(const ViewStep &step, TensorObject *before, TensorObject *value) {
  PyRef rest = dispatch(step.otherPart(), {before});
  TensorObject *other = asTensor(rest.get());
  OpCall whole(requireOp("weft.complex"));
  return step.isReal() ? dispatch(whole, {value, other}) : dispatch(whole, {other, value});
}

PyRef weft::putBack(const ViewStep &step, TensorObject *before, const PyRef &value) {
  TensorObject *after = asTensor(value.get());
  if (step.isPart())
    return putPartBack(step, before, after);
  if (step.isPairs())
    return numbersOf(after);
  if (step.isNumbers())
    return pairsOf(after);
  if (step.isConjugate())
    return dispatch(step.call, {after});
  if (step.isBits())
    return dispatch(typedCall("weft.bitcast", step.source, before->value.dtype), {after});
  if (step.isDiagonal())
    return putDiagonalBack(step, before, after);
  if (step.isWindows())
    return putWindowsBack(step, before, after);
  if (step.isSlice())
    return putSliceBack(step.call, before, after);
  return dispatch(step.inverse(after->value.dtype), {after});
}
