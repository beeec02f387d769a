// Emits the functions of one kernel: loops over vectors, on pointers and sizes.
#pragma once

#include "dialects/Weft/IR/Frames.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <functional>
#include <map>
#include <set>

namespace weft {

/// The function that kernels call which find an index that is not there.
inline constexpr llvm::StringLiteral programFault = "weft_library_program_fault";

/// The functions of a kernel K at the level of loops:
///
///   @K_0, @K_1, ...  its stages: (buffers: ptr, sizes: ptr, begin: i64, end: i64)
///   @K_setup         (sizes: ptr, result: ptr): stores the number of tasks of each stage, then the
///                    bytes of each temporary buffer, and, if there are temporaries, for each stage
///                    the buffers that it uses, a bit each (-1: any), and then for each the sizes,
///                    as i64
///
/// with the attributes `weft.stages` and `weft.temporaries`, their numbers, and `weft.uses`, the
/// bits, on @K_setup.
///
/// Where a stage finds buffers and sizes, how vectors are aligned and how long they are can be
/// overridden: a GPU's stages take them as parameters (codegen/NVPTX).
class KernelEmitter : public ElementEmitter {
public:
  /// Functions are added at the insertion point of `module`.
  KernelEmitter(KernelOp kernel, mlir::OpBuilder module);

  KernelOp getKernel() const { return kernel; }
  /// The kernel's schedule, which is known to be one of this kind; or null if it is not.
  template <typename Schedule> Schedule schedule() const {
    return mlir::cast<Schedule>(KernelOp(kernel).getScheduleAttr());
  }
  template <typename Schedule> Schedule scheduleIf() const {
    return mlir::dyn_cast<Schedule>(KernelOp(kernel).getScheduleAttr());
  }
  YieldOp getYield() { return kernel.getYield(); }

  // Functions.

  /// Adds a stage: `tasks` gives the number of its tasks (called where the sizes are known), `body`
  /// emits the tasks [begin, end).
  void addStage(std::function<mlir::Value()> tasks,
                llvm::function_ref<void(mlir::Value begin, mlir::Value end)> body);
  /// Adds a temporary buffer of `bytes` bytes and returns its number among the buffers. Only the
  /// first stage that uses it may write it. So a stage that reads inputs and writes temporaries, as
  /// one that packs, need not run again as long as these inputs have the values that they had.
  unsigned addTemporary(std::function<mlir::Value()> bytes);
  /// Adds a function that a stage calls: (buffers, sizes, indices...). Returns its name.
  std::string addHelper(unsigned pointers, unsigned indices,
                        llvm::function_ref<void(mlir::ValueRange)> body);
  /// Calls a helper with the current stage's buffers and sizes.
  void callHelper(llvm::StringRef name, mlir::ValueRange arguments);
  /// Calls a function that is not part of the kernel, of pointers and integers, without a result.
  void callExternal(llvm::StringRef name, mlir::ValueRange arguments);
  /// Emits @K_setup; after all stages. Fails if an op could not be computed, which was reported.
  llvm::LogicalResult finish();

  // ElementEmitter.

  mlir::OpBuilder &builder() override { return current; }
  mlir::Location location() override { return currentLocation; }
  int64_t laneCount() override { return lanes; }
  /// How many elements a vector has, from here on; 1 before.
  void setLaneCount(int64_t count) { lanes = count; }
  mlir::Value element(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices) override;
  mlir::Value size(mlir::Value tensor, unsigned dimension) override;
  mlir::Value launchParameter(int64_t number) override {
    return symbol(kernel.getSizeCount() + number);
  }
  mlir::Value guarded(mlir::Value condition, mlir::Value otherwise,
                      llvm::function_ref<mlir::Value()> body) override;
  mlir::Value elementWithin(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices,
                            llvm::ArrayRef<unsigned> checked, mlir::Value otherwise) override;
  bool areKnownInside(mlir::Value result, llvm::ArrayRef<ElementIndex> indices) override;
  bool isJammed() override { return jammed; }

  // Sizes and memory.

  /// The value of a symbolic size, of type index.
  mlir::Value symbol(int64_t number);
  /// The value of a parameter of the launch, of type `type`. Parameters follow the sizes: a number
  /// is given as a double's bits, an integer as itself.
  mlir::Value parameter(int64_t number, mlir::Type type);
  /// The distance of neighbours along `dimension` of a dense tensor of `type`, in elements.
  mlir::Value stride(mlir::Type type, unsigned dimension);
  /// The product of sizes.
  mlir::Value product(llvm::ArrayRef<int64_t> symbols);
  /// The base pointer of input, output or temporary `number` in the order of the kernel's buffers.
  mlir::Value buffer(unsigned number);
  /// For calls of `programFault`: the address behind those of the buffers, of a kernel without
  /// temporaries. There an object's caller says where to note what went wrong.
  mlir::Value behindBuffers();
  unsigned outputBuffer(unsigned output) { return kernel.getArgumentTypes().size() + output; }
  /// Memory on the stack of the function, aligned to 64 bytes.
  mlir::Value allocate(mlir::Type stored, int64_t elements);
  /// `pointer` moved by `offset` (index or vector of i64) elements of `stored`.
  mlir::Value offset(mlir::Value pointer, mlir::Type stored, mlir::Value offset);
  /// The type that an element of `dtype` has in memory.
  static mlir::Type storedType(mlir::Type dtype);
  /// The value in memory, widened for computing, and back.
  mlir::Value widen(mlir::Value stored, mlir::Type dtype);
  mlir::Value narrow(mlir::Value computed, mlir::Type dtype);
  /// `computed` as if it had been stored in `dtype` and read again.
  mlir::Value roundTo(mlir::Value computed, mlir::Type dtype);
  /// Loads `count` neighbouring elements (0: a scalar) under the current mask. The alignment is in
  /// bytes; 0: that of one element.
  mlir::Value loadVector(mlir::Value pointer, mlir::Type stored, int64_t count,
                         unsigned alignment = 0);
  /// Asks for the memory `bytes` behind a pointer, or an element of an input, which need not exist.
  void prefetch(mlir::Value pointer, int64_t bytes);
  void prefetch(mlir::BlockArgument argument, llvm::ArrayRef<ElementIndex> indices, int64_t bytes);
  void storeVector(mlir::Value value, mlir::Value pointer, unsigned alignment = 0);
  /// The elements of output `output` as they are now.
  mlir::Value loadOutput(unsigned output, llvm::ArrayRef<ElementIndex> indices);
  /// Stores elements of output `output` (scalars or vectors, as `element` gives them), those of a
  /// vector side by side.
  void storeOutput(unsigned output, llvm::ArrayRef<ElementIndex> indices, mlir::Value value);
  /// The same wherever the elements of a vector are.
  void scatterOutput(unsigned output, llvm::ArrayRef<ElementIndex> indices, mlir::Value value);
  /// Stores the elements at `indices` of all results that `isWanted` accepts. All are computed
  /// before the first is stored, as results may be written over inputs (`weft.donated`).
  void storeResults(
      llvm::ArrayRef<ElementIndex> indices,
      llvm::function_ref<bool(mlir::Value)> isWanted = [](mlir::Value) { return true; });
  /// The same, of all results, wherever the elements of a vector are.
  void scatterResults(llvm::ArrayRef<ElementIndex> indices);
  /// The same, of all results, at several places.
  void storeNeighbours(llvm::ArrayRef<llvm::SmallVector<ElementIndex>> places);
  /// From here on the one result is stored in the frame around it (`frameOf`), if the kernel has
  /// one: indices are those of what is computed for it. The stage is one of `addFramedStage` then.
  void storeInFrame() { framing = frameOf(kernel); }
  const std::optional<Frame> &frame() const { return framing; }
  /// The value whose elements the stages compute for result `number`.
  mlir::Value computedResult(unsigned number);

  // Control.

  mlir::Value index(int64_t value) { return constantIndex(value); }
  mlir::Value addIndex(mlir::Value x, mlir::Value y);
  mlir::Value subtractIndex(mlir::Value x, mlir::Value y);
  mlir::Value multiplyIndex(mlir::Value x, mlir::Value y);
  virtual mlir::Value divideIndex(mlir::Value x, mlir::Value y);
  virtual mlir::Value remainderIndex(mlir::Value x, mlir::Value y);
  mlir::Value minimumIndex(mlir::Value x, mlir::Value y);
  mlir::Value maximumIndex(mlir::Value x, mlir::Value y);
  mlir::Value ceilDivideIndex(mlir::Value x, int64_t y);
  mlir::Value isLess(mlir::Value x, mlir::Value y);
  /// The indices of `linear` in row-major order over `sizes`.
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear, llvm::ArrayRef<mlir::Value> sizes);

  using LoopBody =
      llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  /// A loop with carried values; returns their last values.
  llvm::SmallVector<mlir::Value> loop(mlir::Value low, mlir::Value high, int64_t step,
                                      mlir::ValueRange carried, LoopBody body);
  void loop(mlir::Value low, mlir::Value high, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);
  void loop(mlir::Value low, mlir::Value high, mlir::Value step,
            llvm::function_ref<void(mlir::Value)> body);
  llvm::SmallVector<mlir::Value> loop(mlir::Value low, mlir::Value high, mlir::Value step,
                                      mlir::ValueRange carried, LoopBody body);
  /// A loop that goes on as long as `condition` of the carried values holds; returns the last ones.
  llvm::SmallVector<mlir::Value>
  loopWhile(mlir::ValueRange carried, llvm::function_ref<mlir::Value(mlir::ValueRange)> condition,
            llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange)> body);
  void ifTrue(mlir::Value condition, llvm::function_ref<void()> body);
  /// What `body` gives if the condition is true, else `otherwise`.
  llvm::SmallVector<mlir::Value> ifTrue(mlir::Value condition, mlir::ValueRange otherwise,
                                        llvm::function_ref<llvm::SmallVector<mlir::Value>()> body);
  /// Calls `body(index, carried)` for the vectors that cover [low, high): whole ones, then the rest
  /// under a mask. The lanes of the rest beyond `high` hold unspecified values.
  llvm::SmallVector<mlir::Value> vectorLoop(mlir::Value low, mlir::Value high,
                                            mlir::ValueRange carried, LoopBody body);
  void vectorLoop(mlir::Value low, mlir::Value high, llvm::function_ref<void(mlir::Value)> body);
  /// The lanes of the current vector that count, or null for all.
  mlir::Value mask() const { return laneMask; }
  /// Lanes below `count` (index).
  mlir::Value lanesBelow(mlir::Value count);
  /// Emits `body` under a mask (null: all lanes), with values of its own.
  void withMask(mlir::Value mask, llvm::function_ref<void()> body);

  /// Emits `body` so that what is computed at places some way apart is computed once, and nothing
  /// in branches. At these `places`, of all dimensions but the innermost, IndexedOpInterface's
  /// emitAreInside is known to hold for the ops of `results`.
  void withJam(mlir::ValueRange results, llvm::ArrayRef<llvm::SmallVector<mlir::Value>> places,
               llvm::function_ref<void()> body);

  /// Makes `element` return `value` for `tensor`, whatever the indices.
  void override(mlir::Value tensor, mlir::Value value) { overrides[tensor] = value; }
  void clearOverride(mlir::Value tensor) { overrides.erase(tensor); }
  void clearOverrides() { overrides.clear(); }
  /// Reads elements of inputs in the kernel's stead; null: they are read where they are.
  using Reader = std::function<mlir::Value(mlir::BlockArgument, llvm::ArrayRef<ElementIndex>)>;
  void setReader(Reader newReader) { reader = std::move(newReader); }

protected:
  mlir::Value sum(mlir::Value x, mlir::Value y) override;
  mlir::Value multiple(mlir::Value x, int64_t factor) override;
  /// A size (or parameter) and a buffer's base pointer, read at the start of the function.
  virtual mlir::Value readSize(int64_t number);
  virtual mlir::Value readBuffer(unsigned number);
  /// The alignment of `count` elements of `stored` that lie `offset` elements from the base of a
  /// buffer, in bytes.
  virtual unsigned alignmentOf(mlir::Type stored, mlir::Value offset, int64_t count);

  /// A function of the kernel; its body is begun by `enter`.
  mlir::func::FuncOp createFunction(const llvm::Twine &name, mlir::TypeRange arguments);
  void enter(mlir::func::FuncOp function);
  /// Emits at the start of the function, after what was emitted there before.
  mlir::Value atEntry(llvm::function_ref<mlir::Value()> emit);

  KernelOp kernel;
  mlir::OpBuilder module, current;
  std::vector<std::function<mlir::Value()>> stageTasks, temporaryBytes;
  int64_t lanes = 1;
  /// The numbers of what a function uses, with its helpers.
  struct Use {
    std::set<int64_t> buffers, sizes;
  };
  std::vector<Use> stageUses;

private:
  /// The elements of the results, by their numbers.
  llvm::SmallVector<std::pair<unsigned, mlir::Value>>
  resultsAt(llvm::ArrayRef<ElementIndex> indices, llvm::function_ref<bool(mlir::Value)> isWanted);

  using Key = std::vector<const void *>;
  /// What was made under this key where it can be used here, or null.
  mlir::Value remembered(const Key &key) const;
  /// That, or what `make` gives; in a jam alone, where it pays.
  mlir::Value shared(const Key &key, llvm::function_ref<mlir::Value()> make);
  mlir::Value plus(mlir::Value x, int64_t constant);
  mlir::Value areWithin(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices,
                        llvm::ArrayRef<unsigned> dimensions);
  mlir::Value compute(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices);
  /// Reports an op that is read where its template does not have it; `finish` fails then.
  mlir::Value refuse(mlir::Operation *op);
  /// Where the elements of a vector lie: at `base`, from the start of a buffer of `stored`, without
  /// what `laneOffsets` adds.
  struct Place {
    mlir::Value pointer;
    mlir::Type stored;
    mlir::Value base;
    bool isUniform = true, isContiguous = true, isEverySecond = true;
  };
  Place placeOf(unsigned number, mlir::Type type, llvm::ArrayRef<ElementIndex> indices);
  llvm::SmallVector<ElementIndex> placesInFrame(llvm::ArrayRef<ElementIndex> indices);
  mlir::Value load(unsigned number, mlir::Type type, llvm::ArrayRef<ElementIndex> indices);
  mlir::Value everyOf(mlir::Value run, int64_t step);
  void storeApart(mlir::Value elements, const Place &place, mlir::Value distance);
  mlir::Value loadEverySecond(const Place &place);
  mlir::Value neighboursWithin(mlir::Value first, mlir::Value size, int64_t count,
                               mlir::Value condition);
  /// What each lane adds to the place of the first, in elements.
  mlir::Value laneOffsets(mlir::Type type, llvm::ArrayRef<ElementIndex> indices);
  mlir::Value fullMask();
  mlir::Value gather(mlir::Value pointer, mlir::Type stored, mlir::Value offsets);
  Key keyOf(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices) const;
  mlir::Value guardedByScalar(mlir::Value condition, mlir::Value otherwise,
                              llvm::function_ref<mlir::Value()> body);

  mlir::Location currentLocation;
  unsigned helperCount = 0;
  /// By the names of helpers.
  std::map<std::string, Use> helperUses;

  // State of the function being emitted.
  mlir::Value buffersPointer, sizesPointer, laneMask;
  bool refused = false;
  mlir::Block *entryBlock = nullptr;
  mlir::Operation *lastEntryOp = nullptr;
  std::map<int64_t, mlir::Value> symbolValues;
  std::map<unsigned, mlir::Value> bufferValues;
  Use use;
  std::map<llvm::SmallVector<int64_t>, mlir::Value> products;
  llvm::DenseMap<mlir::Value, mlir::Value> overrides;
  Reader reader;
  std::optional<Frame> framing;
  std::vector<std::map<Key, mlir::Value>> scopes;
  bool jammed = false;
  std::set<Key> knownInside;
};

// The templates, one for each kind of kernel. Each emits all stages.

/// A task of a kernel of rank 1 is `grain` elements.
void emitElementwise(KernelEmitter &emitter);
/// The same for a kernel with an operand that lies the other way round: a task is a tile of `rows`.
void emitTransposition(KernelEmitter &emitter, int64_t rows);
void emitRowReduction(KernelEmitter &emitter);
void emitColumnReduction(KernelEmitter &emitter);
void emitContraction(KernelEmitter &emitter);
void emitUpdate(KernelEmitter &emitter);
void emitVectorSort(KernelEmitter &emitter);

/// True if the function is part of a plan, which is on tensors.
bool isOnTensors(mlir::func::FuncOp function);

/// The symbolic sizes of a tensor type inside a kernel.
llvm::ArrayRef<int64_t> symbolsOf(mlir::Type type);

} // namespace weft
