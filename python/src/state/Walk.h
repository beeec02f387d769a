// A call's way through the pieces of a function that asks for values.
#pragma once

#include "python/src/state/Call.h"

namespace weft {

enum class Walked : uint8_t {
  /// All pieces but the last of the call's trace have run.
  Arrived,
  /// A question had an answer that leads to no trace.
  NewAnswer,
  /// The trace that the call comes to changes state.
  ChangesState,
};

/// Runs the pieces of the call's trace, and changes over to another one where a question is
/// answered otherwise. `cut` is the last question. The caller holds the lock of calls that change
/// state if `isLocked`. Throws.
Walked walk(Call &call, bool isLocked, PieceValues &values, std::shared_ptr<Cut> &cut);

/// Makes the trace known at all cuts that it passes.
void enterBranches(const std::shared_ptr<Specialization> &path);

/// Why a function is no longer compiled for new answers to the question; empty if it is.
std::string whyUncompiled(const JitState &state, const Specialization &path, const Cut &cut);

} // namespace weft
