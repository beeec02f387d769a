// The weft dialect: everything a user of it includes.
#pragma once

#include "dialects/Weft/IR/ComplexParts.h"
#include "dialects/Weft/IR/Contraction.h"
#include "dialects/Weft/IR/ElementBodies.h"
#include "dialects/Weft/IR/ElementEmitter.h"
#include "dialects/Weft/IR/LaunchNumbers.h"
#include "dialects/Weft/IR/Shape.h"
#include "dialects/Weft/IR/Traits.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Weft/IR/WeftAttributeInterfaces.h.inc"
#include "dialects/Weft/IR/WeftDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Weft/IR/WeftAttributes.h.inc"

#include "dialects/Weft/IR/WeftInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/WeftOps.h.inc"
