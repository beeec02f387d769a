// What the runtime's function is called with for what several processes compute together.
#pragma once

#include "dialects/Weft/IR/Collectives.h"

namespace weft {

/// The op of a kernel that processes compute together; null if it has none.
CollectiveOpInterface collectiveOf(KernelOp kernel);

/// "weft_collective_all_reduce"
std::string collectiveFunctionOf(CollectiveOpInterface op);

/// The numbers of a call up to the rank of what is read, behind which its sizes come.
llvm::SmallVector<int64_t> collectiveNumbersOf(CollectiveOpInterface op);

} // namespace weft
