// Checks that what a traced function read from outside is still the same.
#pragma once

#include "python/src/PyRef.h"
#include "python/src/TensorObject.h"

#include <span>
#include <string>
#include <vector>

namespace weft {

/// How a guarded value is reached from its parent.
/// An anchor is its own key: it can't change as long as the guards before it hold.
enum class Access : uint8_t { Root, Argument, Cell, Key, Index, Attribute, Anchor };

/// What must hold of it.
enum class Check : uint8_t {
  /// The same object.
  Identity,
  /// A number, string, ... of the same type and value.
  Equality,
  /// A tensor; any tensor is accepted here, its type is checked where it is read.
  Tensor,
  /// The same tensor as at another path.
  SameTensor,
  /// A container of the same type and length, or an object of the same type.
  Structure,
  /// There is nothing at this key.
  Absent,
};

struct Guard {
  int32_t parent;
  Access access;
  Check check;
  /// Below an object that reports its changes by the global epoch.
  bool governed;
  /// Position of an item or argument.
  Py_ssize_t index;
  /// For SameTensor the number of the other guard.
  Py_ssize_t other;
  /// Key or attribute name.
  PyRef key;
  /// As it was when traced, and later when last checked.
  PyRef value;
  /// For Structure.
  Py_ssize_t length;
  /// In words: "global variable `scale`".
  std::string path;
};

/// Bumped whenever a module or optimizer changes.
extern uint64_t guardEpoch;

class GuardSet {
public:
  /// Scans what `function` and the argument objects reach. Throws.
  void build(PyObject *function, std::span<PyObject *const> argumentObjects);

  /// True if all guards hold; else `reason` says which does not.
  bool check(PyObject *function, std::span<PyObject *const> argumentObjects, std::string &reason);

  /// The number of the guard that reaches the tensor; -1 if none does.
  int find(TensorObject *tensor) const;

  TensorObject *tensor(int number) const { return asTensor(guards[number].value.get()); }

  /// The guard's path in words.
  const std::string &path(int number) const { return guards[number].path; }

  size_t size() const { return guards.size(); }

  /// Visits all objects that the guards refer to, for the garbage collector.
  int traverse(visitproc visit, void *arg) const;

private:
  bool checkAll(PyObject *function, std::span<PyObject *const> argumentObjects, bool governedToo,
                std::string &reason);
  PyRef reach(const Guard &guard, PyObject *function,
              std::span<PyObject *const> argumentObjects) const;

  std::vector<Guard> guards;
  uint64_t epoch = 0;
  /// Set by checkAll: a container or object was replaced by another.
  bool replaced = false;
};

} // namespace weft
