// Nested containers of tensors: the arguments and results of compiled functions.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/PyRef.h"

#include <functional>
#include <vector>

namespace weft {

/// A number for each call, never used again.
uint64_t nextCallNumber();

/// The arguments of a call, taken apart.
struct FlatArguments {
  /// Structure, and the signature of each leaf.
  Key key;
  /// Tensors and Python scalars, borrowed from the arguments or from `converted`.
  llvm::SmallVector<PyObject *, 8> leaves;
  /// Modules, optimizers: what is guarded by path, not taken apart.
  llvm::SmallVector<PyObject *, 2> objects;
  /// What has to be equal: strings, None, static arguments.
  llvm::SmallVector<PyObject *, 4> statics;
  /// What `leaves` borrow and nothing else owns.
  std::vector<PyRef> converted;
  /// Those among the leaves that were made of arrays.
  llvm::SmallVector<PyObject *, 2> madeOfArrays;
  /// Tells this call from all others, for marks on handles.
  uint64_t call = nextCallNumber();
};

/// Appends `object` to `flat`. Throws DTypeError, naming `path`, for objects that are no argument.
void flatten(PyObject *object, FlatArguments &flat);

/// Appends an argument that is compared by value and not looked into.
void flattenStatic(PyObject *object, FlatArguments &flat);

/// A copy of `object` with each leaf (tensor, and if `scalars` is set Python scalars and arrays)
/// replaced by what `replace` returns; other objects are kept. Throws.
PyRef mapTree(PyObject *object, bool scalars, const std::function<PyRef(PyObject *)> &replace);

/// True for arrays that become tensors when passed to a compiled function.
bool isArrayLike(PyObject *object);

} // namespace weft
