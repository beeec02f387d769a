// From a program with symbolic sizes to one for given sizes.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <string>

namespace weft {

/// The sizes that the symbols of a program have in a call.
using SizeBindings = std::map<std::string, int64_t, std::less<>>;

/// A copy of `module` (of weft ops, before fusion; sizes as handles) in which each symbolic size is
/// the number that it has for `bindings`: what tracing the program for these sizes would have
/// given. Throws weft::Error (Value) when a symbol has no value, when a size overflows or is
/// negative, and when an op is not defined for the sizes, naming the op and the user's line.
mlir::OwningOpRef<mlir::ModuleOp> instantiate(mlir::ModuleOp module, const SizeBindings &bindings);

} // namespace weft
