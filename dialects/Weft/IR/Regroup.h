// What a reshape is inside of a kernel: the class of RegroupOps.td. Included by those who know of
// it alone.
#pragma once

#include "dialects/Weft/IR/Weft.h"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/RegroupOps.h.inc"
