// Kernels of weft.program: what a user's program over blocks computes. It has parts of its own
// (weft.program_load, weft.program_store, weft.program_id, weft.program_count, weft.program_size,
// weft.program_end), loops (weft.while) and branches (weft.case).
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/ProgramBlocks.h"
#include "codegen/NVPTX/GpuProgram.h"
#include "codegen/NVPTX/GpuTarget.h"
#include "codegen/Templates/KernelTemplate.h"
#include "mlir/IR/Matchers.h"
#include "passes/fusion/FusionGroup.h"

using namespace mlir;

namespace weft {
namespace {

/// Blocks are on the stack of a thread.
constexpr int64_t mostStackBytes = int64_t(2) << 20;
/// What a thread block may ask for, of devices of compute capability 8.0 and 9.0.
constexpr int64_t mostSharedBytes80 = int64_t(163) << 10, mostSharedBytes90 = int64_t(227) << 10;

/// Whether two tensors with two dimensions are multiplied.
bool isProductOfMatrices(ContractionOpInterface op) {
  Contraction loops = op.getContraction();
  auto isPlain = [](auto &access) {
    return access.size() == 2 && llvm::all_of(access, [](auto &terms) {
             return terms.size() == 1 && terms.front().factor == 1;
           });
  };
  using Loops = Contraction;
  return loops.loops.size() == 3 && loops.loops[0].kind == Loops::Row &&
         loops.loops[1].kind == Loops::Column && loops.loops[2].kind == Loops::Depth &&
         llvm::all_of(loops.accesses, isPlain) &&
         loops.loops[loops.accesses[Loops::Result].front().front().loop].kind == Loops::Row;
}

LogicalResult verifyPart(Operation *op) {
  if (isa<ElementwiseOpInterface, IndexedOpInterface, ReductionOpInterface, ScanOpInterface,
          ReshapeOp, WhileOp, CaseOp, YieldOp, ProgramLoadOp, ProgramStoreOp, ProgramIdOp,
          ProgramCountOp, ProgramSizeOp, ProgramEndOp, ProgramOp>(op))
    return success();
  if (Attribute value; matchPattern(op, m_Constant(&value))) {
    if (isa<SplatElementsAttr>(value))
      return success();
    return op->emitOpError() << "is in a kernel's program, where a constant is one number";
  }
  if (auto product = dyn_cast<ContractionOpInterface>(op)) {
    if (isProductOfMatrices(product))
      return success();
    return op->emitOpError() << "is in a kernel's program, which multiplies matrices alone";
  }
  return op->emitOpError() << "is in a kernel's program, which has elementwise ops, data movement, "
                              "reductions, cumulative sums and products, products of matrices, "
                              "loops and branches";
}

class Program : public KernelTemplate {
public:
  StringRef name() const override { return "program"; }
  StringRef reason() const override { return "a user's program computes it, from memory"; }

  bool claims(Operation *op) const override { return isa<ProgramOp>(op); }
  bool readsMemory(OpOperand &) const override { return true; }
  bool canYield(ArrayRef<int64_t>, const FusionGroup &) const override { return false; }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    // 16 lanes of float32 are so many registers; some are left for the operands.
    int64_t width = std::max<int64_t>(1, cpuLanes * 4 / target.registerBytes);
    bool hasMany = target.vectorRegisters >= 32 && width == 1;
    return ProgramScheduleAttr::get(kernel.getContext(), cpuLanes,
                                    hasMany ? 6 : std::max<int64_t>(1, 12 / (2 * width) * 2),
                                    hasMany ? 4 : 1);
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    // The tile of a thread, whose vectors are scalars.
    return ProgramScheduleAttr::get(kernel.getContext(), 1, 4, 4);
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    auto schedule = dyn_cast<ProgramScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, "a processor");
    if (failed(verifyTile(kernel, schedule)) ||
        failed(verifyLanes(kernel, schedule.getLanes(), target)) || failed(verifySingle(kernel)))
      return failure();
    ProgramOp program = programOf(kernel);
    return verifyProgram(program, stackBytesOf(program, schedule.getLanes()), mostStackBytes,
                         "memory");
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    auto schedule = dyn_cast<ProgramScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule || schedule.getLanes() != 1)
      return refuseSchedule(kernel, "a GPU");
    if (failed(verifyTile(kernel, schedule)) || failed(verifySingle(kernel)))
      return failure();
    ProgramOp program = programOf(kernel);
    return verifyProgram(program, sharedBytesOf(program),
                         target.hasWarpgroups() ? mostSharedBytes90 : mostSharedBytes80,
                         "shared memory");
  }

  void emit(KernelEmitter &emitter) const override { emitProgram(emitter); }
  void emit(GpuEmitter &emitter) const override { emitGpuProgram(emitter); }

private:
  static LogicalResult verifyTile(KernelOp kernel, ProgramScheduleAttr schedule) {
    if (schedule.getRows() >= 1 && schedule.getColumns() >= 1 &&
        schedule.getRows() * schedule.getColumns() <= 64)
      return success();
    return kernel.emitOpError() << "has a schedule of tiles of " << schedule.getRows()
                                << " rows and " << schedule.getColumns()
                                << " vectors; there may be 1 to 64 vectors";
  }

  static LogicalResult verifyProgram(ProgramOp program, int64_t bytes, int64_t mostBytes,
                                     StringRef memory) {
    WalkResult walk = program.getBody().walk([](Operation *op) {
      return failed(verifyPart(op)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return failure();
    if (bytes <= mostBytes)
      return success();
    return program.emitOpError() << program.getName() << " keeps " << bytes
                                 << " bytes of blocks in " << memory << ", and has at most "
                                 << mostBytes << "; take smaller blocks, or fewer at a time";
  }
};

} // namespace

const KernelTemplate &programTemplate() {
  static const Program instance;
  return instance;
}

} // namespace weft
