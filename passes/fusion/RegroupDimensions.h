// Lets kernels look through reshapes that join or split dimensions.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// Makes ops that can be in kernels (weft.regroup) of reshapes that only separate what gains by
/// being in one: an image that is enlarged and what reads it beside another, and what is framed
/// and its frame.
void regroupDimensions(mlir::Block &block);

} // namespace weft
