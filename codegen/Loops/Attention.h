// Kernels that compute attention without the scores of all keys.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

class CpuTarget;

/// Emits the one stage of a kernel that the schedule `weft.attention` is for.
void emitAttention(KernelEmitter &emitter);

/// How such a kernel runs on a processor. `launch` may be null: nothing is known of the sizes then.
AttentionScheduleAttr chooseAttentionSchedule(KernelOp kernel, LaunchOp launch,
                                              const CpuTarget &target, int64_t lanes);

/// Checks what the kernel's schedule says, with a diagnostic.
llvm::LogicalResult verifyAttentionSchedule(KernelOp kernel, AttentionScheduleAttr schedule);

} // namespace weft
