// What explain() says of functions that ask for values.
#pragma once

#include "python/src/state/Specialization.h"

namespace weft {

/// A pair: a list of all paths that a trace has its arguments in common with, each how often it ran
/// and its cuts (the line, what asked, the answer as text); and the rows of the trace's kernels.
/// Throws.
PyRef pathReport(const std::shared_ptr<Specialization> &path);

} // namespace weft
