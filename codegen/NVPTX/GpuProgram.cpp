// The GPU template of users' programs (weft.program): a thread block runs a program, or one after
// the other.
//
// Elements of a block are dealt to the threads one by one, in the order of rows. Blocks that
// several loops read rest in shared memory, with a barrier before and behind each loop that writes
// there. Every thread computes the numbers, which are the same for all, and so takes the same
// branches. The first stage clears what is noted of indices that do not exist (FaultSite.h); those
// behind it fill the results; weft.program_store and weft.program_load are in the last one.
#include "codegen/NVPTX/GpuProgram.h"
#include "codegen/Loops/ProgramControl.h"
#include "codegen/Loops/ProgramProducts.h"
#include "codegen/Loops/Reduction.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace weft {

static constexpr int64_t blockThreads = 128;
/// Part of the order of sums, which is that of processors (ProgramRows.cpp).
static constexpr int64_t rowLanes = 16, rowChains = 4;
/// Blocks begin at multiples of so many bytes.
static constexpr int64_t blockAlignment = 16;

static int64_t elementsOf(Value block) {
  int64_t count = 1;
  for (int64_t size : ProgramBlocks::shapeOf(block))
    count *= size;
  return count;
}

/// The bytes of a block with rows as ProgramBlocks has them, whose vectors are scalars here.
static double sharedBytesOfBlock(Value block) {
  if (ProgramBlocks::isNumber(block))
    return 0;
  ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(block);
  Type stored = KernelEmitter::storedType(getElementTypeOrSelf(block));
  double elements = double(ProgramBlocks::rowDistance(shape, 1));
  for (int64_t size : shape.drop_back())
    elements *= double(size);
  double bytes = elements * std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  return std::ceil(bytes / blockAlignment) * blockAlignment;
}

static bool isOfRows(ReductionOpInterface op) {
  ArrayRef<int64_t> reduced = op.getReducedAxes();
  auto rank = static_cast<int64_t>(ProgramBlocks::shapeOf(op->getOperand(0)).size());
  return !reduced.empty() && reduced.back() + 1 == rank;
}

/// The lanes of each sum, of at most eight bytes.
static double scratchBytesOf(Operation *op) {
  auto reduction = dyn_cast<ReductionOpInterface>(op);
  if (!reduction || !isOfRows(reduction))
    return 0;
  return double(elementsOf(op->getResult(0)) * rowLanes * accumulatorWidth(reduction)) * 8;
}

int64_t sharedBytesOf(ProgramOp program) {
  return bytesOfProgram(program, sharedBytesOfBlock, scratchBytesOf);
}

//===----------------------------------------------------------------------===//
// Blocks in shared memory
//===----------------------------------------------------------------------===//

namespace {

/// Where a program may find that an index does not exist, in the order of its ops.
std::vector<FaultSite> faultSitesOf(ProgramOp program) {
  std::vector<FaultSite> sites;
  auto add = [&](StringRef site, int64_t first, int64_t count) {
    for (int64_t dimension = first; dimension < count; ++dimension) {
      FaultSite added{(program.getName() + "\n" + site).str(), dimension};
      if (!llvm::is_contained(sites, added))
        sites.push_back(added);
    }
  };
  bool isChecked = program->hasAttr("checked");
  program.getBody().walk([&](Operation *op) {
    if (auto load = dyn_cast<ProgramLoadOp>(op))
      add(load.getSite(), 0, int64_t(load.getIndices().size()));
    if (auto store = dyn_cast<ProgramStoreOp>(op))
      add(store.getSite(), isChecked ? -1 : 0, int64_t(store.getIndices().size()));
  });
  return sites;
}

class GpuProgramBlocks : public ProgramBlocks {
public:
  GpuProgramBlocks(GpuEmitter &emitter, ProgramOp program)
      : ProgramBlocks(emitter, program), gpu(emitter), sites(faultSitesOf(program)) {}

  const std::vector<FaultSite> &faultSites() const { return sites; }
  void setFaultBuffer(unsigned number) { faultBuffer = number; }

  Value allocate(Value tensor) override {
    if (Value pointer = wanted.lookup(tensor))
      return pointer;
    return allocateBytes(int64_t(sharedBytesOfBlock(tensor)));
  }
  Value allocateBytes(int64_t bytes) {
    Value pointer = gpu.sharedMemory(usedBytes);
    usedBytes += int64_t(llvm::alignTo(bytes, blockAlignment));
    return pointer;
  }

  void fill(Value tensor, Value pointer) override {
    barrier();
    forEach(shapeOf(tensor),
            [&](ArrayRef<ElementIndex> indices) { write(tensor, pointer, indices); });
    barrier();
  }

  /// Blocks in shared memory hold no more elements than they have.
  Value guarded(Value condition, Value otherwise, function_ref<Value()> body) override {
    Value result;
    apart([&] {
      result = gpu.ifTrue(condition, ValueRange{otherwise},
                          [&] { return SmallVector<Value>{body()}; })[0];
    });
    return result;
  }

  /// Emits `body` for the places of `shape` that are this thread's.
  void forEach(ArrayRef<int64_t> shape, function_ref<void(ArrayRef<ElementIndex>)> body) {
    forEachFrom(gpu.thread(), gpu.threads(), shape, body);
  }
  /// For all places, on each thread.
  void forAll(ArrayRef<int64_t> shape, function_ref<void(ArrayRef<ElementIndex>)> body) {
    forEachFrom(gpu.index(0), 1, shape, body);
  }

  /// Waits for all threads of the block, unless that is the last thing that they did.
  void barrier() {
    OpBuilder &b = builder();
    Block::iterator place = b.getInsertionPoint();
    while (place != b.getInsertionBlock()->begin()) {
      Operation &before = *--place;
      if (isa<NVVM::Barrier0Op>(before))
        return;
      if (before.getNumRegions() > 0 || !isMemoryEffectFree(&before))
        break;
    }
    gpu.barrier();
  }

protected:
  void note(StringRef site, int64_t dimension, Value index, Value size) override {
    FaultSite here{(program.getName() + "\n" + site).str(), dimension};
    auto row = std::distance(sites.begin(), llvm::find(sites, here));
    OpBuilder &b = builder();
    auto number = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(b, location(), value, 64);
    };
    Value first, second;
    if (dimension < 0) {
      Value low = arith::MinUIOp::create(b, location(), index, size);
      Value high = arith::MaxUIOp::create(b, location(), index, size);
      Value pair = arith::OrIOp::create(
          b, location(), arith::ShLIOp::create(b, location(), low, number(32)), high);
      first = arith::XOrIOp::create(b, location(), pair, number(-1));
      second = number(1);
    } else {
      first =
          arith::XOrIOp::create(b, location(), index, number(std::numeric_limits<int64_t>::min()));
      second = arith::AddIOp::create(b, location(), size, number(1));
    }
    for (auto [place, value] : llvm::enumerate(ArrayRef<Value>{first, second})) {
      Value address =
          gpu.offset(gpu.buffer(faultBuffer), b.getI64Type(), gpu.index(2 * row + int64_t(place)));
      LLVM::AtomicRMWOp::create(b, location(), LLVM::AtomicBinOp::umax, address, value,
                                LLVM::AtomicOrdering::monotonic);
    }
  }

private:
  void forEachFrom(Value first, int64_t step, ArrayRef<int64_t> shape,
                   function_ref<void(ArrayRef<ElementIndex>)> body) {
    int64_t count = 1;
    SmallVector<Value> sizes;
    for (int64_t size : shape) {
      count *= size;
      sizes.push_back(gpu.index(size));
    }
    if (count == 0)
      return;
    gpu.loop(first, gpu.index(count), step, [&](Value place) {
      SmallVector<ElementIndex> indices;
      for (Value position : gpu.delinearize(place, sizes))
        indices.push_back({position});
      apart([&] { body(indices); });
    });
  }

  GpuEmitter &gpu;
  std::vector<FaultSite> sites;
  unsigned faultBuffer = 0;
  int64_t usedBytes = 0;
};

/// Products of matrices in shared memory: a thread computes a tile in registers.
class GpuProducts : public ProgramProducts {
public:
  GpuProducts(GpuEmitter &emitter, GpuProgramBlocks &blocks)
      : ProgramProducts(emitter, blocks), gpu(emitter), blocks(blocks) {}

  void emitTiles(ContractionOpInterface op, Value end, Value pointer) {
    Product product = productOf(op, end, pointer);
    int64_t height = std::min(schedule.getRows(), product.rows);
    int64_t width = std::min(schedule.getColumns(), product.columns);
    if (height == 0 || width == 0)
      return;
    int64_t shape[] = {int64_t(llvm::divideCeil(product.rows, height)),
                       int64_t(llvm::divideCeil(product.columns, width))};
    blocks.forEach(shape, [&](ArrayRef<ElementIndex> tile) {
      // Threads of a warp have columns side by side.
      emitTileOf(product, gpu.multiplyIndex(tile[0].base, gpu.index(height)), tile[1].base, height,
                 width, shape[1]);
    });
  }

private:
  void emitTileOf(const Product &product, Value row, Value column, int64_t height, int64_t width,
                  int64_t apart) {
    Type dtype = getElementTypeOrSelf(product.value), type = computeTypeOf(dtype);
    auto within = [&](Value place, int64_t distance, int64_t size) {
      return gpu.minimumIndex(gpu.addIndex(place, gpu.index(distance)), gpu.index(size - 1));
    };
    SmallVector<Value> rows, columns;
    for (int64_t r = 0; r < height; ++r)
      rows.push_back(within(row, r, product.rows));
    for (int64_t c = 0; c < width; ++c)
      columns.push_back(within(column, c * apart, product.columns));
    Value zero =
        arith::ConstantOp::create(gpu.builder(), gpu.location(), gpu.builder().getZeroAttr(type));
    auto add = [&](Value k, ValueRange sums) {
      SmallVector<Value> next, right;
      for (Value place : columns)
        right.push_back(elementOf(product.right, k, place, type));
      for (auto [r, place] : llvm::enumerate(rows)) {
        Value left = elementOf(product.left, place, k, type);
        for (int64_t c = 0; c < width; ++c)
          next.push_back(multiplyAdd(left, right[c], sums[int64_t(r) * width + c]));
      }
      return next;
    };
    SmallVector<Value> sums(height * width, zero);
    sums = gpu.loop(gpu.index(0), gpu.index(product.depth), 1, sums, add);
    for (auto [number, sum] : llvm::enumerate(sums)) {
      int64_t r = int64_t(number) / width, c = int64_t(number) % width;
      Value isHere = gpu.both(
          gpu.isLess(gpu.addIndex(row, gpu.index(r)), gpu.index(product.rows)),
          gpu.isLess(gpu.addIndex(column, gpu.index(c * apart)), gpu.index(product.columns)));
      ElementIndex indices[] = {{rows[r]}, {columns[c]}};
      gpu.ifTrue(isHere, [&] {
        blocks.apart([&] {
          blocks.give(product.value, indices, gpu.roundTo(sum, dtype));
          blocks.write(product.end, product.pointer, indices);
        });
      });
    }
  }

  Value elementOf(const Matrix &matrix, Value row, Value column, Type type) {
    if (matrix.isTurned)
      std::swap(row, column);
    return converted(loaded(matrix, row, column, 0), matrix.dtype, type);
  }

  GpuEmitter &gpu;
  GpuProgramBlocks &blocks;
};

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

class GpuProgram : ProgramControl {
public:
  explicit GpuProgram(GpuEmitter &emitter)
      : ProgramControl(emitter, programOf(emitter.getKernel()), ownBlocks),
        gpu(emitter),
        ownBlocks(emitter, program),
        products(emitter, ownBlocks) {}

  void addStages() {
    int64_t words = 2 * int64_t(ownBlocks.faultSites().size());
    unsigned faults = gpu.addTemporary([&gpu = gpu, words] { return gpu.index(words * 8); });
    ownBlocks.setFaultBuffer(faults);
    gpu.addStage(
        {blockThreads}, [&gpu = gpu] { return gpu.index(1); },
        [&](Value) {
          int64_t shape[] = {words};
          Type word = builder().getI64Type();
          ownBlocks.forEach(shape, [&](ArrayRef<ElementIndex> place) {
            gpu.storeVector(gpu.constant(word, 0),
                            gpu.offset(gpu.buffer(faults), word, place[0].base));
          });
        });
    for (auto [number, value] : llvm::enumerate(gpu.getYield().getValues()))
      addFilling(number, cast<OpResult>(value));
    GpuEmitter::StageShape shape{blockThreads, sharedBytesOf(program)};
    shape.faultSites = ownBlocks.faultSites();
    // Programs in order are one task.
    bool isOrdered = program.isOrdered();
    gpu.addStage(
        shape,
        [&gpu = gpu, program = program, isOrdered] {
          return isOrdered ? gpu.index(1) : countOf(gpu, program);
        },
        [&](Value task) {
          if (!isOrdered)
            return emitProgramAt(task);
          gpu.loop(gpu.index(0), countOf(gpu, program), 1,
                   [&](Value place) { emitProgramAt(place); });
        });
  }

private:
  using Indices = SmallVector<ElementIndex>;

  /// A stage that fills an output with zeros, or with the elements of an input.
  void addFilling(unsigned output, OpResult result) {
    constexpr int64_t grain = blockThreads * 8;
    int64_t initial = program.getInitial()[result.getResultNumber()];
    Type type = gpu.getKernel().getResultTypes()[output];
    Type stored = KernelEmitter::storedType(getElementTypeOrSelf(type));
    GpuWalk walk(gpu, 1, grain);
    auto count = [&gpu = gpu, type] { return gpu.product(symbolsOf(type)); };
    gpu.addStage(
        {blockThreads}, [walk, count]() mutable { return walk.tasks({count()}); },
        [&](Value task) {
          walk.emit(task, {count()}, [&](ArrayRef<ElementIndex> point) {
            Value element =
                arith::ConstantOp::create(builder(), gpu.location(), builder().getZeroAttr(stored));
            if (initial >= 0) {
              auto argument = cast<BlockArgument>(program.getInputs()[initial]);
              Value from = gpu.buffer(argument.getArgNumber());
              element = gpu.loadVector(gpu.offset(from, stored, point[0].base), stored, 0);
            }
            Value to = gpu.buffer(gpu.outputBuffer(output));
            gpu.storeVector(element, gpu.offset(to, stored, point[0].base));
          });
        });
  }

  void fill(Value block) override {
    Value pointer = blocks.allocate(block);
    blocks.fill(block, pointer);
    blocks.keepAt(block, pointer);
  }

  void compute(Value number) override { blocks.keep(number, blocks.number(number)); }

  void emitProduct(ContractionOpInterface op, Value end) override {
    Value pointer = blocks.allocate(end);
    ownBlocks.barrier();
    products.emitTiles(op, end, pointer);
    ownBlocks.barrier();
    blocks.keepAt(end, pointer);
  }

  /// Floats are combined in the order of the elements.
  void emitStore(ProgramStoreOp op) override {
    blocks.keep(op.getResult(), gpu.constant(builder().getI64Type(), 0));
    ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op.getValue());
    auto store = [&](ArrayRef<ElementIndex> indices) { blocks.store(op, indices, false); };
    bool isOrdered = op.getCombine() && isa<FloatType>(getElementTypeOrSelf(op.getValue()));
    if (!op.getCombine() && mayFollow(op))
      ownBlocks.barrier();
    if (!isOrdered && !shape.empty())
      return ownBlocks.forEach(shape, store);
    gpu.ifTrue(gpu.isEqual(gpu.thread(), gpu.index(0)), [&] { ownBlocks.forAll(shape, store); });
  }

  /// Whether other threads of the block may have stored to an element of the same result before.
  bool mayFollow(ProgramStoreOp op) {
    int64_t count = 0;
    program.getBody().walk(
        [&](ProgramStoreOp other) { count += other.getNumber() == op.getNumber() ? 1 : 0; });
    return count > 1 || op->getParentOfType<WhileOp>() || program.isOrdered();
  }

  /// One element after the other along the axis.
  void emitScan(ScanOpInterface op) override {
    Value result = op->getResult(0), pointer = blocks.allocate(result);
    ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op.getX());
    auto axis = static_cast<int64_t>(op.getAxis());
    int64_t size = shape[axis];
    Type dtype = getElementTypeOrSelf(result), stored = KernelEmitter::storedType(dtype);
    SmallVector<int64_t> lines(shape);
    lines[axis] = 1;
    ownBlocks.barrier();
    ownBlocks.forEach(lines, [&](ArrayRef<ElementIndex> line) {
      auto step = [&](Value position, ValueRange carried) {
        Indices indices(line);
        if (op.getReversed())
          position = gpu.subtractIndex(gpu.index(size - 1), position);
        indices[axis] = {position};
        Value total;
        blocks.apart([&] {
          Value element = blocks.element(op.getX(), indices);
          total = op.emitCombine(builder(), op->getLoc(), carried[0], element);
        });
        Value address = gpu.offset(pointer, stored, blocks.offsetIn(shape, indices));
        gpu.storeVector(gpu.narrow(gpu.roundTo(total, dtype), dtype), address);
        return SmallVector<Value>{total};
      };
      Value first = op.emitIdentity(builder(), op->getLoc(), gpu.computeType(result));
      gpu.loop(gpu.index(0), gpu.index(size), 1, {first}, step);
    });
    ownBlocks.barrier();
    blocks.keepAt(result, pointer);
  }

  //===--------------------------------------------------------------------===//
  // Reductions
  //===--------------------------------------------------------------------===//

  void reduce(ReductionOpInterface op) override {
    Value result = op->getResult(0);
    bool isNumber = ProgramBlocks::isNumber(result);
    Value pointer = isNumber ? Value() : blocks.allocate(result);
    ownBlocks.barrier();
    if (isOfRows(op))
      return reduceRows(op, pointer);
    if (isNumber) {
      Indices indices(ProgramBlocks::shapeOf(op->getOperand(0)).size());
      SmallVector<Value> totals =
          along(op, op.getReducedAxes(), indices, identitiesOf(gpu, {op}, false), Value());
      return blocks.keep(result, resultOf(gpu, op, totals));
    }
    ownBlocks.forEach(ProgramBlocks::shapeOf(result), [&](ArrayRef<ElementIndex> here) {
      Indices indices = aroundOf(op, here);
      writeTotal(op, pointer, here,
                 along(op, op.getReducedAxes(), indices, identitiesOf(gpu, {op}, false), Value()));
    });
    ownBlocks.barrier();
    blocks.keepAt(result, pointer);
  }

  /// The indices of the operand, but for those along which it is reduced.
  Indices aroundOf(ReductionOpInterface op, ArrayRef<ElementIndex> here) {
    Indices indices(ProgramBlocks::shapeOf(op->getOperand(0)).size());
    size_t next = 0;
    for (auto [axis, index] : llvm::enumerate(indices))
      if (!llvm::is_contained(op.getReducedAxes(), int64_t(axis)))
        index = here[next++];
    return indices;
  }

  void writeTotal(ReductionOpInterface op, Value pointer, ArrayRef<ElementIndex> here,
                  ValueRange totals) {
    Value result = op->getResult(0);
    Type dtype = getElementTypeOrSelf(result);
    Value place = blocks.offsetIn(ProgramBlocks::shapeOf(result), here);
    gpu.storeVector(gpu.narrow(resultOf(gpu, op, totals), dtype),
                    gpu.offset(pointer, KernelEmitter::storedType(dtype), place));
  }

  /// Each lane is a thread's, and whoever needs the sum joins them.
  void reduceRows(ReductionOpInterface op, Value pointer) {
    Value result = op->getResult(0), lanes = ownBlocks.allocateBytes(int64_t(scratchBytesOf(op)));
    SmallVector<int64_t> shape(ProgramBlocks::shapeOf(result));
    SmallVector<int64_t> withLanes = shape;
    withLanes.push_back(rowLanes);
    SmallVector<Type> types;
    for (Value identity : identitiesOf(gpu, {op}, false))
      types.push_back(identity.getType());
    ownBlocks.forEach(withLanes, [&](ArrayRef<ElementIndex> place) {
      Indices indices = aroundOf(op, place.drop_back());
      SmallVector<Value> totals = along(op, op.getReducedAxes(), indices,
                                        identitiesOf(gpu, {op}, false), place.back().base);
      for (auto [number, total] : llvm::enumerate(totals))
        gpu.storeVector(asStored(total), laneAddress(op, lanes, place, number, totals.size()));
    });
    ownBlocks.barrier();
    auto join = [&](ArrayRef<ElementIndex> here) {
      SmallVector<SmallVector<Value>> parts(rowLanes);
      for (int64_t lane = 0; lane < rowLanes; ++lane) {
        Indices place(here);
        place.push_back({gpu.index(lane)});
        for (auto [number, type] : llvm::enumerate(types))
          parts[lane].push_back(
              fromStored(laneAddress(op, lanes, place, number, types.size()), type));
      }
      for (int64_t half = rowLanes / 2; half > 0; half /= 2)
        for (int64_t lane = 0; lane < half; ++lane)
          parts[lane] = combineEach(gpu, {op}, parts[lane], parts[lane + half]);
      return parts.front();
    };
    if (!pointer)
      return blocks.keep(result, resultOf(gpu, op, join({})));
    ownBlocks.forEach(
        shape, [&](ArrayRef<ElementIndex> here) { writeTotal(op, pointer, here, join(here)); });
    ownBlocks.barrier();
    blocks.keepAt(result, pointer);
  }

  /// Each part of a lane has eight bytes.
  Value laneAddress(ReductionOpInterface op, Value lanes, ArrayRef<ElementIndex> place,
                    size_t number, size_t width) {
    Value linear = gpu.index(0);
    SmallVector<int64_t> shape(ProgramBlocks::shapeOf(op->getResult(0)));
    shape.push_back(rowLanes);
    for (auto [size, index] : llvm::zip_equal(shape, place))
      linear = gpu.addIndex(gpu.multiplyIndex(linear, gpu.index(size)), index.base);
    linear = gpu.addIndex(gpu.multiplyIndex(linear, gpu.index(int64_t(width))),
                          gpu.index(int64_t(number)));
    return gpu.offset(lanes, builder().getI64Type(), linear);
  }

  Value asStored(Value value) {
    if (!value.getType().isInteger(1))
      return value;
    return arith::ExtUIOp::create(builder(), gpu.location(), builder().getI8Type(), value);
  }
  Value fromStored(Value address, Type type) {
    if (!type.isInteger(1))
      return gpu.loadVector(address, type, 0);
    Value stored = gpu.loadVector(address, builder().getI8Type(), 0);
    return arith::TruncIOp::create(builder(), gpu.location(), type, stored);
  }

  /// The accumulator with all elements along `axes`, or with those of one lane of the rows.
  SmallVector<Value> along(ReductionOpInterface op, ArrayRef<int64_t> axes, Indices indices,
                           const SmallVector<Value> &totals, Value lane) {
    if (axes.empty())
      return withElement(op, indices, totals);
    int64_t axis = axes.front(), size = ProgramBlocks::shapeOf(op->getOperand(0))[axis];
    auto visit = [&](Value position, ValueRange carried) {
      Indices here = indices;
      here[axis] = {position};
      SmallVector<Value> next;
      blocks.apart(
          [&] { next = along(op, axes.drop_front(), here, SmallVector<Value>(carried), lane); });
      return next;
    };
    if (axis + 1 == static_cast<int64_t>(indices.size()) && lane)
      return alongLane(op, size, totals, lane, visit);
    return gpu.loop(gpu.index(0), gpu.index(size), 1, totals, visit);
  }

  /// In the order of ProgramBlocks::alongRow.
  SmallVector<Value> alongLane(ReductionOpInterface op, int64_t size, SmallVector<Value> totals,
                               Value lane,
                               function_ref<SmallVector<Value>(Value, ValueRange)> visit) {
    constexpr int64_t stretch = rowChains * rowLanes;
    int64_t begin = size >= 2 * stretch ? size / stretch * stretch : 0;
    size_t width = totals.size();
    if (begin > 0) {
      SmallVector<Value> all = totals;
      for (int64_t chain = 1; chain < rowChains; ++chain)
        llvm::append_range(all, identitiesOf(gpu, {op}, false));
      all = gpu.loop(lane, gpu.index(begin), stretch, all, [&](Value place, ValueRange carried) {
        SmallVector<Value> next;
        for (int64_t chain = 0; chain < rowChains; ++chain)
          llvm::append_range(next, visit(gpu.addIndex(place, gpu.index(chain * rowLanes)),
                                         carried.slice(chain * width, width)));
        return next;
      });
      for (size_t count = rowChains / 2; count > 0; count /= 2) {
        SmallVector<Value> halves;
        for (size_t chain = 0; chain < count; ++chain)
          llvm::append_range(halves,
                             combineEach(gpu, {op}, ValueRange(all).slice(chain * width, width),
                                         ValueRange(all).slice((chain + count) * width, width)));
        all = halves;
      }
      totals = all;
    }
    return gpu.loop(gpu.addIndex(lane, gpu.index(begin)), gpu.index(size), rowLanes, totals, visit);
  }

  SmallVector<Value> withElement(ReductionOpInterface op, const Indices &indices,
                                 ValueRange totals) {
    Value element = blocks.element(op->getOperand(0), indices), position;
    if (op.usesPosition())
      position = gpu.toInteger(indices[op.getReducedAxes().front()]);
    auto one = op.emitElement(builder(), op->getLoc(), element, position);
    return op.emitCombine(builder(), op->getLoc(), totals, one);
  }

  GpuEmitter &gpu;
  GpuProgramBlocks ownBlocks;
  GpuProducts products;
};

} // namespace

void emitGpuProgram(GpuEmitter &emitter) { GpuProgram(emitter).addStages(); }

} // namespace weft
