// Ways from a value to a view of it: slices, reshapes, transposes, broadcasts, diagonals and
// windows in a row, and what reads the elements in another way: parts, conjugates, bits.
#pragma once

#include "lib/Trace/OpCall.h"

#include <optional>
#include <vector>

namespace weft {

/// One step from a value to a view of it. Most are one op. Those that are not are named by the last
/// op that takes them (python/src/state/ViewSteps.cpp).
struct ViewStep {
  /// With the result's shape, but for real and imaginary parts, conjugates and transposes.
  OpCall call;
  /// The shape of what the step is taken from.
  Shape source;
  /// Of a diagonal: a transpose that puts its dimensions last, and the reshape that makes one of
  /// them, of which `call` is a slice. Together they are a view, wherever the dimensions lie.
  std::vector<OpCall> ahead = {};
  /// Of windows along a dimension: how far apart they begin.
  int64_t pitch = 0;

  bool operator==(const ViewStep &other) const;

  bool isDiagonal() const { return !ahead.empty(); }
  /// True if the step gathers windows along a dimension.
  bool isWindows() const;
  /// True if the step takes some of the elements, so that a write puts them into the others.
  bool isSlice() const;
  bool isReshape() const;
  bool isBroadcast() const;
  /// True if the step makes several elements of one, or none: some broadcasts, and windows that
  /// overlap.
  bool repeats() const;
  /// True if the step chooses elements, and leaves them as they are.
  bool moves() const;
  /// True if the step takes the real or the imaginary parts.
  bool isPart() const;
  /// Of parts: true if they are the real ones, and what takes the others.
  bool isReal() const;
  OpCall otherPart() const;
  bool isConjugate() const;
  /// True if the step reads the bits as another dtype of the same size.
  bool isBits() const;
  /// True if the step makes pairs of parts of complex numbers; numbers of such pairs.
  bool isPairs() const;
  bool isNumbers() const;
  /// Of a transpose, a reshape and a broadcast that repeats nothing: what makes the value before it
  /// of the one after it, of dtype `dtype`.
  OpCall inverse(DType dtype) const;
};

/// The shape of what a step gives.
Shape shapeAfter(const ViewStep &step);

/// The way from a root to a view.
struct ViewPath {
  std::vector<ViewStep> steps;
  /// How far apart neighbours along each dimension lie in the root; nothing if a size is symbolic,
  /// or if there were too many steps.
  std::optional<Shape> strides;

  /// More steps than this are not remembered: such a view can't be read or written once its root
  /// changed. Slices, reshapes and transposes that follow their own kind are one step, a slice
  /// comes before a transpose and a broadcast, and what moves elements before parts and conjugates,
  /// so that a write through both is one of the slice.
  static constexpr size_t mostSteps = 64;

  /// True if the steps are the same.
  bool operator==(const ViewPath &other) const { return steps == other.steps; }

  /// False if there were more than `mostSteps`.
  bool isKept() const { return strides || !steps.empty(); }
};

/// The way to `step` of a value at `path`; nullopt if it is no view but a copy (a reshape of
/// elements that do not lie evenly).
std::optional<ViewPath> extended(const ViewPath &path, const ViewStep &step);

/// The way along `first`, then along `second`; nullopt if that is no view.
std::optional<ViewPath> joined(ViewPath first, const ViewPath &second);

/// The strides of a dense value; nullopt if a size is symbolic.
std::optional<Shape> rowMajorStrides(const Shape &shape);

} // namespace weft
