// The generated code of the ops that several processes compute together.
#include "dialects/Weft/IR/Assembly.h"
#include "dialects/Weft/Rules/CollectiveInference.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace weft;

#include "dialects/Weft/IR/CollectiveInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/CollectiveOps.cpp.inc"
