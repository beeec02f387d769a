// All ops of the dialect.
include "dialects/Weft/IR/KernelOps.td"
