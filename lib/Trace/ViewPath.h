// Ways from a value to a view of it: slices, reshapes, transposes and broadcasts in a row, and the
// real or imaginary parts at its end.
#pragma once

#include "lib/Trace/OpCall.h"

#include <optional>
#include <vector>

namespace weft {

/// One step from a value to a view of it.
struct ViewStep {
  OpCall call;
  /// The shape of what the step is taken from.
  Shape source;

  bool operator==(const ViewStep &other) const;

  /// True if the step takes some of the elements, so that a write puts them into the others.
  bool isSlice() const;
  bool isReshape() const;
  bool isBroadcast() const;
  /// True of a broadcast that makes several elements of one, or none.
  bool repeats() const;
  /// True if the step takes the real or the imaginary parts.
  bool isPart() const;
  /// Of parts: true if they are the real ones, and what takes the others.
  bool isReal() const;
  OpCall otherPart() const;
  /// Of any other step but a part: what makes the value before it of the one after it, of dtype
  /// `dtype`. A broadcast that repeats elements has none.
  OpCall inverse(DType dtype) const;
};

/// The way from a root to a view.
struct ViewPath {
  std::vector<ViewStep> steps;
  /// How far apart neighbours along each dimension lie in the root; nothing if a size is symbolic,
  /// or if there were too many steps.
  std::optional<Shape> strides;

  /// More steps than this are not remembered: such a view can't be read or written once its root
  /// changed. Slices, reshapes and transposes that follow their own kind are one step, a slice
  /// comes before a transpose and a broadcast, and all of them before parts, so that a write
  /// through both is one of the slice.
  static constexpr size_t mostSteps = 64;

  /// True if the steps are the same.
  bool operator==(const ViewPath &other) const { return steps == other.steps; }

  /// False if there were more than `mostSteps`.
  bool isKept() const { return strides || !steps.empty(); }
};

/// The way to `step` of a value at `path`; nullopt if it is no view but a copy (a reshape of
/// elements that do not lie evenly). `shape` is that of the value.
std::optional<ViewPath> extended(const ViewPath &path, const Shape &shape, const OpCall &step);

/// The way along `first`, then along `second`; nullopt if that is no view.
std::optional<ViewPath> joined(ViewPath first, const ViewPath &second);

/// The strides of a dense value; nullopt if a size is symbolic.
std::optional<Shape> rowMajorStrides(const Shape &shape);

} // namespace weft
