// The ops whose classes are in Weft.h.
include "dialects/Weft/IR/ControlFlowOps.td"
