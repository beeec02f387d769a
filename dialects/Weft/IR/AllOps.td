// All op records, for what is generated for front ends and tests.
include "dialects/Weft/IR/CollectiveOps.td"
include "dialects/Weft/IR/QuantizedOps.td"
include "dialects/Weft/IR/WeftOps.td"
