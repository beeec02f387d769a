// What a thread does while it compiles.
#pragma once

#include "lib/Runtime/ForkGate.h"
#include "lib/Support/Interpreter.h"

namespace weft {

/// Around work with MLIR and LLVM that may take long: the thread gives the interpreter's lock up,
/// and no fork falls into the work.
class Compiling {
public:
  /// Between two pieces of the work: throws Interrupted if the user wants it to end.
  static void checkpoint() {
    ForkGate::Outside outside;
    throwIfInterrupted();
  }

private:
  /// Taken back last, when the gate is left.
  InterpreterReleased released;
  ForkGate::Inside inside;
};

} // namespace weft
