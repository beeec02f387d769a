// What every tool does about its standard streams.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace weft {

/// Keeps the numbers of streams that the caller closed from files that are opened later: using them
/// is an error, as if they were closed. To be called first.
void holdStandardStreams();

/// Writes what is left of the standard output, and returns the exit status: `status`, or 1, after a
/// message of `tool`, if not all could be written.
int finishStandardOutput(llvm::StringRef tool, int status);

} // namespace weft
