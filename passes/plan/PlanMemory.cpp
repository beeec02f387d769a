// Gives the results of launches that do not leave the function places in one arena.
//
//   %0 = weft.launch @a(%x) ... {}       %0 = weft.launch @a(%x) ... {offsets = array<i64: 0>}
//   %1 = weft.launch @b(%0) ... {}  ->   %1 = weft.launch @b(%0) ... {offsets = array<i64: 64>}
//   %2 = weft.launch @c(%1) ... {}       %2 = weft.launch @c(%1) ... {offsets = array<i64: -1>}
//   return %2                            return %2
//
// Places are reused as soon as the last reader has run: first fit by address, as in the linear scan
// of register allocation (Poletto and Sarkar, 1999). A result that is returned gets -1. The
// function gets `weft.arena`, the bytes of the arena.
//
// A kernel that changes some elements of an operand writes over it, and copies nothing, where a
// launch made the operand and nobody reads it any more:
//
//   %0 = weft.launch @a(%x) ...          %0 = weft.launch @a(%x) ... {offsets = array<i64: -1>}
//   %1 = weft.launch @update(%0, %y) ->  %1 = weft.launch @update(%0, %y)
//                                               ... {offsets = array<i64: -1>, overwrites = 0 :
//                                               i64}
//   return %1                            return %1
//
// So does, with `in-place`, any kernel with one result that reads an operand of the same type only
// where the same element is computed: what is added to memory leaves no second copy in the caches.
//
// Where sizes are symbolic nobody can say whether a tensor fits between two others: the places are
// slots, each for one tensor at a time, and `offsets` holds their numbers. `weft.slots` lists the
// bytes that each has to have, as sizes of which the largest counts. Whoever runs the function lays
// the slots out when the symbols have values.
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"
#include "passes/plan/LaunchArguments.h"
#include "passes/plan/ValueMemory.h"

#include "llvm/ADT/bit.h"
#include <array>
#include <map>
#include <set>

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t alignment = 64;

/// The bytes of a tensor, known or symbolic; nothing if they can't be counted.
std::optional<int64_t> bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> factors(tensor.getShape());
  factors.push_back(std::max<int64_t>(1, tensor.getElementTypeBitWidth() / 8));
  return productOf(factors);
}

/// Free places of the arena, by address.
class Arena {
public:
  int64_t allocate(int64_t wanted) {
    int64_t bytes = aligned(wanted);
    if (std::optional<int64_t> offset = firstFit(bytes)) {
      int64_t size = free.at(*offset);
      remove(*offset);
      if (size > bytes)
        insert(*offset + bytes, size - bytes);
      return *offset;
    }
    // Nothing fits: grow, starting in a free place at the end if there is one.
    int64_t offset = end;
    if (!free.empty()) {
      auto [last, size] = *std::prev(free.end());
      if (last + size == end) {
        offset = last;
        remove(last);
      }
    }
    end = offset + bytes;
    return offset;
  }

  void release(int64_t offset, int64_t released) {
    int64_t bytes = aligned(released);
    if (bytes == 0)
      return;
    auto next = free.lower_bound(offset);
    if (next != free.end() && offset + bytes == next->first) {
      bytes += next->second;
      remove(next->first);
    }
    next = free.lower_bound(offset);
    if (next != free.begin())
      if (auto [previous, size] = *std::prev(next); previous + size == offset) {
        remove(previous);
        offset = previous;
        bytes += size;
      }
    insert(offset, bytes);
  }

  NamedAttribute describe(Builder &builder) const {
    return builder.getNamedAttr("weft.arena", builder.getI64IntegerAttr(end));
  }

private:
  static int64_t aligned(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

  /// The first place of at least `bytes`: of the first of each class of larger ones, and of the
  /// first in the class of `bytes` that is large enough.
  std::optional<int64_t> firstFit(int64_t bytes) const {
    std::optional<int64_t> best;
    auto consider = [&](int64_t offset) { best = std::min(best.value_or(offset), offset); };
    for (size_t large = classOf(bytes) + 1; large < classes.size(); ++large)
      if (!classes[large].empty())
        consider(*classes[large].begin());
    for (int64_t offset : classes[classOf(bytes)])
      if (free.at(offset) >= bytes) {
        consider(offset);
        break;
      }
    return best;
  }

  static size_t classOf(int64_t bytes) { return llvm::bit_width<uint64_t>(bytes); }
  void insert(int64_t offset, int64_t bytes) {
    free.emplace(offset, bytes);
    classes[classOf(bytes)].insert(offset);
  }
  void remove(int64_t offset) {
    auto place = free.find(offset);
    classes[classOf(place->second)].erase(offset);
    free.erase(place);
  }

  /// The bytes of each.
  std::map<int64_t, int64_t> free;
  /// The same by the number of bits of their bytes, so that finding one does not take longer the
  /// more there are.
  std::array<std::set<int64_t>, 65> classes;
  int64_t end = 0;
};

/// Slots for tensors of symbolic sizes.
class Slots {
public:
  int64_t allocate(int64_t bytes) {
    size_t best = slots.size();
    for (size_t number = 0; number < slots.size(); ++number)
      if (slots[number].isFree &&
          (best == slots.size() || waste(number, bytes) < waste(best, bytes)))
        best = number;
    if (best == slots.size())
      slots.emplace_back();
    slots[best].isFree = false;
    require(slots[best].sizes, bytes);
    return best;
  }

  void release(int64_t slot, int64_t) { slots[slot].isFree = true; }

  NamedAttribute describe(Builder &builder) const {
    auto sizes = llvm::map_to_vector(slots, [&](const Slot &slot) -> Attribute {
      return ShapeAttr::get(builder.getContext(), slot.sizes);
    });
    return builder.getNamedAttr("weft.slots", builder.getArrayAttr(sizes));
  }

private:
  struct Slot {
    /// The largest counts; none is known to be at most another.
    SmallVector<int64_t> sizes;
    bool isFree = false;
  };

  static bool isAtMost(int64_t left, int64_t right) {
    auto rest = checkedSize([&] { return subtractSizes(right, left); });
    return rest && !mayBeNegative(*rest);
  }

  static void require(SmallVector<int64_t> &sizes, int64_t bytes) {
    if (llvm::any_of(sizes, [&](int64_t size) { return isAtMost(bytes, size); }))
      return;
    llvm::erase_if(sizes, [&](int64_t size) { return isAtMost(size, bytes); });
    sizes.push_back(bytes);
  }

  /// How badly a free slot suits: not at all badly if it was made for that size, else by how much
  /// it would have to grow or leave unused, with symbols estimated.
  int64_t waste(size_t number, int64_t bytes) const {
    ArrayRef<int64_t> sizes = slots[number].sizes;
    if (llvm::is_contained(sizes, bytes))
      return -1;
    int64_t largest = 0;
    for (int64_t size : sizes)
      largest = std::max(largest, estimateSize(size));
    return std::abs(largest - estimateSize(bytes));
  }

  std::vector<Slot> slots;
};

/// The last op that reads each value, reshapes of it included.
class LastReaders {
public:
  LastReaders(Block &body, function_ref<Value(Value)> memoryOf) {
    for (Operation &op : body)
      for (Value operand : op.getOperands())
        readers[memoryOf(operand)] = &op;
  }
  Operation *of(Value value) const { return readers.lookup(value); }

private:
  llvm::DenseMap<Value, Operation *> readers;
};

struct PlanMemory : impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    SymbolTable kernels(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isDeclaration())
        continue;
      overwriteOperands(function.getBody().front(), kernels);
      if (failed(hasSymbolicSizes(function) ? plan(function, Slots()) : plan(function, Arena())))
        return signalPassFailure();
    }
  }

private:
  /// Lets launches write over operands that only they read, and nobody after them.
  void overwriteOperands(Block &body, const SymbolTable &kernels) {
    LastReaders readers(body, withoutReshapes);
    for (auto launch : body.getOps<LaunchOp>())
      if (auto kernel = kernels.lookup<KernelOp>(launch.getKernel()))
        if (std::optional<unsigned> number = operandToOverwrite(launch, kernel, readers))
          launch->setAttr("overwrites", OpBuilder(launch).getI64IntegerAttr(*number));
  }

  std::optional<unsigned> operandToOverwrite(LaunchOp launch, KernelOp kernel,
                                             const LastReaders &readers) {
    std::optional<unsigned> updated = overwritableArgument(kernel);
    bool mayBeOther = inPlace && !updatedArgument(kernel) && launch.getNumResults() == 1;
    for (unsigned number = 0; number < launch.getInputs().size(); ++number)
      if ((updated == number || mayBeOther) && isFreeAfter(launch, number, readers) &&
          (updated == number || mayOverwrite(kernel, number, 0)))
        return number;
    return std::nullopt;
  }

  /// True if a step made the operand, and the launch reads it once and as the last.
  static bool isFreeAfter(LaunchOp launch, unsigned number, const LastReaders &readers) {
    Value operand = withoutReshapes(launch.getInputs()[number]);
    auto isSame = [&](Value other) { return withoutReshapes(other) == operand; };
    Operation *definition = operand.getDefiningOp();
    return definition && definition->hasTrait<trait::PlannedStep>() &&
           readers.of(operand) == launch && llvm::count_if(launch.getInputs(), isSame) == 1;
  }

  template <typename Memory> LogicalResult plan(func::FuncOp function, Memory arena) {
    Block &body = function.getBody().front();
    ValueMemory values(body);
    LastReaders readers(body, [&](Value value) { return values.of(value); });
    llvm::DenseMap<Operation *, SmallVector<std::pair<int64_t, int64_t>>> ending;
    llvm::DenseMap<Value, int64_t> places;
    for (Operation &op : body) {
      if (op.hasTrait<trait::PlannedStep>()) {
        SmallVector<int64_t> offsets;
        for (Value output : op.getResults()) {
          Value memory = values.of(output);
          Operation *last = readers.of(memory);
          if (memory != output || isa_and_nonnull<func::ReturnOp>(last)) {
            offsets.push_back(places.try_emplace(memory, -1).first->second);
            continue;
          }
          std::optional<int64_t> bytes = bytesOf(output.getType());
          if (!bytes)
            return op.emitOpError() << "has a result of shape " << shapeText(output.getType())
                                    << ", whose bytes can't be counted";
          offsets.push_back(arena.allocate(*bytes));
          places[output] = offsets.back();
          ending[last ? last : &op].push_back({offsets.back(), *bytes});
        }
        op.setAttr("offsets", DenseI64ArrayAttr::get(&getContext(), offsets));
      }
      // After the launch has its places: what it writes is nowhere else than it reads.
      for (auto [place, bytes] : ending.lookup(&op))
        arena.release(place, bytes);
    }
    Builder builder(&getContext());
    NamedAttribute description = arena.describe(builder);
    function->setAttr(description.getName(), description.getValue());
    return success();
  }
};

} // namespace
} // namespace weft
