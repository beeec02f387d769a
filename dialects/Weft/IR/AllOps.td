// All op records, for what is generated for front ends and tests. Each of the two has C++ classes
// of its own.
include "dialects/Weft/IR/CollectiveOps.td"
include "dialects/Weft/IR/WeftOps.td"
