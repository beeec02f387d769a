// Running what a call found.
#pragma once

#include "python/src/state/Call.h"

namespace weft {

/// Runs the specialization, gives the handles their new values, and builds the result. If it throws
/// all handles are as they were.
PyRef execute(const Call &call, PieceValues *pieces = nullptr);

} // namespace weft
