// Programs over blocks: the classes of ProgramOps.td. Included by those who know of them alone.
#pragma once

#include "dialects/Weft/IR/Weft.h"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/ProgramOps.h.inc"
