// Ops that several processes compute together: their classes, for the few who need them.
#pragma once

#include "dialects/Weft/IR/Weft.h"

#include "dialects/Weft/IR/CollectiveInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/CollectiveOps.h.inc"
