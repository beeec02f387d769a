// The loops of a contraction inside the kernel being emitted.
#include "codegen/Loops/ContractionNest.h"

using namespace mlir;

namespace weft {

ContractionNest::ContractionNest(KernelEmitter &emitter)
    : emitter(emitter),
      op(*emitter.getKernel().getBody().front().getOps<ContractionOpInterface>().begin()),
      contraction(op.getContraction()) {
  std::vector<ContractionLoop> loops = contractionLoops(op);
  batch = loopsOfKind(loops, Contraction::Batch);
  rows = loopsOfKind(loops, Contraction::Row);
  columns = loopsOfKind(loops, Contraction::Column);
  depth = loopsOfKind(loops, Contraction::Depth);
}

Value ContractionNest::sizeOf(const ContractionLoop &loop) { return emitter.product(loop.symbols); }

Value ContractionNest::sizeOf(ArrayRef<ContractionLoop> loops) {
  SmallVector<int64_t> symbols;
  for (const ContractionLoop &loop : loops)
    llvm::append_range(symbols, loop.symbols);
  return emitter.product(symbols);
}

Value ContractionNest::strideOf(const ContractionLoop &loop, Contraction::Operand operand) {
  const SymbolicStride &stride = loop.strides[operand];
  return emitter.multiplyIndex(emitter.product(stride.symbols), emitter.index(stride.factor));
}

void ContractionNest::setLoop(const ContractionLoop &loop, Value position, int64_t step) {
  SmallVector<Value> sizes;
  for (int64_t symbol : loop.symbols)
    sizes.push_back(emitter.symbol(symbol));
  assert((step == 0 || sizes.size() == 1) && "lanes of a merged loop have no common step");
  SmallVector<Value> parts = emitter.delinearize(position, sizes);
  for (auto [member, part] : llvm::zip_equal(loop.members, parts))
    positions[member] = {part, step};
}

SmallVector<Value> ContractionNest::split(ArrayRef<ContractionLoop> loops, Value linear) {
  SmallVector<Value> sizes;
  for (const ContractionLoop &loop : loops)
    sizes.push_back(sizeOf(loop));
  return emitter.delinearize(linear, sizes);
}

void ContractionNest::setLoops(ArrayRef<ContractionLoop> loops, Value linear) {
  for (auto [loop, part] : llvm::zip_equal(loops, split(loops, linear)))
    setLoop(loop, part, 0);
}

SmallVector<ElementIndex> ContractionNest::indicesIn(Contraction::Operand operand) {
  SmallVector<ElementIndex> indices;
  for (const auto &terms : contraction.accesses[operand]) {
    ElementIndex sum = emitter.multiply(positions.at(terms[0].loop), terms[0].factor);
    for (const Contraction::Term &term : ArrayRef(terms).drop_front()) {
      ElementIndex other = emitter.multiply(positions.at(term.loop), term.factor);
      sum = {emitter.addIndex(sum.base, other.base), sum.step + other.step};
    }
    indices.push_back(sum);
  }
  return indices;
}

Value ContractionNest::offsetIn(Contraction::Operand operand, ArrayRef<ContractionLoop> loops,
                                ArrayRef<Value> at) {
  Value sum = emitter.index(0);
  for (auto [loop, position] : llvm::zip_equal(loops, at))
    if (loop.strides[operand].factor != 0)
      sum = emitter.addIndex(sum, emitter.multiplyIndex(position, strideOf(loop, operand)));
  return sum;
}

bool ContractionNest::hasShortEpilogue() const {
  constexpr int64_t mostInstructions = 12;
  if (areColumnsApart())
    return false;
  int64_t instructions = 0;
  for (Operation &following : emitter.getKernel().getBody().front().without_terminator())
    if (following.getNumOperands() == 0 || (emitter.frame() && emitter.frame()->places(&following)))
      continue; // A constant is there before the loops, and a frame is not in them.
    else if (auto elementwise = dyn_cast<ElementwiseOpInterface>(following))
      instructions += elementwise.getInstructionCount();
    else if (auto indexed = dyn_cast<IndexedOpInterface>(following))
      instructions += indexed.getInstructionCount();
  return instructions <= mostInstructions;
}

Value ContractionNest::negated(Value condition) {
  Value truth = arith::ConstantIntOp::create(emitter.builder(), emitter.location(), 1, 1);
  return arith::XOrIOp::create(emitter.builder(), emitter.location(), condition, truth);
}

} // namespace weft
