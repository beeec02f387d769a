// Bodies of loops and branches that run at once, as the tape knows them.
#pragma once

#include "lib/Trace/Tape.h"

namespace weft {

/// The body of a branch, of a loop, or of one of its iterations, from now on, for this thread.
/// What it reads of values from outside gets a node of its own, so that their gradients are added
/// up inside and come out as one: in the same order, to the bit, as those of a compiled body, which
/// is an op with these values as operands. Regions lie in each other.
void openTapeRegion();
/// Ends the innermost one.
void closeTapeRegion();

/// What to record of a value that is read now: in a body of its own, a node of it.
TapeInput recordedInput(Array array, Origin origin);

} // namespace weft
