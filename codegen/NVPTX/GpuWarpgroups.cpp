// Contractions of float16 and bfloat16 by warpgroups (sm_90a), summed in float32.
//
// A block has three warpgroups and goes from task to task. One thread of the first asks for the
// operands: tiles of 64 steps of the depth, which the hardware copies by tensor maps (TMA) into a
// ring of four stages. The other two multiply 64 rows of the tile each (wgmma), straight from
// shared memory. Two barriers for each stage say that it is full, by the bytes that arrived, and
// that it is empty, by one arrival of each multiplying warp. A wait names the parity of the phase
// that it waits for, which follows from how many steps the block has done.
//
// In shared memory an operand is rows of 128 bytes, of which eight are permuted together. Where its
// neighbours in memory are steps of the depth, a row is one row or column of the tile; otherwise it
// is 64 rows or columns at one step, and as many such squares lie one after the other as the tile
// needs.
//
// The sums of a warpgroup leave its registers by 64 columns at a time. While results are computed,
// the next task's operands arrive.
#include "codegen/NVPTX/GpuContraction.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t stages = 4, groupThreads = 128, groupRows = 64, multiplyingGroups = 2;
constexpr int64_t elementBytes = 2, rowBytes = 128, squareSide = rowBytes / elementBytes;
constexpr int64_t squareBytes = squareSide * rowBytes, mmaDepth = 16, barrierBytes = 8;
/// Columns of sums that are in shared memory at a time.
constexpr int64_t storedColumns = 64;
/// Of 65536 registers in all; the threads begin with 168.
constexpr int64_t copyingRegisters = 40, multiplyingRegisters = 232;

class GpuWarpgroups : public GpuContraction {
public:
  GpuWarpgroups(GpuEmitter &emitter, TileShape tile) : GpuContraction(emitter, tile) {
    sumColumns = storedColumns;
    sumPlace = stages * stageBytes();
  }

  void addStage() override {
    auto self = std::static_pointer_cast<GpuWarpgroups>(shared_from_this());
    GpuEmitter::StageShape shape{groupThreads * (1 + multiplyingGroups),
                                 barrierPlace() + 2 * stages * barrierBytes,
                                 {mapOf(Contraction::Lhs), mapOf(Contraction::Rhs)}};
    gpu.addBlockStage(
        std::move(shape), [self] { return self->tasks(); },
        [&](GpuEmitter::TaskRange range) { emitBlock(range); });
  }

private:
  int64_t outerSize(Contraction::Operand operand) const {
    return operand == Contraction::Lhs ? tile.rows : tile.columns;
  }
  int64_t tileBytes(Contraction::Operand operand) const {
    return outerSize(operand) * tile.depth * elementBytes;
  }
  int64_t stageBytes() const { return tileBytes(Contraction::Lhs) + tileBytes(Contraction::Rhs); }
  int64_t barrierPlace() const { return sumPlace + sumBytes(tile.rows); }

  //===--------------------------------------------------------------------===//
  // Tensor maps
  //===--------------------------------------------------------------------===//

  /// None for sizes that tensor maps can't describe: they know strides of 16 bytes, coordinates of
  /// 31 bits, and no empty tensors.
  Value tasks() override {
    Value count = GpuContraction::tasks();
    constexpr int64_t alignedElements = 8, largest = std::numeric_limits<int32_t>::max();
    Value result = gpu.isLess(gpu.index(0), sizeOf(depth));
    for (const auto *loops : {&batch, &rows, &columns, &depth})
      for (const ContractionLoop &loop : *loops) {
        result = gpu.both(result, gpu.isLess(sizeOf(loop), gpu.index(largest)));
        for (auto operand : {Contraction::Lhs, Contraction::Rhs}) {
          const SymbolicStride &stride = loop.strides[operand];
          if (stride.factor == 0 || stride.isOne())
            continue;
          Value rest = gpu.remainderIndex(strideOf(loop, operand), gpu.index(alignedElements));
          result = gpu.both(result, gpu.isEqual(rest, gpu.index(0)));
        }
      }
    return gpu.choose(result, count, gpu.index(0));
  }

  /// The loops of a tensor map's dimensions, the innermost first. Batches along which the operand
  /// does not move have none.
  SmallVector<const ContractionLoop *> mappedLoops(Contraction::Operand operand) const {
    const ContractionLoop *inner = &depth.front(), *outer = &outerLoops(operand).front();
    if (!liesAlongDepth(operand))
      std::swap(inner, outer);
    SmallVector<const ContractionLoop *> loops = {inner, outer};
    for (const ContractionLoop &loop : llvm::reverse(batch))
      if (loop.strides[operand].factor != 0)
        loops.push_back(&loop);
    return loops;
  }

  TensorMapShape mapOf(Contraction::Operand operand) {
    TensorMapShape map;
    map.buffer = cast<BlockArgument>(op->getOperand(operand)).getArgNumber();
    map.element = operandType(operand).isF16() ? DType::Float16 : DType::BFloat16;
    map.swizzleBytes = rowBytes;
    for (const ContractionLoop *loop : mappedLoops(operand)) {
      const SymbolicStride &stride = loop->strides[operand];
      uint32_t box = loop->kind == Contraction::Batch ? 1 : squareSide;
      if (loop->kind != Contraction::Batch && loop->kind != Contraction::Depth &&
          liesAlongDepth(operand))
        box = outerSize(operand);
      map.dimensions.push_back(
          {{1, {loop->symbols.begin(), loop->symbols.end()}},
           {stride.factor * elementBytes, {stride.symbols.begin(), stride.symbols.end()}},
           box});
    }
    return map;
  }

  //===--------------------------------------------------------------------===//
  // Barriers
  //===--------------------------------------------------------------------===//

  Value word(int64_t value) {
    return arith::ConstantIntOp::create(gpu.builder(), gpu.location(), value, 32);
  }
  Value toWord(Value index) {
    return arith::IndexCastOp::create(gpu.builder(), gpu.location(), gpu.builder().getI32Type(),
                                      index);
  }
  Value stageOf(Value step) { return gpu.remainderIndex(step, gpu.index(stages)); }
  Value parityOf(Value step) {
    return gpu.remainderIndex(gpu.divideIndex(step, gpu.index(stages)), gpu.index(2));
  }

  enum Barrier { Full, Empty };
  Value barrierAddress(Barrier barrier, Value stage) {
    return gpu.offset(gpu.sharedMemory(barrierPlace() + barrier * stages * barrierBytes),
                      gpu.builder().getI64Type(), stage);
  }

  void initializeBarriers() {
    constexpr int64_t multiplyingWarps = multiplyingGroups * 4;
    gpu.ifTrue(gpu.isEqual(gpu.thread(), gpu.index(0)), [&] {
      for (int64_t stage = 0; stage < stages; ++stage)
        for (auto [barrier, arrivals] : {std::pair(Full, int64_t(1)), {Empty, multiplyingWarps}})
          NVVM::MBarrierInitOp::create(gpu.builder(), gpu.location(),
                                       barrierAddress(barrier, gpu.index(stage)), word(arrivals),
                                       /*predicate=*/Value());
      NVVM::FenceMbarrierInitOp::create(gpu.builder(), gpu.location());
    });
    gpu.barrier();
  }

  void wait(Barrier barrier, Value stage, Value parity) {
    OpBuilder &builder = gpu.builder();
    Value address = barrierAddress(barrier, stage), phase = toWord(parity);
    auto loop = scf::WhileOp::create(builder, gpu.location(), TypeRange(), ValueRange());
    OpBuilder::InsertionGuard guard(builder);
    builder.createBlock(&loop.getBefore());
    Value done = NVVM::MBarrierTryWaitOp::create(builder, gpu.location(), builder.getI1Type(),
                                                 address, phase, /*ticks=*/Value());
    scf::ConditionOp::create(builder, gpu.location(), gpu.negate(done), ValueRange());
    builder.createBlock(&loop.getAfter());
    scf::YieldOp::create(builder, gpu.location());
  }

  /// Gives a stage back: one thread of each warp says so.
  void arriveAtEmpty(Value stage, Value condition) {
    gpu.ifTrue(condition, [&] {
      NVVM::MBarrierArriveOp::create(gpu.builder(), gpu.location(), TypeRange(),
                                     barrierAddress(Empty, stage), /*count=*/Value());
    });
  }

  //===--------------------------------------------------------------------===//
  // Copies
  //===--------------------------------------------------------------------===//

  Value tileAddress(Contraction::Operand operand, Value stage) {
    Value offset = gpu.multiplyIndex(stage, gpu.index(stageBytes()));
    return gpu.offset(
        gpu.sharedMemory(operand == Contraction::Lhs ? 0 : tileBytes(Contraction::Lhs)),
        gpu.builder().getI8Type(), offset);
  }

  using Positions = llvm::DenseMap<const ContractionLoop *, Value>;

  /// The positions of the loops of the batch.
  Positions batchPositions(const Task &task) {
    SmallVector<Value> sizes;
    for (const ContractionLoop &loop : batch)
      sizes.push_back(sizeOf(loop));
    Positions positions;
    for (auto [loop, position] : llvm::zip_equal(batch, gpu.delinearize(task.batch, sizes)))
      positions[&loop] = position;
    return positions;
  }

  /// Begins to copy an operand's tile; `positions` has those of the batch and of the depth.
  void copy(Contraction::Operand operand, const Task &task, Value stage, Positions positions) {
    OpBuilder &builder = gpu.builder();
    const ContractionLoop *outer = &outerLoops(operand).front();
    int64_t squares = liesAlongDepth(operand) ? 1 : outerSize(operand) / squareSide;
    for (int64_t square = 0; square < squares; ++square) {
      positions[outer] = gpu.addIndex(firstOf(task, operand), gpu.index(square * squareSide));
      SmallVector<Value> coordinates;
      for (const ContractionLoop *loop : mappedLoops(operand))
        coordinates.push_back(toWord(positions.at(loop)));
      Value place = gpu.offset(tileAddress(operand, stage), builder.getI8Type(),
                               gpu.index(square * squareBytes));
      constexpr unsigned clusterSpace = 7;
      Value target = LLVM::AddrSpaceCastOp::create(
          builder, gpu.location(), LLVM::LLVMPointerType::get(builder.getContext(), clusterSpace),
          place);
      NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
          builder, gpu.location(), target, gpu.tensorMap(operand), coordinates,
          barrierAddress(Full, stage), /*im2colOffsets=*/ValueRange(), /*multicastMask=*/Value(),
          /*l2CacheHint=*/Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
          /*group=*/NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
    }
  }

  /// Calls `body` for the tasks of the block, with the number of steps done before each.
  void forTasks(GpuEmitter::TaskRange range, function_ref<void(const Task &, Value before)> body) {
    Value steps = gpu.ceilDivideIndex(sizeOf(depth), tile.depth);
    gpu.loop(range.first, range.end, range.step, ValueRange{gpu.index(0)},
             [&](Value task, ValueRange carried) {
               body(placeOf(task), carried[0]);
               return SmallVector<Value>{gpu.addIndex(carried[0], steps)};
             });
  }

  void emitCopies(GpuEmitter::TaskRange range) {
    OpBuilder &builder = gpu.builder();
    NVVM::SetMaxRegisterOp::create(builder, gpu.location(), copyingRegisters,
                                   NVVM::SetMaxRegisterAction::decrease);
    gpu.ifTrue(gpu.isEqual(gpu.thread(), gpu.index(0)), [&] {
      forTasks(range, [&](const Task &task, Value before) {
        Positions positions = batchPositions(task);
        gpu.loop(gpu.index(0), sizeOf(depth), tile.depth, [&](Value position) {
          positions[&depth.front()] = position;
          Value step = gpu.addIndex(before, gpu.divideIndex(position, gpu.index(tile.depth)));
          Value stage = stageOf(step);
          wait(Empty, stage, gpu.subtractIndex(gpu.index(1), parityOf(step)));
          NVVM::MBarrierArriveExpectTxOp::create(
              builder, gpu.location(), Type(), barrierAddress(Full, stage), word(stageBytes()),
              NVVM::MemScopeKind::CTA, /*relaxed=*/false, /*predicate=*/Value());
          copy(Contraction::Lhs, task, stage, positions);
          copy(Contraction::Rhs, task, stage, positions);
        });
      });
    });
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  Value group() {
    return gpu.subtractIndex(gpu.divideIndex(gpu.thread(), gpu.index(groupThreads)), gpu.index(1));
  }
  Value threadOfGroup() { return gpu.remainderIndex(gpu.thread(), gpu.index(groupThreads)); }

  /// How wgmma finds an operand: the address, the distances of squares and of eight rows, all in
  /// units of 16 bytes, and the permutation.
  Value descriptor(Contraction::Operand operand, Value address) {
    OpBuilder &builder = gpu.builder();
    constexpr int64_t unit = 16, addressBits = 0x3ffff, permutedBy128 = int64_t(1) << 62;
    int64_t squares = liesAlongDepth(operand) ? 1 : squareBytes / unit;
    int64_t layout = permutedBy128 | (8 * rowBytes / unit) << 32 | squares << 16;
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(builder, gpu.location(), value, 64);
    };
    Value bits = LLVM::PtrToIntOp::create(builder, gpu.location(), builder.getI64Type(), address);
    bits = arith::AndIOp::create(builder, gpu.location(), bits, constant(addressBits));
    bits = arith::ShRUIOp::create(builder, gpu.location(), bits, constant(4));
    return arith::OrIOp::create(builder, gpu.location(), bits, constant(layout));
  }

  /// The descriptor of what lies `steps` further along the depth.
  Value advance(Contraction::Operand operand, Value descriptor, int64_t steps) {
    int64_t bytes = liesAlongDepth(operand) ? steps * elementBytes : steps * rowBytes;
    Value units = arith::ConstantIntOp::create(gpu.builder(), gpu.location(), bytes / 16, 64);
    return arith::AddIOp::create(gpu.builder(), gpu.location(), descriptor, units);
  }

  /// Assembly that reads sums and gives new ones in the same registers.
  SmallVector<Value> assemble(ValueRange sums, ValueRange others, const Twine &text,
                              StringRef constraints) {
    OpBuilder &builder = gpu.builder();
    std::string all;
    for (size_t number = 0; number < sums.size(); ++number)
      all += "=f,";
    for (size_t number = 0; number < sums.size(); ++number)
      all += (number == 0 ? "" : ",") + std::to_string(number);
    SmallVector<Type> types(sums.size(), builder.getF32Type());
    SmallVector<Value> operands(sums);
    llvm::append_range(operands, others);
    auto result = LLVM::InlineAsmOp::create(
        builder, gpu.location(),
        TypeRange{LLVM::LLVMStructType::getLiteral(builder.getContext(), types)}, operands,
        text.str(), all + constraints.str(), /*has_side_effects=*/true, /*is_align_stack=*/false,
        LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
    SmallVector<Value> results;
    for (size_t number = 0; number < sums.size(); ++number)
      results.push_back(LLVM::ExtractValueOp::create(builder, gpu.location(), result.getRes(),
                                                     static_cast<int64_t>(number)));
    return results;
  }

  SmallVector<Value> multiply(ValueRange sums, Value left, Value right) {
    std::string registers;
    for (size_t number = 0; number < sums.size(); ++number)
      registers += (number == 0 ? "$" : ", $") + std::to_string(number);
    std::string type = operandType(Contraction::Lhs).isF16() ? "f16" : "bf16";
    auto operand = [&](size_t number) { return "$" + std::to_string(2 * sums.size() + number); };
    auto turned = [&](Contraction::Operand which) { return liesAlongDepth(which) ? "0" : "1"; };
    std::string text = "{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n" +
                       std::to_string(tile.columns) + "k16.f32." + type + "." + type + " {" +
                       registers + "}, " + operand(0) + ", " + operand(1) + ", p, 1, 1, " +
                       turned(Contraction::Lhs) + ", " + turned(Contraction::Rhs) + "; }";
    return assemble(sums, {left, right}, text, ",l,l");
  }

  /// Waits until at most `pending` groups of products are not done.
  void waitForProducts(int64_t pending) {
    LLVM::InlineAsmOp::create(gpu.builder(), gpu.location(), TypeRange(), ValueRange(),
                              "wgmma.wait_group.sync.aligned " + std::to_string(pending) + ";", "",
                              /*has_side_effects=*/true, /*is_align_stack=*/false,
                              LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
  }

  /// Adds the products of one stage. The stage before is given back when its products are done,
  /// while these are on their way.
  SmallVector<Value> multiplyStage(ValueRange sums, Value step, Value isFirst) {
    OpBuilder &builder = gpu.builder();
    Value stage = stageOf(step);
    wait(Full, stage, parityOf(step));
    Value rowsOfGroup = gpu.multiplyIndex(group(), gpu.index(groupRows * rowBytes));
    Value left = descriptor(Contraction::Lhs, gpu.offset(tileAddress(Contraction::Lhs, stage),
                                                         builder.getI8Type(), rowsOfGroup));
    Value right = descriptor(Contraction::Rhs, tileAddress(Contraction::Rhs, stage));
    NVVM::WgmmaFenceAlignedOp::create(builder, gpu.location());
    SmallVector<Value> results(sums);
    for (int64_t at = 0; at < tile.depth; at += mmaDepth)
      results = multiply(results, advance(Contraction::Lhs, left, at),
                         advance(Contraction::Rhs, right, at));
    NVVM::WgmmaGroupSyncAlignedOp::create(builder, gpu.location());
    waitForProducts(1);
    Value before = stageOf(gpu.addIndex(step, gpu.index(stages - 1)));
    arriveAtEmpty(before, gpu.both(isFirstLane(), gpu.negate(isFirst)));
    return results;
  }

  Value isFirstLane() { return gpu.isEqual(gpu.lane(), gpu.index(0)); }

  SmallVector<Value> sumProducts(Value before) {
    SmallVector<Value> sums(groupRows * tile.columns / groupThreads,
                            gpu.constant(accumulatorType, 0));
    Value steps = gpu.ceilDivideIndex(sizeOf(depth), tile.depth);
    sums = gpu.loop(gpu.index(0), steps, 1, sums, [&](Value number, ValueRange carried) {
      return multiplyStage(carried, gpu.addIndex(before, number),
                           gpu.isEqual(number, gpu.index(0)));
    });
    sums = assemble(sums, {}, "wgmma.wait_group.sync.aligned 0;", "");
    Value last = gpu.addIndex(gpu.addIndex(before, steps), gpu.index(stages - 1));
    arriveAtEmpty(stageOf(last), isFirstLane());
    return sums;
  }

  //===--------------------------------------------------------------------===//
  // Results
  //===--------------------------------------------------------------------===//

  /// Waits for the warpgroup.
  void synchronizeGroup() {
    Value number = toWord(gpu.addIndex(group(), gpu.index(1)));
    NVVM::BarrierOp::create(gpu.builder(), gpu.location(), TypeRange(), number, word(groupThreads),
                            NVVM::BarrierReductionAttr(), Value());
  }

  /// Thread l of warp w has columns 2 (l mod 4) and the next of every eight, of rows 16 w + l / 4
  /// and 8 further.
  void storeSums(ValueRange sums) {
    auto pair = VectorType::get({2}, accumulatorType);
    Value warp = gpu.remainderIndex(gpu.warp(), gpu.index(groupThreads / GpuEmitter::warpThreads));
    Value row =
        gpu.addIndex(firstStoredRow(), gpu.addIndex(gpu.multiplyIndex(warp, gpu.index(16)),
                                                    gpu.divideIndex(gpu.lane(), gpu.index(4))));
    Value column = gpu.multiplyIndex(gpu.remainderIndex(gpu.lane(), gpu.index(4)), gpu.index(2));
    for (int64_t number = 0; number < static_cast<int64_t>(sums.size()); number += 2) {
      Value both = vector::FromElementsOp::create(gpu.builder(), gpu.location(), pair,
                                                  sums.slice(number, 2));
      storeSum(both, gpu.addIndex(row, gpu.index(number % 4 * 4)),
               gpu.addIndex(column, gpu.index(number / 4 * 8)));
    }
  }

  Value firstStoredRow() { return gpu.multiplyIndex(group(), gpu.index(groupRows)); }

  /// The registers take turns: the next columns' sums move to where the last ones' were, so that
  /// what follows the contraction is emitted once.
  void emitAllResults(const Task &task, ValueRange sums) {
    constexpr int64_t perPart = groupRows * storedColumns / groupThreads;
    gpu.loop(gpu.index(0), gpu.index(tile.columns / storedColumns), 1, sums,
             [&](Value part, ValueRange carried) {
               storeSums(carried.take_front(perPart));
               synchronizeGroup();
               Value column = gpu.multiplyIndex(part, gpu.index(storedColumns));
               emitResults(task.batch,
                           {groupRows, storedColumns, gpu.addIndex(task.firstRow, firstStoredRow()),
                            gpu.addIndex(task.firstColumn, column), firstStoredRow(),
                            threadOfGroup(), groupThreads});
               synchronizeGroup();
               SmallVector<Value> turned(carried.drop_front(perPart));
               llvm::append_range(turned, carried.take_front(perPart));
               return turned;
             });
  }

  void emitProducts(GpuEmitter::TaskRange range) {
    NVVM::SetMaxRegisterOp::create(gpu.builder(), gpu.location(), multiplyingRegisters,
                                   NVVM::SetMaxRegisterAction::increase);
    forTasks(range,
             [&](const Task &task, Value before) { emitAllResults(task, sumProducts(before)); });
  }

  void emitBlock(GpuEmitter::TaskRange range) {
    initializeBarriers();
    gpu.fork(
        gpu.isLess(gpu.thread(), gpu.index(groupThreads)), [&] { emitCopies(range); },
        [&] { emitProducts(range); });
  }
};

} // namespace

std::shared_ptr<GpuContraction> makeWarpgroups(GpuEmitter &emitter, TileShape tile) {
  return std::make_shared<GpuWarpgroups>(emitter, tile);
}

} // namespace weft
