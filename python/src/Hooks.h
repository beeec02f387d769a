// The Python functions that the core calls: one table.
#pragma once

#include "python/src/PyRef.h"

namespace weft {

/// Each is registered by weft/_hooks.py, under its name in lower case.
enum class Hook {
  /// The module of exception classes.
  Errors,
  /// What a trace reads: a class, weft._guards.Scanner.
  Scanner,
  /// How a type is a container: weft._pytree.describe.
  DescribeType,
  /// copy.copy.
  Copy,
  AsDType,
  AsArray,
  Matmul,
  GetItem,
  SetItem,
  ArgumentName,
  /// Whether an object is the same for all: weft._guards.is_fixed.
  IsFixed,
  /// Puts Python's numbers where a trace left tracers of them: weft._left_numbers.put_numbers.
  PutNumbers,
  /// What compiled functions print: weft._printing.record and show.
  RecordPrint,
  Print,
  Count,
};

/// Takes the dictionary of hooks. Throws if one is missing or unknown.
void registerHooks(PyObject *byName);

/// The object, borrowed; all are there once the package is imported. Throws before.
PyObject *hook(Hook which);

} // namespace weft
