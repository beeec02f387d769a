// The order of what several processes compute together, in a function under construction.
//
// Each collective takes the token of the one before it. Operations that Python calls are chained as
// they come (weft.distributed); what gradients, tangents and batching build is chained here, as it
// stands in the function, behind or between the others.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include <optional>

namespace weft {

/// Chains the ops of a block in their order, and returns the last token, which is null if all were
/// taken out; nothing if there are none. Throws if one is in a region.
std::optional<mlir::Value> orderCollectives(mlir::Block &block);
/// Instead of a token of an op of the block the last one; if there is none any more, that from
/// before. Other values are themselves.
mlir::Value currentToken(mlir::Block &block, mlir::Value value, mlir::Value last);
/// Takes those out of the chain that are of one example each: others do them for all.
void replaceCollectivesOf(mlir::Block &block, llvm::ArrayRef<mlir::Value> examples);
bool hasCollectives(mlir::ModuleOp function);
/// Lets each collective of a finished function know all that its group runs there: their number and
/// a hash. Members compare it, as single operations may be alike where programs are not.
void markCollectives(mlir::Block &block);

} // namespace weft
