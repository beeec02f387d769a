// Reading what Python objects consist of, without running code of the user's.
#pragma once

#include "python/src/PyRef.h"

#include "llvm/ADT/SmallVector.h"

#include <array>
#include <cstdint>
#include <optional>

namespace weft {

/// How a part of an object is read. None of them runs the user's code.
enum class Reading : uint8_t {
  /// The function and the argument objects.
  Roots,
  /// Of a list or tuple.
  Items,
  /// All keys and values of a dict, in their order.
  Entries,
  /// Some keys of a dict, which may be absent.
  Lookups,
  /// An object's __dict__; keys that no code mentions are left out.
  Attributes,
  /// The same of a class.
  ClassAttributes,
  /// Slots, and the struct members of types in C: the key is the descriptor.
  Members,
  /// By iterating: the key is the type whose iterator it is.
  Elements,
  /// A function's code, globals, closure, defaults and keyword defaults.
  Function,
  /// A class's __mro__.
  Lineage,
  Cell,
  /// The value of a context variable.
  Context,
  /// The bytes of an object that shows its memory.
  Content,
  /// What can't change as long as the object is the same.
  Fixed,
  /// The object's class.
  Class,
};

/// What `Reading::Function` reads of a function, borrowed.
std::array<PyObject *, 5> functionFields(PyObject *function);

/// The dict of an object's attributes, or null.
PyRef instanceDict(PyObject *object);
PyRef classDict(PyTypeObject *type);

/// True for the readings of a dict.
inline bool hasDict(Reading reading) {
  return reading == Reading::Entries || reading == Reading::Lookups ||
         reading == Reading::Attributes || reading == Reading::ClassAttributes;
}

/// Where the object keeps the dict that is read, or null if that is the object itself or not known.
PyObject **placeOfDict(Reading reading, PyObject *object);

/// A number that changes with each change of the dict; 0 where Python has none.
uint64_t dictVersion(PyObject *dict);

/// What a descriptor of a slot or struct member finds in the object; null if there is nothing.
PyRef readMember(PyObject *descriptor, PyObject *object);

/// What the iterator of `type` gives; false if it fails.
bool readElements(PyObject *object, PyObject *type, llvm::SmallVectorImpl<PyRef> &values);

/// The fields of functions, classes, cells, and so on; the items of sequences.
void readFields(Reading reading, PyObject *object, llvm::SmallVectorImpl<PyRef> &values);

/// A hash of the memory that an object shows, with its shape and format; nothing if it shows none.
std::optional<std::array<uint64_t, 2>> fingerprint(PyObject *object);

} // namespace weft
