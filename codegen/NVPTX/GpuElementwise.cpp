// The GPU template of kernels whose elements are computed one by one: arithmetic and data movement.
//
// All threads walk over the elements of the results in row-major order, `lanes` neighbours each.
#include "codegen/NVPTX/GpuEmitter.h"

using namespace mlir;

namespace weft {

static constexpr int64_t blockThreads = 256;

void emitGpuElementwise(GpuEmitter &emitter, int64_t lanes, int64_t grain) {
  GpuWalk walk(emitter, lanes, grain);
  ArrayRef<int64_t> symbols = symbolsOf(emitter.getKernel().getResultTypes()[0]);
  emitter.addStage(
      {blockThreads},
      [&emitter, walk, symbols]() mutable { return walk.tasks(emitter.sizesOf(symbols)); },
      [&](Value task) {
        walk.emit(task, emitter.sizesOf(symbols),
                  [&](ArrayRef<ElementIndex> indices) { emitter.storeResults(indices); });
      });
}

} // namespace weft
