// What the steps of views make of values, and what writes through them give back.
#pragma once

#include "python/src/Dispatch.h"

namespace weft {

/// What a step takes of a value, which is up to date. Throws.
PyRef taken(const ViewStep &step, TensorObject *before);

/// What the value before `step` becomes when the elements that the step takes become `value`.
PyRef putBack(const ViewStep &step, TensorObject *before, const PyRef &value);

/// An update of a value, and its operands behind that.
struct SliceUpdate {
  OpCall call;
  Operands others;

  void add(const PyRef &tensor) { others.push_back({tensor.get(), tensor, false}); }
};

/// The update that puts `value` at starts + i * steps. It goes forward: along the other dimensions
/// the elements are reversed.
SliceUpdate sliceUpdate(TensorObject *value, Shape starts, Shape steps);

/// The steps that make of a dense value of shape `source` its diagonal, from element `start` of the
/// last two dimensions of `order`; windows of `size` along its last dimension; pairs of parts of
/// complex numbers, and numbers of such pairs.
ViewStep diagonalStep(const Shape &source, DType dtype, const Shape &order, int64_t start,
                      int64_t length);
ViewStep windowsStep(const Shape &source, DType dtype, int64_t count, int64_t size, int64_t pitch);
ViewStep pairsStep(const Shape &source, DType numbers);
ViewStep numbersStep(const Shape &source, DType parts);

} // namespace weft
