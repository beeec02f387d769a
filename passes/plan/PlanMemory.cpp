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
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t alignment = 64;

int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bits = tensor.getElementTypeBitWidth();
  int64_t bytes = tensor.getNumElements() * std::max<int64_t>(1, bits / 8);
  return (bytes + alignment - 1) / alignment * alignment;
}

/// Free places of the arena, by address.
class Arena {
public:
  int64_t allocate(int64_t bytes) {
    for (auto place = free.begin(); place != free.end(); ++place)
      if (place->second >= bytes) {
        auto [offset, size] = *place;
        free.erase(place);
        if (size > bytes)
          free[offset + bytes] = size - bytes;
        return offset;
      }
    // Nothing fits: grow, starting in a free place at the end if there is one.
    int64_t offset = end;
    if (!free.empty()) {
      auto last = std::prev(free.end());
      if (last->first + last->second == end) {
        offset = last->first;
        free.erase(last);
      }
    }
    end = offset + bytes;
    return offset;
  }

  void release(int64_t offset, int64_t bytes) {
    if (bytes == 0)
      return;
    auto place = free.emplace(offset, bytes).first;
    if (auto next = std::next(place); next != free.end() && offset + bytes == next->first) {
      place->second += next->second;
      free.erase(next);
    }
    if (place != free.begin())
      if (auto previous = std::prev(place); previous->first + previous->second == offset) {
        previous->second += place->second;
        free.erase(place);
      }
  }

  int64_t bytes() const { return end; }

private:
  std::map<int64_t, int64_t> free;
  int64_t end = 0;
};

/// The value whose memory `value` is: reshapes share it.
Value storageOf(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

struct PlanMemory : impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration())
        plan(function);
  }

private:
  void plan(func::FuncOp function) {
    Block &body = function.getBody().front();
    llvm::DenseMap<Value, Operation *> lastReader;
    for (Operation &op : body)
      for (Value operand : op.getOperands())
        lastReader[storageOf(operand)] = &op;
    llvm::DenseMap<Operation *, SmallVector<std::pair<int64_t, int64_t>>> ending;
    Arena arena;
    for (Operation &op : body) {
      if (auto launch = dyn_cast<LaunchOp>(op)) {
        SmallVector<int64_t> offsets;
        for (Value output : launch.getOutputs()) {
          Operation *last = lastReader.lookup(output);
          if (isa_and_nonnull<func::ReturnOp>(last)) {
            offsets.push_back(-1);
            continue;
          }
          int64_t bytes = bytesOf(output.getType());
          offsets.push_back(arena.allocate(bytes));
          ending[last ? last : &op].push_back({offsets.back(), bytes});
        }
        launch->setAttr("offsets", DenseI64ArrayAttr::get(&getContext(), offsets));
      }
      for (auto [offset, bytes] : ending.lookup(&op))
        arena.release(offset, bytes);
    }
    function->setAttr("weft.arena",
                      IntegerAttr::get(IntegerType::get(&getContext(), 64), arena.bytes()));
  }
};

} // namespace
} // namespace weft
