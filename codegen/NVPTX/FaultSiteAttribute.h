// What a stage notes of indices that do not exist, as an attribute of its function.
#pragma once

#include "lib/Support/FaultSite.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace weft {

inline constexpr llvm::StringLiteral faultSitesName = "weft.fault_sites";

mlir::ArrayAttr faultSitesAttribute(mlir::MLIRContext *context, llvm::ArrayRef<FaultSite> sites);
/// The sites of an attribute; none if it is null.
std::vector<FaultSite> faultSitesOf(mlir::ArrayAttr attribute);

} // namespace weft
