// Questions that come again and again with the same answers: the iterations of a Python loop.
#pragma once

#include "python/src/state/Pieces.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace weft {

/// Cuts of a path that repeat: cut `first + n` to `end` have the piece, the question and the answer
/// of the cut `period` before, but for values, which are `shift` numbers further on.
struct Cycle {
  size_t first = 0;
  size_t period = 0;
  size_t end = 0;
  unsigned shift = 0;

  /// What a piece of the cycle reads, as the first one of its place in the period has it.
  struct Input {
    PieceInput input;
    /// The number of a value grows with the period.
    bool moves;
  };
  struct Step {
    std::vector<Input> inputs;
    Input wanted;
    /// The output that is written over an input which is given up, by the output's number; -1 where
    /// there is none.
    std::vector<int> donors;
  };
  std::vector<Step> steps;
};

/// The cycles of a path, in order, whose pieces allocate nothing but their outputs: they keep no
/// prepared values, and each output has memory of its own. Takes time linear in the path.
std::vector<Cycle> findCycles(llvm::ArrayRef<TakenCut> cuts);

/// The cycle that has cut `place`; null if none has.
const Cycle *cycleAt(llvm::ArrayRef<Cycle> cycles, size_t place);

/// Runs the pieces of a cycle from cut `place` on, to the first one whose answer is another one, or
/// to the last one, and returns the cut's number. Memory of values that are given up is used again.
/// Gives the interpreter's lock up meanwhile. Throws.
size_t runCycle(const Cycle &cycle, llvm::ArrayRef<TakenCut> cuts, size_t place,
                PieceValues &values);

} // namespace weft
