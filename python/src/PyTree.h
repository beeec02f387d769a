// Nested containers: taking one level apart, and putting it together again.
#pragma once

#include "python/src/PyRef.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <vector>

namespace weft {

/// What objects of a type are for a walk.
enum class TreeKind : uint8_t {
  Tuple,
  List,
  Dict,
  /// Containers that are copied, and whose items are then set: subclasses, deque.
  CopiedSequence,
  CopiedDict,
  /// Dataclasses and the like: the values of some attributes.
  Fields,
  /// Registered: by functions that take apart and put together.
  Registered,
  /// No container.
  Leaf,
};

/// What is known of a type. Numbers are given once: no later type has the same.
struct TreeType {
  int64_t serial = 0;
  TreeKind kind = TreeKind::Leaf;
  /// An array that becomes a tensor when passed to a compiled function.
  bool isArray = false;
  /// For Fields their names, for Registered the two functions.
  PyRef fields;
  /// What the type was before it was registered anew.
  std::unique_ptr<TreeType> replaced;
};

/// Throws.
const TreeType &treeTypeOf(PyTypeObject *type);

/// Another number each time that what is known of a type stops to hold: it dies, or is registered.
uint64_t treeTypesVersion();

/// Makes the types of a registered class known: two functions of Python, as in optree. Throws.
void registerTreeType(PyObject *type, PyObject *flatten, PyObject *unflatten);

/// A container, taken apart.
class TreeNode {
public:
  /// Throws if `object` is nested too deep, `depth` containers, as one that holds itself is.
  TreeNode(PyObject *object, const TreeType &type, unsigned depth);

  /// A container like this one, of other items. Throws.
  PyRef rebuild(llvm::ArrayRef<PyRef> replaced) const;

  PyObject *object;
  const TreeType &type;
  llvm::SmallVector<PyRef, 8> items;
  /// What describes the container beside its items: keys, and what a registered class tells.
  llvm::SmallVector<PyRef, 8> description;

private:
  void takeApart();
  void takeFields();
  void takeRegistered();
};

/// What replaces an object that is a leaf; null to look into it, or to keep it if it is none.
using LeafMap = llvm::function_ref<PyRef(PyObject *object, const TreeType &type)>;

/// A copy of `object` with its leaves replaced. Throws.
PyRef mapTree(PyObject *object, LeafMap replace);

/// The object, its keys and items, and what is in these: the same ones as long as no container in
/// it changes. Throws.
std::vector<PyRef> outlineOf(PyObject *object);

} // namespace weft
