#include "lib/Support/Interpreter.h"

#include <chrono>

namespace weft {

static Interpreter interpreter;

void setInterpreter(const Interpreter &given) { interpreter = given; }

InterpreterReleased::InterpreterReleased() : state(interpreter.release()) {}

InterpreterReleased::~InterpreterReleased() {
  if (state)
    interpreter.acquire(state);
}

void throwIfInterrupted() {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds pause(50);
  static thread_local Clock::time_point next{};
  Clock::time_point now = Clock::now();
  if (now < next)
    return;
  next = now + pause;
  if (interpreter.interrupts())
    throw Interrupted();
}

} // namespace weft
