// The arguments and results of compiled functions: trees of tensors, numbers and arrays.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/ArgumentPattern.h"
#include "python/src/PyTree.h"

#include <vector>

namespace weft {

/// The arguments of a call, taken apart.
struct FlatArguments : TakenArguments {
  FlatArguments() = default;
  ~FlatArguments();
  FlatArguments(const FlatArguments &) = delete;
  FlatArguments &operator=(const FlatArguments &) = delete;

  /// Structure, and the signature of each leaf.
  Key key;
  /// What has to be equal: strings, None, keys.
  llvm::SmallVector<PyObject *, 4> statics;
  /// Those among the leaves that were made of arrays.
  llvm::SmallVector<PyObject *, 2> madeOfArrays;
  /// What the key and the statics say, to compare other calls with.
  ArgumentPattern pattern;
};

/// Completes the key when all arguments are there: which leaves are the same tensor.
void finishKey(FlatArguments &flat);

/// Appends `object` to `flat`. Throws.
void flatten(PyObject *object, FlatArguments &flat);

/// Appends an argument that is compared and not looked into for leaves. Throws.
void flattenStatic(PyObject *object, FlatArguments &flat);

/// A copy of `object` with each leaf (tensor, and if `scalars` is set Python scalars and arrays)
/// replaced by what `replace` returns, in the order of `flatten`; other objects are kept. Throws.
PyRef mapLeaves(PyObject *object, bool scalars, llvm::function_ref<PyRef(PyObject *)> replace);

} // namespace weft
