// Handles as users see them: read anew where they are views, changed in place, with or without
// history; in a trace those of the trace stand for older ones.
#pragma once

#include "python/src/Dispatch.h"
#include "python/src/TensorObject.h"

namespace weft {

/// The handle to read or change instead of `tensor` now: in a trace, for an older handle, that of
/// the trace, if it has one; a view is read anew if its slot has changed. Throws.
TensorObject *current(TensorObject *tensor);

/// The same, but in a trace each older handle gets one of the trace. Throws.
TensorObject *owned(TensorObject *tensor);

/// The value in the graph of the trace in progress that the tensor has now. Throws.
ValueId traced(TensorObject *tensor);

/// The elements in the memory of the host; in a trace those that calls will have. `action` says
/// what for: "int()". Throws.
Array elementsOf(TensorObject *tensor, const char *action);

/// Lets `target` stand for what `source` stands for, history included: through the lens of a view,
/// and for a handle older than the trace in progress on the trace's own. Throws.
void adopt(TensorObject *target, TensorObject *source);

/// The same for the value alone: the history stays what it is.
void setValue(TensorObject *target, TensorObject *source);

/// Gives `target` the value that `call`, an update, makes of its own in the shape `shape` and of
/// the other operands, as `adopt` does. Outside of traces it is made in the memory of the former
/// value if nobody else has that and no history is recorded. Throws.
void update(TensorObject *target, const OpCall &call, const Shape &shape, const Operands &others);

/// The same with `value` in the place of the elements at starts + i * steps, for steps of any sign.
void putSlice(TensorObject *target, TensorObject *value, const Shape &starts, const Shape &steps);

/// Throws if `target` may not be changed in place: a leaf that requires a gradient while they are
/// recorded, a view of one, or an expanded view.
void checkInPlace(TensorObject *target, const char *action);

/// A handle of its own on the value, history included. Throws.
PyRef clone(TensorObject *tensor);

/// The tensor `.grad`, or null. Noted by the trace in progress.
PyObject *gradientOf(TensorObject *tensor);

/// Sets `.grad`; null removes it. Recorded by the trace in progress.
void setGradient(TensorObject *tensor, PyRef gradient);

/// Adds `gradient` to what the tensor has in `.grad`. Throws.
void accumulateGradient(TensorObject *tensor, PyRef gradient);

/// A view of all of `tensor`, without its history. Throws.
PyRef detach(TensorObject *tensor);

/// The view that `step` takes of `parent`, which is up to date; a copy where it can be no view.
/// Throws.
PyRef viewBy(const ViewStep &step, TensorObject *parent);

/// What to fill in order to fill `tensor`, whatever elements of it are one: a view that has each of
/// its elements once; the tensor itself where none are, or where there is no such view. Throws.
PyRef eachOnce(TensorObject *tensor);

/// Reads a view anew if its root has changed. Throws.
void refresh(TensorObject *view);

/// Leaves the handle's slot, as it is, to its views: the handle takes another one.
void leaveSlot(TensorObject *handle);

} // namespace weft
