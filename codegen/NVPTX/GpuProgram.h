// Programs of users (weft.program) on a GPU.
#pragma once

#include "codegen/Loops/ProgramBlocks.h"
#include "codegen/NVPTX/GpuEmitter.h"

namespace weft {

/// How many bytes of shared memory a program takes.
int64_t sharedBytesOf(ProgramOp program);

/// Emits the stages of a kernel that is a program. A program is a thread block.
void emitGpuProgram(GpuEmitter &emitter);

} // namespace weft
