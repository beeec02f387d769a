// Which dimensions of memory a kernel's values are read along.
#include "codegen/Templates/Transposition.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {
namespace {

/// A dimension of a value.
using Dimension = std::pair<Value, int64_t>;
constexpr int64_t uniform = -1;

/// The dimension of `operand` of `op` that is walked when dimension `ofResult` of result `number`
/// is: `uniform` if none is; nothing if there is no telling.
std::optional<int64_t> operandDimension(Operation *op, unsigned number, unsigned operand,
                                        int64_t ofResult) {
  auto labelled = dyn_cast<DimensionOpInterface>(op);
  if (!labelled)
    return std::nullopt;
  auto labels = labelled.getDimensionLabels();
  int64_t label = labels[op->getNumOperands() + number][ofResult];
  ArrayRef<int64_t> ofOperand = labels[operand];
  if (label >= 0)
    if (auto *found = llvm::find(ofOperand, label); found != ofOperand.end())
      return found - ofOperand.begin();
  // What is not walked one to one may depend on anything.
  if (label < 0 || llvm::is_contained(ofOperand, -1))
    return ofOperand.empty() ? std::optional<int64_t>(uniform) : std::nullopt;
  return uniform;
}

} // namespace

bool readsNeighbours(KernelOp kernel) {
  llvm::SetVector<Dimension> pending;
  for (Value value : kernel.getYield().getValues())
    pending.insert({value, cast<RankedTensorType>(value.getType()).getRank() - 1});
  for (size_t next = 0; next < pending.size(); ++next) {
    auto [value, dimension] = pending[next];
    if (dimension == uniform)
      continue;
    Operation *op = value.getDefiningOp();
    if (!op) {
      if (dimension + 1 != cast<RankedTensorType>(value.getType()).getRank())
        return false;
      continue;
    }
    for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
      auto found = operandDimension(op, cast<OpResult>(value).getResultNumber(), number, dimension);
      if (!found)
        return false;
      pending.insert({operand, *found});
    }
  }
  return true;
}

std::optional<Transposition> findTransposition(KernelOp kernel) {
  auto results = kernel.getYield().getValues();
  Type shape = results[0].getType();
  int64_t last = cast<RankedTensorType>(shape).getRank() - 1;
  std::optional<Transposition> found;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (!isa<IndexedOpInterface>(op) || op.getNumOperands() != 1 || op.getNumResults() != 1 ||
        cast<RankedTensorType>(op.getResult(0).getType()).getEncoding() !=
            cast<RankedTensorType>(shape).getEncoding())
      continue;
    auto walked = last < 1 ? std::nullopt : operandDimension(&op, 0, 0, last);
    int64_t innermost = cast<RankedTensorType>(op.getOperand(0).getType()).getRank() - 1;
    if (!walked || *walked == uniform || *walked == innermost)
      continue;
    for (int64_t dimension = 0; dimension < last; ++dimension)
      if (operandDimension(&op, 0, 0, dimension) == innermost &&
          (!found || found->dimension == dimension)) {
        if (!found)
          found = Transposition{static_cast<unsigned>(dimension), {}};
        found->values.push_back(op.getResult(0));
      }
  }
  return found;
}

} // namespace weft
