// The arguments and results of compiled functions: trees of tensors, numbers and arrays.
#pragma once

#include "lib/Trace/OpCall.h"
#include "python/src/ArgumentPattern.h"
#include "python/src/PyTree.h"

#include <vector>

namespace weft {

/// A number for each call, never used again.
uint64_t nextCallNumber();

/// The arguments of a call, taken apart. It owns all that it refers to: the caller's containers may
/// change while the function is traced or compiled.
struct FlatArguments {
  FlatArguments() = default;
  ~FlatArguments();
  FlatArguments(const FlatArguments &) = delete;
  FlatArguments &operator=(const FlatArguments &) = delete;

  /// Structure, and the signature of each leaf.
  Key key;
  /// Tensors and Python scalars.
  llvm::SmallVector<PyObject *, 8> leaves;
  /// What is compared part by part: modules, functions, any other object, static arguments.
  llvm::SmallVector<PyObject *, 4> objects;
  /// What has to be equal: strings, None, keys.
  llvm::SmallVector<PyObject *, 4> statics;
  /// Those among the leaves that were made of arrays.
  llvm::SmallVector<PyObject *, 2> madeOfArrays;
  /// Tells this call from all others, for marks on handles.
  uint64_t call = nextCallNumber();
  /// What the key and the statics say, to compare other calls with.
  ArgumentPattern pattern;

  /// Drops all that it has, for another way to take the arguments apart.
  void clear();
};

/// The first word of a leaf in keys: all but its sizes, strides and device.
int64_t tensorSignature(TensorObject *tensor, bool unusualStrides, bool isOfArray);
int64_t numberSignature(PyObject *number);

/// A number that becomes an input of a trace. An integer beyond int64 fits into none: it is a
/// constant.
bool isNumberArgument(PyObject *object);

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
