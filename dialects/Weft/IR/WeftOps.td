// All ops of the dialect.
include "dialects/Weft/IR/ControlFlowOps.td"
