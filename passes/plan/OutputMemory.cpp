// Where the results of a planned function are: in memory of their own, or in that of an argument.
#include "passes/plan/OutputMemory.h"
#include "passes/plan/PlanSteps.h"
#include "passes/plan/ValueMemory.h"

using namespace mlir;

namespace weft {
namespace {

/// True if anything but `step` reads the storage of `value` at the same time or later; if `value`
/// is a part of what is asked for, `step` must not read it either.
bool isReadAfter(Value value, Operation *step, bool isPart = false) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (isa<ReshapeOp>(user) || partStart(*user))
      return isReadAfter(user->getResult(0), step, isPart || !isa<ReshapeOp>(user));
    return user == step ? isPart : !user->isBeforeInBlock(step);
  });
}

/// The memory of the results of one function.
class OutputPlaces {
public:
  OutputPlaces(func::FuncOp function, const SymbolTable &symbols, bool isOnDevice, Outputs memory)
      : function(function),
        symbols(symbols),
        isOnDevice(isOnDevice),
        memory(memory),
        values(function.getBody().front()) {}

  SmallVector<OutputMemory> find() {
    using Kind = OutputMemory::Kind;
    SmallVector<OutputMemory> found;
    llvm::DenseMap<Value, unsigned> written;
    Operation *terminator = function.getBody().front().getTerminator();
    for (auto [number, value] : llvm::enumerate(terminator->getOperands())) {
      Value storage = values.of(value);
      OutputMemory &place = found.emplace_back();
      auto [former, isFirst] = written.try_emplace(storage, number);
      if (auto argument = dyn_cast<BlockArgument>(storage)) {
        place = {Kind::Argument, argument.getArgNumber()};
      } else if (!isWritten(storage)) {
        continue;
      } else if (!isFirst) {
        place = {Kind::Output, former->second};
      } else if (std::optional<unsigned> donor = donorOf(cast<OpResult>(storage), number)) {
        place = {Kind::DonatedArgument, *donor};
      }
    }
    return found;
  }

private:
  /// A donated argument over which the step may write its result: read there for the last time,
  /// and only at the element that is being written, or to copy what stays.
  std::optional<unsigned> donorOf(OpResult output, size_t outputNumber) {
    if (auto loop = dyn_cast<LoopOp>(output.getOwner()))
      return donorOfLoop(loop, output.getResultNumber(), outputNumber);
    auto launch = dyn_cast<LaunchOp>(output.getOwner());
    if (!launch)
      return std::nullopt;
    auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
    for (auto [number, input] : llvm::enumerate(launch.getInputs())) {
      auto argument = dyn_cast<BlockArgument>(values.of(input));
      if (!mayGive(argument, outputNumber))
        continue;
      bool isSafe = overwritableArgument(kernel) == number ||
                    (!isOnDevice && mayOverwrite(kernel, number, output.getResultNumber()));
      if (isSafe && isLastReader(launch, argument)) {
        taken.insert(argument);
        return argument.getArgNumber();
      }
    }
    return std::nullopt;
  }

  /// A donated argument that a loop begins with, if its body writes over what it carries.
  std::optional<unsigned> donorOfLoop(LoopOp loop, size_t carry, size_t outputNumber) {
    if (carry >= loop.getInit().size() ||
        carryKinds(loop, symbols, isOnDevice)[carry] != CarryKind::InPlace)
      return std::nullopt;
    auto argument = dyn_cast<BlockArgument>(values.of(loop.getInit()[carry]));
    if (!mayGive(argument, outputNumber) || !isLastReader(loop, argument))
      return std::nullopt;
    taken.insert(argument);
    return argument.getArgNumber();
  }

  /// True if an output may be where a donated argument is. A loop writes the next value over that
  /// which it carries, and no other.
  bool mayGive(BlockArgument argument, size_t outputNumber) {
    return argument && !taken.contains(argument) &&
           function.getArgAttr(argument.getArgNumber(), "weft.donated") &&
           (memory == Outputs::Chosen || argument.getArgNumber() == outputNumber);
  }

  /// True if the step reads the argument once, and nothing reads it later.
  bool isLastReader(Operation *step, BlockArgument argument) const {
    auto isSame = [&](Value other) { return values.of(other) == argument; };
    return llvm::count_if(step->getOperands(), isSame) == 1 && !isReadAfter(argument, step);
  }

  func::FuncOp function;
  const SymbolTable &symbols;
  bool isOnDevice;
  Outputs memory;
  ValueMemory values;
  llvm::DenseSet<Value> taken;
};

} // namespace

SmallVector<OutputMemory> outputMemories(func::FuncOp function, const SymbolTable &symbols,
                                         bool isOnDevice, Outputs memory) {
  return OutputPlaces(function, symbols, isOnDevice, memory).find();
}

SmallVector<CarryKind> carryKinds(LoopOp loop, const SymbolTable &symbols, bool isOnDevice) {
  auto body = symbols.lookup<func::FuncOp>(loop.getBody());
  auto memories = outputMemories(body, symbols, isOnDevice, Outputs::Given);
  return llvm::map_to_vector(llvm::seq<size_t>(loop.getInit().size()), [&](size_t number) {
    const OutputMemory &place = memories[number];
    if (place.number == number && place.kind == OutputMemory::Kind::Argument)
      return CarryKind::Kept;
    if (place.number == number && place.kind == OutputMemory::Kind::DonatedArgument)
      return CarryKind::InPlace;
    return CarryKind::Exchanged;
  });
}

} // namespace weft
