// What the libraries ask of the interpreter that they run under.
#pragma once

namespace weft {

/// An interpreter whose threads hold a lock while they run, as Python's do. The functions do not
/// throw and may be called on any thread.
struct Interpreter {
  /// Gives the lock up and returns what `acquire` wants; null if this thread does not hold it.
  void *(*release)() = [] { return static_cast<void *>(nullptr); };
  void (*acquire)(void *) = [](void *) {};
  /// Runs what waits for this thread (handlers of signals), for which it takes the lock if the
  /// thread does not hold it. True if the work in progress is to end; the interpreter knows why.
  bool (*interrupts)() = [] { return false; };
};

/// Called once, before there is other work. Without it nothing is locked, and nothing interrupts.
void setInterpreter(const Interpreter &interpreter);

/// While it lives, this thread does not hold the interpreter's lock, and touches none of its
/// objects.
class InterpreterReleased {
public:
  InterpreterReleased();
  ~InterpreterReleased();
  InterpreterReleased(const InterpreterReleased &) = delete;
  InterpreterReleased &operator=(const InterpreterReleased &) = delete;

private:
  void *state;
};

/// The user ended the work in progress; the interpreter has the reason.
struct Interrupted {};

/// Called between two pieces of long work, in a state that may be left: throws Interrupted if the
/// work is to end. Asks the interpreter a few times a second, however often it is called.
void throwIfInterrupted();

} // namespace weft
