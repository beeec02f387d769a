// Views: handles that look into the slot of another handle.
//
// A view remembers the slot (its root) and the steps from the slot's value to its own. A write
// through the view puts the new elements back step by step and gives the root a new value; a read
// after the root changed takes the steps again. Values never change: in a trace all of this is ops.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/PyRef.h"

#include <memory>
#include <optional>
#include <vector>

namespace weft {

struct TensorObject;

/// The slot that views look into.
struct Root {
  /// The handle whose value it is. Views keep it alive.
  TensorObject *handle = nullptr;
  /// Set once the handle took a slot of its own (`p.data = t`): what is left for the views.
  PyRef remnant;
  /// Grows with each new value.
  uint64_t generation = 0;
  /// Of what stands in a trace for a view whose elements do not lie densely: how they lie.
  std::optional<Shape> strides = {};

  /// The handle that has the slot's value now.
  TensorObject *holder() const;
};

/// One step from a value to a view of it: a slice, a reshape, a transpose or a broadcast.
struct ViewStep {
  OpCall call;
  /// The shape of what the step is taken from.
  Shape source;

  bool operator==(const ViewStep &other) const;
};

/// The way from a root to a view.
struct ViewPath {
  std::vector<ViewStep> steps;
  /// How far apart neighbours along each dimension lie in the root; nothing if a size is symbolic,
  /// or if there were too many steps.
  std::optional<Shape> strides;

  /// True if the steps are the same.
  bool operator==(const ViewPath &other) const { return steps == other.steps; }
};

struct Lens {
  std::shared_ptr<Root> root;
  /// Keeps the root's handle alive.
  PyRef owner;
  ViewPath path;
  /// The root's generation when the view's own value was computed.
  uint64_t seen = 0;
  /// Made while gradients were recorded: reads are.
  bool tracked = false;
  /// `.data` and `.detach()`: reads and writes have no history.
  bool detached = false;
};

/// The way to `step` of a value at `path`; nullopt if it is no view but a copy (a reshape of
/// elements that do not lie evenly). `shape` is that of the value.
std::optional<ViewPath> extended(const ViewPath &path, const Shape &shape, const OpCall &step);

/// The way from the root of `parent` to what lies at `path` of it.
std::optional<ViewPath> pathFrom(TensorObject *parent, const ViewPath &path);

/// The strides of a dense value; nullopt if a size is symbolic.
std::optional<Shape> rowMajorStrides(const Shape &shape);

/// The handle whose slot the tensor has or looks into.
TensorObject *slotOf(TensorObject *tensor);

/// Says how the elements of a new handle of a trace lie.
void setStrides(TensorObject *tensor, Shape strides);

/// True if the handle's elements lie in its root's memory as in a dense one's.
bool isContiguous(TensorObject *tensor);

/// Applies a slice, reshape, transpose or broadcast. The result is a view of the operand where it
/// can be one. Throws.
PyRef applyView(const OpCall &call, PyObject *operand);

/// A view of all of `tensor`, without its history. Throws.
PyRef detach(TensorObject *tensor);

/// Makes `view` a view along `path` of the slot that `parent` has or looks into; its value is up to
/// date.
void makeView(TensorObject *view, TensorObject *parent, ViewPath path, bool tracked, bool detached);

/// Reads a view anew if its root has changed. Throws.
void refresh(TensorObject *view);

/// Throws if an in-place operation on the view has to be refused: GradientError for a view of a
/// leaf that requires a gradient, UnsupportedError for one whose elements can't all be told apart.
void checkWrite(TensorObject *view, const char *action);

/// Throws if the handle's elements can't all be told apart.
void checkExpanded(TensorObject *tensor, const char *action);

/// Puts the value that `source` has into the view's root. Throws.
void writeThrough(TensorObject *view, TensorObject *source);

/// Called when a handle got a new value: views of it read anew.
void changed(TensorObject *handle);

/// Leaves the handle's slot, as it is, to its views: the handle takes another one.
void leaveSlot(TensorObject *handle);

} // namespace weft
