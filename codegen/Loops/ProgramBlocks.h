// The blocks of a user's program (weft.program): where they are, and how their elements are
// computed, those of weft.program_load and weft.program_store among them.
#pragma once

#include "codegen/Loops/KernelEmitter.h"
#include "dialects/Weft/IR/Program.h"

namespace weft {

/// Gives elements of blocks: of a number in a register, of a block in memory, or, element by
/// element where they are asked for, of what is computed from these.
///
/// In memory the rows of a block are filled up to whole vectors, so that vectors along it need no
/// mask; what is in the lanes behind the end of a row is not specified.
class ProgramBlocks : public ElementEmitter {
public:
  ProgramBlocks(KernelEmitter &emitter, ProgramOp program) : emitter(emitter), program(program) {}

  mlir::OpBuilder &builder() override { return emitter.builder(); }
  mlir::Location location() override { return emitter.location(); }
  int64_t laneCount() override { return emitter.laneCount(); }
  mlir::Value element(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices) override;
  mlir::Value size(mlir::Value tensor, unsigned dimension) override {
    return emitter.index(shapeOf(tensor)[dimension]);
  }
  mlir::Value launchParameter(int64_t number) override { return emitter.launchParameter(number); }
  mlir::Value guarded(mlir::Value condition, mlir::Value otherwise,
                      llvm::function_ref<mlir::Value()> body) override;

  static llvm::ArrayRef<int64_t> shapeOf(mlir::Value tensor) {
    return mlir::cast<mlir::RankedTensorType>(tensor.getType()).getShape();
  }
  static bool isNumber(mlir::Value tensor) { return shapeOf(tensor).empty(); }

  // Where values are.

  void keep(mlir::Value number, mlir::Value scalar) { numbers[number] = scalar; }
  void keepAt(mlir::Value block, mlir::Value pointer) { pointers[block] = pointer; }
  /// `argument` of a region is `value` of around.
  void keepAs(mlir::Value argument, mlir::Value value) { others[argument] = value; }
  mlir::Value resolved(mlir::Value value) const;
  mlir::Value number(mlir::Value tensor);
  /// The memory of a block that is kept there.
  mlir::Value pointer(mlir::Value tensor) const { return pointers.lookup(resolved(tensor)); }
  /// A number that was computed; null if it was not.
  mlir::Value knownNumber(mlir::Value tensor) const { return numbers.lookup(resolved(tensor)); }
  /// Memory for a block, on the stack unless `placeAt` says where.
  virtual mlir::Value allocate(mlir::Value tensor);
  void placeAt(mlir::Value tensor, mlir::Value pointer) { wanted.try_emplace(tensor, pointer); }
  /// The bytes of it, about. Blocks behind one another are thirds of a page apart: a processor
  /// takes a load for one of what was just stored a page further on, and waits.
  static double bytesOf(mlir::Value tensor, int64_t lanes);
  /// How far the rows of a block are apart in memory, in elements.
  static int64_t rowDistance(llvm::ArrayRef<int64_t> shape, int64_t lanes);

  /// Says which program is emitted, by its number in the grid, of type index.
  void setProgram(mlir::Value number) { ownNumber = number; }

  // Walking over blocks.

  using Visit = llvm::function_ref<void(llvm::ArrayRef<ElementIndex>)>;
  /// Emits `body` for the places along the dimensions `axes` of `shape`, the outermost first; the
  /// others are those of `indices`. Along the innermost dimension of all, places are vectors, whose
  /// last one has a `tail` if it is not full.
  void forEachPlace(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> axes,
                    llvm::SmallVector<ElementIndex> &indices, Visit body);
  void forEachPlace(llvm::ArrayRef<int64_t> shape, Visit body);
  using RowVisit =
      llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value position, mlir::ValueRange)>;
  /// A loop over the vectors of a row of `size` elements, with carried values; the last one has a
  /// `tail`. If accesses are in it there are several: what is there and wanted of a row has no
  /// masks and comparisons. What is carried may be so in `rowChains` parts, if `combine` makes one
  /// of two, and `identity` is what adds nothing: steps that wait for the one before then overlap.
  struct Chains {
    llvm::SmallVector<mlir::Value> identity;
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange, mlir::ValueRange)> combine;
  };
  /// Rows that have to be checked are what `otherwise` emits, if it is given.
  using Otherwise = llvm::function_ref<llvm::SmallVector<mlir::Value>()>;
  llvm::SmallVector<mlir::Value> alongRow(int64_t size, mlir::ValueRange carried, RowVisit visit,
                                          const Chains *chains = nullptr,
                                          Otherwise otherwise = nullptr);
  /// Emits `body` with rows whose loops are not the innermost ones, and so have one form.
  void withinRows(llvm::function_ref<void()> body) {
    bool outer = std::exchange(isInnermost, false);
    body();
    isInnermost = outer;
  }
  /// True where it is asked whether a row is whole: what is emitted then computes nothing.
  bool isAsking() const { return mode == Mode::Asking; }
  /// The lanes of the place being walked that are in the block; null: all.
  mlir::Value tail() const { return laneTail; }
  /// Emits `body` where no element that was computed before may be used, nor one of its own behind.
  void apart(llvm::function_ref<void()> body) {
    auto outer = std::exchange(elements, {});
    body();
    elements = std::move(outer);
  }

  /// Writes the elements of a block that are at `indices` to memory at `pointer`.
  void write(mlir::Value tensor, mlir::Value pointer, llvm::ArrayRef<ElementIndex> indices);
  /// Computes all of `tensor` into memory at `pointer`.
  virtual void fill(mlir::Value tensor, mlir::Value pointer);
  /// `tensor` has this element, until `apart` ends.
  void give(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices, mlir::Value element) {
    elements[keyOf(tensor, indices)] = element;
  }
  /// Stores the elements of a block that are at `indices`; `isAll`: zeros where the mask is false.
  void store(ProgramStoreOp op, llvm::ArrayRef<ElementIndex> indices, bool isAll);
  /// Where a block's element is, in elements; padded rows.
  mlir::Value offsetIn(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<ElementIndex> indices);

protected:
  /// Tells of an index along a dimension that has `size` elements; or, with a dimension of -1, of
  /// another program, `size`, that stored where program `index` does. All are integers.
  virtual void note(llvm::StringRef site, int64_t dimension, mlir::Value index, mlir::Value size);

  KernelEmitter &emitter;
  ProgramOp program;
  llvm::DenseMap<mlir::Value, mlir::Value> wanted;

private:
  struct Place;
  /// How accesses are emitted: with all checks; not at all, but for what has to hold in a row where
  /// none is needed; with masks alone, as all is there that they want; or without, as they want
  /// all.
  enum class Mode { Checked, Asking, Masked, Whole };
  llvm::SmallVector<mlir::Value> vectorsOfRow(int64_t size, mlir::ValueRange carried,
                                              RowVisit visit, const Chains *chains,
                                              mlir::Value length);
  llvm::SmallVector<mlir::Value> inChains(int64_t end, mlir::ValueRange carried, RowVisit visit,
                                          const Chains &chains, mlir::Value length);
  llvm::SmallVector<mlir::Value> inTwo(int64_t begin, int64_t end, int64_t step,
                                       llvm::SmallVector<mlir::Value> values, RowVisit body,
                                       mlir::Value length);
  /// Part of the order of sums.
  static constexpr int64_t rowChains = 4;
  /// More than any row has, and so that a difference of two is a number.
  static constexpr int64_t farAway = int64_t(1) << 61;
  mlir::Value lengthOfRow(int64_t size, mlir::ValueRange carried, RowVisit visit);
  mlir::Value lengthOf(mlir::Value mask);
  mlir::Value atMostWanted(mlir::Value mask);
  llvm::SmallVector<mlir::Value> inBranches(mlir::Value condition, mlir::TypeRange types,
                                            Otherwise body, Otherwise otherwise);
  mlir::Value allWhere(mlir::Value condition);
  mlir::Value below(const ElementIndex &run, mlir::Value bound);
  void askForMask(mlir::Value tensor, mlir::Value mask);
  bool ask(const ElementIndex &index, mlir::Value size);
  mlir::Value compute(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices);
  llvm::SmallVector<ElementIndex> reshaped(llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to,
                                           llvm::ArrayRef<ElementIndex> indices);
  mlir::Value read(mlir::Value tensor, mlir::Value pointer, llvm::ArrayRef<ElementIndex> indices);
  mlir::Value readEach(mlir::Value pointer, mlir::Type stored, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<ElementIndex> indices);
  mlir::Value load(ProgramLoadOp op, llvm::ArrayRef<ElementIndex> indices);
  mlir::Value anyOf(mlir::Value present);
  mlir::Value loadRun(const Place &place);
  mlir::Value insideOf(ProgramStoreOp op, mlir::Type tensor, llvm::ArrayRef<ElementIndex> indices);
  /// The element that is at `index` of each index operand, as one of a tensor of the program.
  Place placeOf(mlir::Type tensor, unsigned buffer, mlir::ValueRange operands, mlir::Value mask,
                llvm::StringRef site, llvm::ArrayRef<ElementIndex> indices);
  void check(Place &place, llvm::StringRef site, unsigned dimension, mlir::Value integer,
             const ElementIndex &index, mlir::Value size);
  mlir::Value asLanes(mlir::Value mask);
  void report(const Place &place, llvm::StringRef site, unsigned dimension, mlir::Value bad,
              mlir::Value index, mlir::Value size);
  mlir::Value siteText(llvm::StringRef site);
  mlir::Value both(mlir::Value left, mlir::Value right);
  mlir::Value full(mlir::Value mask);
  ElementIndex asRun(mlir::Value integer);
  llvm::SmallVector<mlir::Value> sizesOf(mlir::Type tensor, size_t count);

  /// In a program that is checked: says that this one stores to the place, and reports another one
  /// that did.
  void claim(unsigned result, const Place &place, bool isScalar, llvm::StringRef site);
  void claimOne(mlir::Value owners, mlir::Value offset, llvm::StringRef site);
  /// Emits `body` for each element that is there, with its offset and lane (-1: of a scalar).
  void forEachElement(const Place &place, bool isScalar,
                      llvm::function_ref<void(mlir::Value offset, int64_t lane)> body);
  /// Makes elements of these and those of `value`, one after the other.
  void combine(ProgramStoreOp op, const Place &place, bool isScalar, mlir::Value value);
  void combineOne(ProgramStoreOp op, mlir::Value address, mlir::Value value);

  mlir::Value ownNumber;
  using Key = std::vector<const void *>;
  static Key keyOf(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices);

  llvm::DenseMap<mlir::Value, mlir::Value> numbers, pointers, others;
  std::map<Key, mlir::Value> elements;
  mlir::Value laneTail;
  Mode mode = Mode::Checked;
  bool isInnermost = true;
  /// For how many elements of a row accesses are there, and masks true.
  llvm::SmallVector<mlir::Value> lengths, maskLengths;
  /// While asking: the size of the row, and how many elements of it the access wants at most.
  mlir::Value rowSize, mostWanted;
  /// Whether some access to a row may want an element that is not there; null: none does.
  mlir::Value isAmiss;
  /// Blocks of truth values that are true in a row that is whole.
  llvm::DenseSet<mlir::Value> held, masks;
};

/// The program of a kernel.
ProgramOp programOf(KernelOp kernel);

/// How many bytes the blocks of a program that are in memory take, and what an op needs beside.
int64_t bytesOfProgram(ProgramOp program, llvm::function_ref<double(mlir::Value)> bytesOf,
                       llvm::function_ref<double(mlir::Operation *)> scratchOf);

/// How many bytes of the stack a program takes, with vectors of `lanes`.
int64_t stackBytesOf(ProgramOp program, int64_t lanes);

/// Emits the stages of a kernel that is a program.
void emitProgram(KernelEmitter &emitter);

} // namespace weft
