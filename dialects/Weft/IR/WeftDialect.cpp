// Registration of the dialect, and the generated code of its ops, attributes and interfaces.
#include "dialects/Weft/IR/Assembly.h"
#include "dialects/Weft/IR/Collectives.h"
#include "dialects/Weft/IR/Program.h"
#include "dialects/Weft/IR/Quantized.h"
#include "dialects/Weft/IR/Regroup.h"
#include "dialects/Weft/IR/Require.h"
#include "dialects/Weft/Rules/Inference.h"
#include "dialects/Weft/Rules/QuantizedInference.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace weft;

#include "dialects/Weft/IR/WeftAttributeInterfaces.cpp.inc"
#include "dialects/Weft/IR/WeftDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Weft/IR/WeftAttributes.cpp.inc"

#include "dialects/Weft/IR/WeftInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/WeftOps.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/QuantizedOps.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/ProgramOps.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/RequireOps.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/RegroupOps.cpp.inc"

void WeftDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Weft/IR/WeftAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Weft/IR/WeftOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Weft/IR/CollectiveOps.cpp.inc"
      ,
#define GET_OP_LIST
#include "dialects/Weft/IR/QuantizedOps.cpp.inc"
      ,
#define GET_OP_LIST
#include "dialects/Weft/IR/ProgramOps.cpp.inc"
      ,
#define GET_OP_LIST
#include "dialects/Weft/IR/RequireOps.cpp.inc"
      ,
#define GET_OP_LIST
#include "dialects/Weft/IR/RegroupOps.cpp.inc"
      >();
}

Operation *WeftDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                            Location location) {
  if (auto size = dyn_cast<SymbolicSizeAttr>(value))
    return SizeOp::create(builder, location, type, size);
  auto elements = dyn_cast<ElementsAttr>(value);
  return elements ? ConstantOp::create(builder, location, type, elements).getOperation() : nullptr;
}
