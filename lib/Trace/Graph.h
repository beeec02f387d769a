// A weft function under construction.
#pragma once

#include "lib/Runtime/TensorSignature.h"
#include "lib/Trace/OpCall.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "passes/autodiff/Linearize.h"

#include "llvm/ADT/DenseSet.h"

#include <complex>
#include <optional>

namespace weft {

/// Names a value of a graph.
using ValueId = uint32_t;

/// Builds `func.func @main` op by op. Errors of ops are thrown as weft::Error, with the op's Python
/// name, and leave the graph as it was.
class Graph {
public:
  Graph();

  /// Adds an argument. A weak one is a Python scalar: its dtype gives way to that of tensors.
  ValueId addInput(DType dtype, llvm::ArrayRef<int64_t> shape, bool weak = false);

  /// Says that the caller may give up the buffer of input `number`.
  void donateInput(unsigned number) { donated.push_back(number); }

  /// Says that input `number` is a tensor from outside, which keeps its storage from call to call
  /// as long as nobody gives it another value.
  void hideInput(unsigned number) { hidden.push_back(number); }

  unsigned inputCount() const { return main->getNumArguments(); }
  TensorSignature inputSignature(unsigned number) const;

  /// Applies an op after promoting its operands; the results, in order.
  llvm::SmallVector<ValueId, 1> apply(const OpCall &call, llvm::ArrayRef<ValueId> operands,
                                      mlir::Location location);

  /// A weak scalar as an operand of an op that does not meet it with tensors: of the dtype that
  /// Python's number has as a tensor, or of that which the op gives it (a cast: none comes
  /// between).
  ValueId strengthened(const OpCall &call, ValueId number, mlir::Location location);

  /// A scalar as one of Python's numbers: its dtype gives way to that of tensors.
  ValueId weakened(ValueId value) { return record(values[value].value, true); }

  /// A tensor all of whose elements are `value`, or a weak scalar.
  ValueId constant(DType dtype, llvm::ArrayRef<int64_t> shape, double value, bool weak,
                   mlir::Location location);
  /// The same for an integer or bool.
  ValueId constant(DType dtype, llvm::ArrayRef<int64_t> shape, int64_t value, bool weak,
                   mlir::Location location);

  /// The same for a complex dtype.
  ValueId constant(DType dtype, llvm::ArrayRef<int64_t> shape, std::complex<double> value,
                   mlir::Location location);

  /// The number that a size stands for, a 0-d int64.
  ValueId sizeValue(int64_t size, bool weak, mlir::Location location);

  /// Notes that a size may not be negative, whatever its symbols stand for; else `error` is raised:
  /// of a region when it runs, else where the symbols get values, here for a number. Kind: Value.
  void require(int64_t size, const std::string &error);

  /// `value` converted to `dtype`; the same value if it has that dtype.
  ValueId cast(ValueId value, DType dtype, mlir::Location location);

  /// A value equal to `value` that differentiation can tell from it.
  ValueId alias(ValueId value, mlir::Location location);

  /// Gradients of `output` (times the cotangent) for `inputs`; nullopt where it is zero. Throws if
  /// an op on the way has no derivative.
  llvm::SmallVector<std::optional<ValueId>> gradients(llvm::ArrayRef<ValueId> outputs,
                                                      llvm::ArrayRef<ValueId> cotangents,
                                                      llvm::ArrayRef<ValueId> inputs);

  /// Tangents of `outputs` where those of `inputs` are `tangents`; nullopt where it is zero. Throws
  /// if an op on the way has no derivative.
  llvm::SmallVector<std::optional<ValueId>> tangents(llvm::ArrayRef<ValueId> outputs,
                                                     llvm::ArrayRef<ValueId> inputs,
                                                     llvm::ArrayRef<ValueId> tangents);

  /// A linear function that was cut out of a graph, and what it keeps of it.
  struct LinearPart {
    mlir::OwningOpRef<mlir::ModuleOp> function;
    llvm::SmallVector<ValueId> kept;
  };
  /// The function from tangents of `inputs` to those of `outputs`. Throws as `tangents`.
  LinearPart linearized(llvm::ArrayRef<ValueId> outputs, llvm::ArrayRef<ValueId> inputs);
  /// The function from cotangents of `outputs`, which are linear in `inputs`, to those of the
  /// inputs. Throws, naming the op, if they are not.
  LinearPart transposed(llvm::ArrayRef<ValueId> outputs, llvm::ArrayRef<ValueId> inputs);

  /// The value itself, by a name that checkpoints know.
  ValueId named(ValueId value, llvm::StringRef name, mlir::Location location);

  /// Of all examples of an axis, of which this one has the number `index`: the sum of `value`, the
  /// values, or the sum of those that each has for this one.
  ValueId sumOfExamples(ValueId value, ValueId index, mlir::Location location);
  ValueId gatherOfExamples(ValueId value, ValueId index, int64_t count, mlir::Location location);

  /// A value that stands for one example of `batch`, which has them along its first dimension.
  ValueId example(ValueId batch, mlir::Location location);

  /// The outputs of one example for all: with a first dimension of `count`, as the `batches` have
  /// in whose place `examples` stand; nullopt for an output that no example has part in. Nothing
  /// may use values of one example afterwards. Throws if an op on the way can't be batched.
  llvm::SmallVector<std::optional<ValueId>> batched(llvm::ArrayRef<ValueId> outputs,
                                                    llvm::ArrayRef<ValueId> examples,
                                                    llvm::ArrayRef<ValueId> batches, int64_t count);

  /// Says that nothing may use values any more that depend on these, of one example each.
  void forget(llvm::ArrayRef<ValueId> examples);

  /// Begins a region of control flow: its arguments, of these types. What is built from now on is
  /// in it, and may read values of around.
  llvm::SmallVector<ValueId> beginRegion(llvm::ArrayRef<std::pair<DType, Shape>> types);
  /// Ends it; nothing may use its values any more. The next op with regions takes it.
  void endRegion(llvm::ArrayRef<ValueId> results);
  /// Forgets the innermost region, or the last `ended` ones that no op has taken.
  void dropRegion();
  void dropEndedRegions(size_t ended);

  /// Lets the last regions hand on a value of around, `former`, that they change: `next` has for
  /// each what it makes of it, nothing if it leaves it alone. It is one more result of each region,
  /// number `yield`; with `argument` it comes to each in an argument of that number. A region that
  /// only gets it, as the condition of a loop, is told by `yields`.
  void handOn(ValueId former, llvm::ArrayRef<std::optional<ValueId>> next,
              llvm::ArrayRef<bool> yields, std::optional<size_t> argument, size_t yield);

  /// Ops of the regions that were ended last: one, two (condition and body), and `branches`.
  llvm::SmallVector<ValueId> scan(llvm::ArrayRef<ValueId> init, llvm::ArrayRef<ValueId> scanned,
                                  int64_t count, bool reverse, mlir::Location location);
  llvm::SmallVector<ValueId> whileLoop(llvm::ArrayRef<ValueId> init, mlir::Location location);
  llvm::SmallVector<ValueId> choose(ValueId index, size_t branches, mlir::Location location);
  /// `saves` and `names` are the policy (weft.checkpoint); a negative budget is none.
  llvm::SmallVector<ValueId> checkpoint(llvm::StringRef saves, llvm::ArrayRef<std::string> names,
                                        int64_t budget, mlir::Location location);
  /// Its regions are the body, then `rules` rules.
  llvm::SmallVector<ValueId> customDerivative(llvm::StringRef name, llvm::ArrayRef<ValueId> inputs,
                                              size_t rules, mlir::Location location);

  // Parts of a user's program over blocks, built in the region that was begun last, and the program
  // of the region that was ended last (dialects/Weft/IR/ProgramOps.td).

  /// A block of elements.
  struct BlockAccess {
    int64_t number;
    std::string site;
    llvm::SmallVector<ValueId> indices;
    std::optional<ValueId> mask, other;
  };
  ValueId programNumber(llvm::StringRef what, int64_t first, int64_t second,
                        mlir::Location location);
  ValueId programLoad(const BlockAccess &access, DType dtype, llvm::ArrayRef<int64_t> shape,
                      mlir::Location location);
  /// The state of the results behind it. What is written is combined with the element that is
  /// there, if `combine` is not empty.
  ValueId programStore(ValueId state, ValueId value, const BlockAccess &access,
                       llvm::StringRef combine, mlir::Location location);
  struct ProgramCall {
    std::string name;
    llvm::SmallVector<int64_t> grid, initial;
    llvm::SmallVector<std::pair<DType, Shape>> results;
    /// The second half of the results are who stored to the elements of the first, as
    /// `ProgramBlocks` needs to find two that store to one.
    bool isChecked = false;
  };
  /// Throws if the region reads values of around.
  llvm::SmallVector<ValueId> program(const ProgramCall &call, llvm::ArrayRef<ValueId> inputs,
                                     mlir::Location location);

  /// True if nothing may use the value any more.
  bool isGone(ValueId value) const { return values[value].gone != Gone::No; }

  /// Copies the body of another finished graph to here; its results. For an op of it `known` may
  /// name one that is here already and has the same results.
  llvm::SmallVector<ValueId>
  inlineCall(mlir::ModuleOp callee, llvm::ArrayRef<ValueId> arguments,
             llvm::function_ref<mlir::Operation *(mlir::Operation &)> known = nullptr);

  /// The op that was built last; null if there is none.
  mlir::Operation *lastOperation() const { return block->empty() ? nullptr : &block->back(); }
  /// Those that were built after it.
  llvm::SmallVector<mlir::Operation *> operationsSince(mlir::Operation *last) const;

  DType dtype(ValueId value) const;
  llvm::ArrayRef<int64_t> shape(ValueId value) const;
  bool isWeak(ValueId value) const { return values[value].weak; }

  size_t valueCount() const { return values.size(); }
  /// The value itself; null for one of an example of a batch that is done.
  mlir::Value value(ValueId id) const { return isGone(id) ? mlir::Value() : values[id].value; }
  /// The values that depend on an example of a batch that is not done.
  llvm::DenseSet<mlir::Value> valuesOfExamples() const;

  /// Ends the function. The graph can't be used any more.
  mlir::OwningOpRef<mlir::ModuleOp> finish(llvm::ArrayRef<ValueId> outputs);

  mlir::Location location(llvm::StringRef file, int line);
  mlir::Location unknownLocation();

private:
  /// Why there is no such value any more: it depends on an example of a batch that is done, or is
  /// of a region that is.
  enum class Gone : uint8_t { No, Example, Region };
  struct Entry {
    mlir::Value value;
    bool weak;
    Gone gone = Gone::No;
  };
  /// A region that is being built, and what was built before it.
  struct OpenRegion {
    std::unique_ptr<mlir::Region> region;
    mlir::Block *around;
    mlir::Operation *lastCounted;
    size_t firstValue;
  };

  DType dtypeAsOperand(const OpCall &call, ValueId number) const;
  ValueId record(mlir::Value value, bool weak);
  mlir::Value promoted(mlir::Value value, DType dtype, llvm::ArrayRef<int64_t> shape,
                       mlir::Location location);
  ValueId constantAttribute(mlir::Attribute value, DType dtype, llvm::ArrayRef<int64_t> shape,
                            bool weak, mlir::Location location);

  llvm::SmallVector<mlir::Value> select(llvm::ArrayRef<ValueId> ids) const;
  /// Throws, naming `user`, if one of the values is of one example of a batch that is done.
  void requirePresent(llvm::ArrayRef<ValueId> ids, llvm::StringRef user) const;
  /// The values that `build` makes at the end of the function; throws its first error, behind
  /// `what`.
  llvm::SmallVector<mlir::Value>
  built(llvm::StringRef what,
        llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>()> build);

  using BuildLinear = llvm::function_ref<llvm::FailureOr<LinearFunction>(
      llvm::DenseMap<mlir::Value, mlir::Value> &replaced)>;
  LinearPart cut(llvm::StringRef what, BuildLinear build);

  /// Leaves the innermost region.
  std::unique_ptr<mlir::Region> leaveRegion();
  /// Makes arguments of what the last `count` regions read of around; these values.
  llvm::SmallVector<mlir::Value> capture(size_t count);
  /// The results of an op that takes the last `count` regions.
  llvm::SmallVector<ValueId> takeRegions(mlir::OperationState &state, size_t count);

  /// Uses other values in the place of those that `replaced` names; results of these.
  llvm::SmallVector<std::optional<ValueId>>
  recordAll(llvm::ArrayRef<mlir::Value> made,
            const llvm::DenseMap<mlir::Value, mlir::Value> &replaced);

  /// Throws if the function has become longer than WEFT_MAX_OPERATIONS.
  void checkLength();

  mlir::OpBuilder builder;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The function's body, and where ops are built: that, or a region.
  mlir::Block *main, *block;
  std::vector<OpenRegion> openRegions;
  /// The sizes that may not be negative, and the errors if they are.
  llvm::SmallVector<std::pair<int64_t, std::string>> required;
  std::vector<std::unique_ptr<mlir::Region>> endedRegions, droppedRegions;
  llvm::SmallVector<Entry> values;
  llvm::SmallVector<unsigned> donated, hidden;
  llvm::SmallVector<ValueId> openExamples;
  /// The ops of the function up to the last one that was counted.
  size_t length = 0;
  mlir::Operation *lastCounted = nullptr;
};

/// The MLIR type of a tensor, in the compiler's context.
mlir::RankedTensorType tensorType(DType dtype, llvm::ArrayRef<int64_t> shape);

} // namespace weft
