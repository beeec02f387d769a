// Merging the loops of a contraction.
#include "dialects/Weft/IR/ContractionLoops.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> symbolsOf(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return cast<SizesAttr>(type.getEncoding()).getSymbols();
}

static SymbolicStride strideOf(Value tensor, const Contraction::Access &access, unsigned loop) {
  ArrayRef<int64_t> symbols = symbolsOf(tensor);
  for (auto [d, terms] : llvm::enumerate(access))
    for (const Contraction::Term &term : terms)
      if (term.loop == loop) {
        SymbolicStride stride{term.factor, SmallVector<int64_t>(symbols.drop_front(d + 1))};
        llvm::sort(stride.symbols);
        return stride;
      }
  return {};
}

/// The distance of one whole run of a loop of size `symbol` whose steps are `stride` apart.
static SymbolicStride runOf(SymbolicStride stride, int64_t symbol) {
  if (stride.factor != 0) {
    stride.symbols.push_back(symbol);
    llvm::sort(stride.symbols);
  }
  return stride;
}

static bool continues(const ContractionLoop &outer, const ContractionLoop &inner) {
  if (outer.kind != inner.kind || inner.symbols.size() != 1)
    return false;
  for (int operand : {Contraction::Lhs, Contraction::Rhs, Contraction::Result})
    if (outer.strides[operand] != runOf(inner.strides[operand], inner.symbols[0]))
      return false;
  return true;
}

std::vector<ContractionLoop> contractionLoops(ContractionOpInterface op) {
  Contraction contraction = op.getContraction();
  Value tensors[3] = {op->getOperand(0), op->getOperand(1), op->getResult(0)};
  std::vector<ContractionLoop> loops;
  for (auto [number, loop] : llvm::enumerate(contraction.loops)) {
    ContractionLoop next{loop.kind, {static_cast<unsigned>(number)}, {}, {}};
    next.symbols.push_back(symbolsOf(tensors[loop.sizeOperand])[loop.sizeDimension]);
    for (int operand : {Contraction::Lhs, Contraction::Rhs, Contraction::Result})
      next.strides[operand] = strideOf(tensors[operand], contraction.accesses[operand], number);
    if (loops.empty() || !continues(loops.back(), next)) {
      loops.push_back(next);
      continue;
    }
    ContractionLoop &merged = loops.back();
    merged.members.push_back(number);
    merged.symbols.push_back(next.symbols[0]);
    std::copy(std::begin(next.strides), std::end(next.strides), std::begin(merged.strides));
  }
  return loops;
}

std::optional<ZeroBorder> zeroBorderOf(ContractionOpInterface op) {
  auto border = op->getAttrOfType<DenseI64ArrayAttr>("weft.border");
  if (!border || border.size() != 3)
    return std::nullopt;
  Contraction contraction = op.getContraction();
  int64_t dimension = border[0];
  const Contraction::Access &access = contraction.accesses[Contraction::Lhs];
  if (dimension < 0 || dimension >= static_cast<int64_t>(access.size()))
    return std::nullopt;
  ArrayRef<Contraction::Term> terms = access[dimension];
  if (terms.size() != 2)
    return std::nullopt;
  const Contraction::Term *row = &terms[0], *step = &terms[1];
  if (contraction.loops[row->loop].kind != Contraction::Row)
    std::swap(row, step);
  if (contraction.loops[row->loop].kind != Contraction::Row ||
      contraction.loops[step->loop].kind != Contraction::Depth)
    return std::nullopt;
  return ZeroBorder{
      row->loop, step->loop, row->factor, step->factor, symbolsOf(op->getOperand(0))[dimension],
      border[1], border[2]};
}

std::vector<ContractionLoop> loopsOfKind(ArrayRef<ContractionLoop> loops, Contraction::Kind kind) {
  std::vector<ContractionLoop> result;
  llvm::copy_if(loops, std::back_inserter(result),
                [&](const ContractionLoop &loop) { return loop.kind == kind; });
  return result;
}

} // namespace weft
