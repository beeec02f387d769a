// Views: handles that look into the slot of another handle. What they are, without reading them.
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// The handle whose slot the tensor has or looks into.
TensorObject *slotOf(TensorObject *tensor);

/// The way from the slot to the tensor.
ViewPath pathOf(TensorObject *tensor);

/// Says how the elements of a new handle of a trace lie.
void setStrides(TensorObject *tensor, Shape strides);

/// True if the handle's elements lie in its root's memory as in a dense one's.
bool isContiguous(TensorObject *tensor);

/// How far apart the elements lie, unless that is as in a dense tensor, or not known.
std::optional<Shape> unusualStrides(TensorObject *tensor);

/// True if several of the handle's elements are one.
bool isExpanded(TensorObject *tensor);
/// Throws if they are; `action` is what they should be for.
void checkExpanded(TensorObject *tensor, const char *action);

/// Makes `view` a view along `path` of the slot that `parent` has or looks into; its value is up to
/// date.
void makeView(TensorObject *view, TensorObject *parent, ViewPath path, bool tracked, bool detached);

/// Called when a handle got a new value: views of it are read anew.
void changed(TensorObject *handle);

/// Gives `target` the value of `source`, and where asked its history.
void take(TensorObject *target, TensorObject *source, bool withHistory);

} // namespace weft
