// Contractions of float16 and bfloat16 by tensor cores, summed in float32.
//
// Four stages of shared memory are filled by asynchronous copies of 16 bytes while the warps
// multiply: a step of 32 of the depth arrives three steps ahead. A warp has 32 or 64 rows by 32
// columns of the tile and multiplies pieces of 16x8x16 (mma.sync), which it loads by ldmatrix.
// Within a piece the order of the sum is the hardware's; the pieces follow the order of the depth.
//
// Operands lie in shared memory as in global memory: rows of 32 steps of the depth, or a row of the
// tile's columns for each step. The pieces of 16 bytes of a row are permuted by the row's number,
// so that the eight addresses of a matrix fall into different banks.
//
// Where an operand is not aligned, or its rows are no multiple of 16 bytes, the threads copy its
// elements one by one to the same places.
#include "codegen/NVPTX/GpuContraction.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t stages = 4, pieceElements = 8, pieceBytes = 16, elementBytes = 2;
constexpr int64_t warpColumns = 32;
/// Of one multiplication.
constexpr int64_t mmaRows = 16, mmaColumns = 8, mmaDepth = 16, sumsOfThread = 4;

class GpuTensorCores : public GpuBlockContraction {
public:
  using GpuBlockContraction::GpuBlockContraction;

private:
  // The tile of a warp: 64x32 of 128x128 with 8 warps, 32x32 of 64x64 with 4.
  int64_t warpRows() const { return tile.rows / 2; }
  int64_t warpsAlongColumns() const { return tile.rows / warpColumns; }
  int64_t threads() const override { return 2 * warpsAlongColumns() * GpuEmitter::warpThreads; }
  int64_t operandStageBytes() const { return tile.rows * tile.depth * elementBytes; }
  int64_t operandBytes() const override { return 2 * stages * operandStageBytes(); }
  int64_t piecesOfThread() const { return tile.rows * tile.depth / pieceElements / threads(); }

  //===--------------------------------------------------------------------===//
  // Shared memory
  //===--------------------------------------------------------------------===//

  Value stageAddress(Contraction::Operand operand, Value stage) {
    Value offset = gpu.multiplyIndex(stage, gpu.index(operandStageBytes()));
    return gpu.offset(gpu.sharedMemory(operand * stages * operandStageBytes()),
                      gpu.builder().getI8Type(), offset);
  }

  Value exclusiveOr(Value x, Value y) {
    return arith::XOrIOp::create(gpu.builder(), gpu.location(), x, y);
  }

  /// Where piece `piece` of row `row` of an operand is in its stage, in bytes.
  Value pieceOffset(Contraction::Operand operand, Value row, Value piece) {
    bool alongDepth = liesAlongDepth(operand);
    int64_t pieces = (alongDepth ? tile.depth : tile.rows) / pieceElements;
    // Rows of four pieces share their banks in pairs, longer ones are all in the same.
    Value key = alongDepth ? gpu.divideIndex(row, gpu.index(2)) : row;
    Value turned =
        exclusiveOr(piece, gpu.remainderIndex(key, gpu.index(std::min<int64_t>(pieces, 8))));
    Value place = gpu.addIndex(gpu.multiplyIndex(row, gpu.index(pieces)), turned);
    return gpu.multiplyIndex(place, gpu.index(pieceBytes));
  }

  //===--------------------------------------------------------------------===//
  // Copies
  //===--------------------------------------------------------------------===//

  /// A piece that a thread copies in each step: `step` is its first step of the depth, `outer` its
  /// first row or column in the tile.
  struct Piece {
    Value step, outer, isInside, offset, place;
  };
  struct Copier {
    Contraction::Operand operand;
    SmallVector<Piece> pieces;
    /// Whether whole pieces can be copied.
    Value isWhole;
  };

  Copier copierOf(const Task &task, Contraction::Operand operand) {
    Copier copier{operand, {}, isWhole(operand)};
    bool alongDepth = liesAlongDepth(operand);
    int64_t pieces = (alongDepth ? tile.depth : tile.rows) / pieceElements;
    for (int64_t number = 0; number < piecesOfThread(); ++number) {
      Value linear = gpu.addIndex(gpu.thread(), gpu.index(number * threads()));
      Value row = gpu.divideIndex(linear, gpu.index(pieces));
      Value column = gpu.remainderIndex(linear, gpu.index(pieces));
      Value first = gpu.multiplyIndex(column, gpu.index(pieceElements));
      Piece piece;
      piece.step = alongDepth ? first : row;
      piece.outer = alongDepth ? row : first;
      piece.place = pieceOffset(operand, row, column);
      Value position = gpu.addIndex(firstOf(task, operand), piece.outer);
      piece.isInside = gpu.isLess(position, sizeOf(outerLoops(operand)));
      piece.offset = gpu.addIndex(base[operand], offsetOf(operand, outerLoops(operand), position));
      copier.pieces.push_back(piece);
    }
    return copier;
  }

  /// Whether each piece of an operand is whole: neighbours, aligned, and all inside or all outside.
  Value isWhole(Contraction::Operand operand) {
    const ContractionLoop &inner =
        liesAlongDepth(operand) ? depth.back() : outerLoops(operand).back();
    if (!inner.strides[operand].isOne())
      return arith::ConstantIntOp::create(gpu.builder(), gpu.location(), 0, 1);
    Value result = gpu.both(gpu.buffersAreAligned(), isOfPieces(sizeOf(inner)));
    for (ArrayRef<ContractionLoop> loops : {ArrayRef(batch), outerLoops(operand), ArrayRef(depth)})
      for (const ContractionLoop &loop : loops)
        if (&loop != &inner && loop.strides[operand].factor != 0)
          result = gpu.both(result, isOfPieces(strideOf(loop, operand)));
    return result;
  }

  Value isOfPieces(Value elements) {
    return gpu.isEqual(gpu.remainderIndex(elements, gpu.index(pieceElements)), gpu.index(0));
  }

  /// Begins the copies of step `number` of the depth, if there is one; zeros beyond its end.
  void copy(const Copier &copier, Value number) {
    Value stage = stageAddress(copier.operand, gpu.remainderIndex(number, gpu.index(stages)));
    Value first = gpu.multiplyIndex(number, gpu.index(tile.depth));
    gpu.ifElse(
        copier.isWhole,
        [&] {
          for (const Piece &piece : copier.pieces)
            copyWhole(copier.operand, piece, stage, gpu.addIndex(first, piece.step));
        },
        [&] {
          for (const Piece &piece : copier.pieces)
            copySingly(copier.operand, piece, stage, gpu.addIndex(first, piece.step));
        });
  }

  void copyWhole(Contraction::Operand operand, const Piece &piece, Value stage, Value step) {
    OpBuilder &builder = gpu.builder();
    Value inside = gpu.both(piece.isInside, gpu.isLess(step, sizeOf(depth)));
    Value offset = gpu.addIndex(piece.offset, offsetOf(operand, depth, step));
    // A copy of no bytes fills its place with zeros, but its address must be one.
    offset = gpu.choose(inside, offset, gpu.index(0));
    Value source = LLVM::AddrSpaceCastOp::create(
        builder, gpu.location(), LLVM::LLVMPointerType::get(builder.getContext(), 1),
        operandAddress(operand, offset));
    auto word = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(builder, gpu.location(), value, 32);
    };
    NVVM::CpAsyncOp::create(
        builder, gpu.location(), gpu.offset(stage, builder.getI8Type(), piece.place), source,
        pieceBytes, NVVM::LoadCacheModifierKind::CG, gpu.choose(inside, word(pieceBytes), word(0)));
  }

  void copySingly(Contraction::Operand operand, const Piece &piece, Value stage, Value step) {
    OpBuilder &builder = gpu.builder();
    Type bits = builder.getI16Type();
    bool alongDepth = liesAlongDepth(operand);
    Value place = gpu.offset(stage, builder.getI8Type(), piece.place);
    gpu.loop(gpu.index(0), gpu.index(pieceElements), 1, [&](Value element) {
      Value at = alongDepth ? gpu.addIndex(step, element) : step;
      Value outer = alongDepth ? piece.outer : gpu.addIndex(piece.outer, element);
      Value inside = gpu.isLess(at, sizeOf(depth));
      Value offset = piece.offset;
      if (alongDepth) {
        inside = gpu.both(inside, piece.isInside);
      } else {
        Value position = gpu.addIndex(firstPosition[operand], outer);
        inside = gpu.both(inside, gpu.isLess(position, sizeOf(outerLoops(operand))));
        offset = gpu.addIndex(base[operand], offsetOf(operand, outerLoops(operand), position));
      }
      offset = gpu.addIndex(offset, offsetOf(operand, depth, at));
      Value zero = arith::ConstantIntOp::create(builder, gpu.location(), 0, 16);
      auto loaded = gpu.ifTrue(inside, ValueRange{zero}, [&] {
        return SmallVector<Value>{gpu.loadVector(operandAddress(operand, offset), bits, 0)};
      });
      gpu.storeVector(loaded[0], gpu.offset(place, bits, element));
    });
  }

  void commit() { NVVM::CpAsyncCommitGroupOp::create(gpu.builder(), gpu.location()); }
  void waitFor(int64_t pending) {
    NVVM::CpAsyncWaitGroupOp::create(gpu.builder(), gpu.location(), pending);
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  Value half(Value x, int64_t by) { return gpu.divideIndex(x, gpu.index(by)); }
  Value rest(Value x, int64_t by) { return gpu.remainderIndex(x, gpu.index(by)); }
  Value plus(Value x, int64_t y) { return gpu.addIndex(x, gpu.index(y)); }
  Value times(Value x, int64_t y) { return gpu.multiplyIndex(x, gpu.index(y)); }

  /// Four matrices of 8x8, each given by the addresses of its rows in eight lanes: 16 positions
  /// from `outer` on by 16 steps from `step` on. The matrices are numbered along the outer loop
  /// first for the left operand, along the depth first for the right one, as mma.sync takes them.
  SmallVector<Value> loadMatrices(Contraction::Operand operand, Value stage, Value outer,
                                  int64_t step) {
    OpBuilder &builder = gpu.builder();
    Value lane = gpu.lane(), matrix = half(lane, 8), inMatrix = rest(lane, 8);
    Value first = rest(matrix, 2), second = half(matrix, 2);
    Value outerHalf = operand == Contraction::Lhs ? first : second;
    Value depthHalf = operand == Contraction::Lhs ? second : first;
    bool alongDepth = liesAlongDepth(operand);
    Value row, piece;
    if (alongDepth) {
      row = gpu.addIndex(outer, gpu.addIndex(times(outerHalf, 8), inMatrix));
      piece = plus(depthHalf, step / pieceElements);
    } else {
      row = plus(gpu.addIndex(times(depthHalf, 8), inMatrix), step);
      piece = gpu.addIndex(half(outer, pieceElements), outerHalf);
    }
    Value address = gpu.offset(stage, builder.getI8Type(), pieceOffset(operand, row, piece));
    SmallVector<Type> words(4, builder.getI32Type());
    auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), words);
    MLIRContext *context = builder.getContext();
    Value loaded = NVVM::LdMatrixOp::create(
        builder, gpu.location(), type, address, 4,
        alongDepth ? NVVM::MMALayout::row : NVVM::MMALayout::col,
        NVVM::LdStMatrixShapeAttr::get(context, 8, 8), NVVM::LdStMatrixEltType::B16);
    SmallVector<Value> parts;
    for (int64_t number = 0; number < 4; ++number)
      parts.push_back(LLVM::ExtractValueOp::create(builder, gpu.location(), loaded, number));
    return parts;
  }

  /// Words as the type that the multiplication takes: pairs of float16, or bits of bfloat16.
  SmallVector<Value> asOperands(ArrayRef<Value> words) {
    SmallVector<Value> values(words);
    if (operandType(Contraction::Lhs).isBF16())
      return values;
    auto pair = VectorType::get({2}, gpu.builder().getF16Type());
    for (Value &value : values)
      value = LLVM::BitcastOp::create(gpu.builder(), gpu.location(), pair, value);
    return values;
  }

  SmallVector<Value> multiply(ArrayRef<Value> left, ArrayRef<Value> right, ValueRange sums) {
    OpBuilder &builder = gpu.builder();
    auto kind = operandType(Contraction::Lhs).isBF16() ? NVVM::MMATypes::bf16 : NVVM::MMATypes::f16;
    SmallVector<Type> floats(sumsOfThread, builder.getF32Type());
    auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), floats);
    Value product = NVVM::MmaOp::create(
        builder, op->getLoc(), type, left, right, sums,
        ArrayRef<int64_t>{mmaRows, mmaColumns, mmaDepth}, std::nullopt, std::nullopt,
        std::array<NVVM::MMATypes, 2>{kind, kind},
        std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
    SmallVector<Value> results;
    for (int64_t number = 0; number < sumsOfThread; ++number)
      results.push_back(LLVM::ExtractValueOp::create(builder, op->getLoc(), product, number));
    return results;
  }

  Value firstRowOfWarp() { return times(half(gpu.warp(), warpsAlongColumns()), warpRows()); }
  Value firstColumnOfWarp() { return times(rest(gpu.warp(), warpsAlongColumns()), warpColumns); }

  SmallVector<Value> compute(ValueRange sums, Value number) {
    Value stage = rest(number, stages);
    Value left = stageAddress(Contraction::Lhs, stage),
          right = stageAddress(Contraction::Rhs, stage);
    SmallVector<Value> results(sums);
    for (int64_t step = 0; step < tile.depth; step += mmaDepth) {
      SmallVector<SmallVector<Value>> columnParts;
      for (int64_t column = 0; column < warpColumns; column += 2 * mmaColumns) {
        SmallVector<Value> parts = asOperands(
            loadMatrices(Contraction::Rhs, right, plus(firstColumnOfWarp(), column), step));
        columnParts.push_back({parts[0], parts[1]});
        columnParts.push_back({parts[2], parts[3]});
      }
      size_t next = 0;
      for (int64_t row = 0; row < warpRows(); row += mmaRows) {
        SmallVector<Value> parts =
            asOperands(loadMatrices(Contraction::Lhs, left, plus(firstRowOfWarp(), row), step));
        for (ArrayRef<Value> ofColumns : columnParts) {
          auto before = ArrayRef<Value>(results).slice(next, sumsOfThread);
          SmallVector<Value> after = multiply(parts, ofColumns, before);
          llvm::copy(after, results.begin() + next);
          next += sumsOfThread;
        }
      }
    }
    return results;
  }

  void emitTile(const Task &task) override {
    for (auto operand : {Contraction::Lhs, Contraction::Rhs})
      firstPosition[operand] = firstOf(task, operand);
    Copier copiers[] = {copierOf(task, Contraction::Lhs), copierOf(task, Contraction::Rhs)};
    auto copyBoth = [&](Value number) {
      for (const Copier &copier : copiers)
        copy(copier, number);
      commit();
    };
    for (int64_t number = 0; number + 1 < stages; ++number)
      copyBoth(gpu.index(number));
    int64_t count = warpRows() / mmaRows * (warpColumns / mmaColumns) * sumsOfThread;
    SmallVector<Value> sums(count, gpu.constant(accumulatorType, 0));
    Value steps = gpu.ceilDivideIndex(sizeOf(depth), tile.depth);
    sums = gpu.loop(gpu.index(0), steps, 1, sums, [&](Value number, ValueRange carried) {
      waitFor(stages - 2);
      gpu.barrier();
      copyBoth(plus(number, stages - 1));
      return compute(carried, number);
    });
    waitFor(0);
    gpu.barrier();
    storeSums(sums);
    gpu.barrier();
  }

  /// Thread l of a warp has columns 2 (l mod 4) and the next of rows l / 4 and l / 4 + 8 of a
  /// piece.
  void storeSums(ArrayRef<Value> sums) {
    auto pair = VectorType::get({2}, accumulatorType);
    Value row = gpu.addIndex(firstRowOfWarp(), half(gpu.lane(), 4));
    Value column = gpu.addIndex(firstColumnOfWarp(), times(rest(gpu.lane(), 4), 2));
    size_t next = 0;
    for (int64_t i = 0; i < warpRows(); i += mmaRows)
      for (int64_t j = 0; j < warpColumns; j += mmaColumns)
        for (int64_t part : {0, 8}) {
          Value both = vector::FromElementsOp::create(gpu.builder(), gpu.location(), pair,
                                                      sums.slice(next, 2));
          storeSum(both, plus(row, i + part), plus(column, j));
          next += 2;
        }
  }

  // Of the task being emitted.
  Value firstPosition[2];
};

} // namespace

std::shared_ptr<GpuContraction> makeTensorCores(GpuEmitter &emitter, TileShape tile) {
  return std::make_shared<GpuTensorCores>(emitter, tile);
}

} // namespace weft
