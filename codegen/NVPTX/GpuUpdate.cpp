// The GPU template of updates: x copied, then some elements changed.
//
// First stage: the copy, which is not run where the result lies where x is. Second stage: a thread
// makes updates that no other thread's can meet. Where several may go to one place, the rows along
// the axis are dealt to 16 buckets, and a thread owns one bucket of one column: it walks over all
// indices and makes the updates of its rows. So each element gets its updates in the order of the
// indices, without atomics.
#include "codegen/Loops/UpdateWalk.h"
#include "codegen/NVPTX/GpuEmitter.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockThreads = 128;
constexpr int64_t mostBuckets = 16;

class GpuUpdate {
public:
  GpuUpdate(GpuEmitter &emitter, int64_t lanes) : emitter(emitter), updates(emitter, mostBuckets) {
    copyWalk.emplace(emitter, lanes, blockThreads * lanes);
    // Vectors only of what is in memory on both sides.
    bool isMoved = updates.keepsNeighbours() && updates.readsMemory();
    lanes = isMoved ? lanes : 1;
    updateWalk.emplace(emitter, lanes, blockThreads * lanes);
  }

  Value copyTasks() { return copyWalk->tasks(copySizes()); }

  void emitCopy(Value task) {
    copyWalk->emit(task, copySizes(), [&](ArrayRef<ElementIndex> point) {
      Value where = point[0].base;
      Type stored = updates.storedType();
      int64_t lanes = emitter.laneCount();
      unsigned alignment = emitter.alignmentOf(stored, where, lanes);
      auto at = [&](unsigned buffer) {
        return emitter.offset(emitter.buffer(buffer), stored, where);
      };
      Value element =
          emitter.loadVector(at(updates.xBuffer()), stored, lanes == 1 ? 0 : lanes, alignment);
      emitter.storeVector(element, at(emitter.outputBuffer(0)), alignment);
    });
  }

  Value updateTasks() { return updateWalk->tasks(updates.sizes()); }

  void emitUpdates(Value task) {
    updateWalk->emit(task, updates.sizes(), [&](ArrayRef<ElementIndex> point) {
      // The vector's own index comes back in the body.
      SmallVector<ElementIndex> uniform(point);
      if (!uniform.empty())
        uniform.back().step = 0;
      updates.emit(uniform, [&](ArrayRef<ElementIndex> indices) {
        SmallVector<ElementIndex> vector(indices);
        if (updates.endsInVectors())
          vector.back() = point.back();
        updates.emitUpdate(vector);
      });
    });
  }

private:
  SmallVector<Value> copySizes() { return {emitter.product(updates.resultSymbols())}; }

  GpuEmitter &emitter;
  UpdateWalk updates;
  std::optional<GpuWalk> copyWalk, updateWalk;
};

} // namespace

void emitGpuUpdate(GpuEmitter &emitter, int64_t lanes) {
  GpuUpdate update(emitter, lanes);
  emitter.addStage(
      {blockThreads}, [=]() mutable { return update.copyTasks(); },
      [&](Value task) { update.emitCopy(task); });
  emitter.addStage(
      {blockThreads}, [=]() mutable { return update.updateTasks(); },
      [&](Value task) { update.emitUpdates(task); });
}

} // namespace weft
