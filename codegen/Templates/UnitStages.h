// Stages of units of work that do not depend on each other, on processors and on GPUs.
#pragma once

#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"

namespace weft {

using UnitBody = llvm::function_ref<void(mlir::Value unit)>;

/// Adds a stage of `units` units, which is called where the sizes are known. A task is one unit; on
/// a GPU a block of threads, each of which does one.
inline void addUnitStage(KernelEmitter &emitter, std::function<mlir::Value()> units,
                         UnitBody body) {
  emitter.addStage(std::move(units), [&](mlir::Value begin, mlir::Value end) {
    emitter.loop(begin, end, 1, [&](mlir::Value unit) {
      emitter.clearOverrides();
      body(unit);
    });
  });
}

inline void addUnitStage(GpuEmitter &emitter, std::function<mlir::Value()> units, UnitBody body) {
  constexpr int64_t blockThreads = 128;
  emitter.addStage(
      {blockThreads}, [&emitter, units] { return emitter.ceilDivideIndex(units(), blockThreads); },
      [&](mlir::Value task) {
        mlir::Value first = emitter.multiplyIndex(task, emitter.index(blockThreads));
        mlir::Value unit = emitter.addIndex(first, emitter.thread());
        emitter.ifTrue(emitter.isLess(unit, units()), [&] {
          emitter.clearOverrides();
          body(unit);
        });
      });
}

} // namespace weft
