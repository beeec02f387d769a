// Python's threads: the lock of the interpreter, its signals and its end.
#pragma once

namespace weft {

/// Lets the libraries give the interpreter's lock up, and ask for what interrupts them. Called when
/// the module is made.
void registerThreads();

/// Calls `body` with the interpreter's lock, from any thread. Once the interpreter ends, other
/// threads than the one that ends it can't have the lock any more: then nothing is called.
void withInterpreter(void (*body)(void *), void *argument);

} // namespace weft
