// Kernels that read a tensor in another order than they write.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// The dimension of the result along which an operand lies in memory that the kernel walks across:
/// for `result[i, j] = f(x[j, i])` it is i. Nothing if there is none. What an operand's indices are
/// is taken from its sizes, so that an op in between may still make others of them.
std::optional<unsigned> turnedDimension(KernelOp kernel);

} // namespace weft
