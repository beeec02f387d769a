// The loops and accesses of ops that sum products (ContractionOpInterface).
#include "dialects/Weft/IR/Weft.h"

using namespace mlir;

namespace weft {

Contraction MatmulOp::getContraction() {
  Contraction result;
  unsigned rank = cast<RankedTensorType>(getType()).getRank(), batch = rank - 2;
  bool left = getTransposeLhs(), right = getTransposeRhs();
  for (unsigned d = 0; d < batch; ++d)
    result.loops.push_back({Contraction::Batch, Contraction::Result, d});
  unsigned row = batch, column = batch + 1, depth = batch + 2;
  result.loops.push_back({Contraction::Row, Contraction::Result, row});
  result.loops.push_back({Contraction::Column, Contraction::Result, column});
  result.loops.push_back({Contraction::Depth, Contraction::Lhs, left ? batch : batch + 1});
  for (Contraction::Access &access : result.accesses)
    for (unsigned d = 0; d < batch; ++d)
      access.push_back({{d}});
  auto append = [&](Contraction::Operand operand, unsigned first, unsigned second) {
    result.accesses[operand].push_back({{first}});
    result.accesses[operand].push_back({{second}});
  };
  append(Contraction::Lhs, left ? depth : row, left ? row : depth);
  append(Contraction::Rhs, right ? column : depth, right ? depth : column);
  append(Contraction::Result, row, column);
  return result;
}

bool MatmulOp::arrangeRightOperand(OpBuilder &builder) {
  if (!getTransposeRhs())
    return false;
  auto type = cast<RankedTensorType>(getRhs().getType());
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  std::swap(permutation.back(), permutation[type.getRank() - 2]);
  auto shape =
      llvm::map_to_vector(permutation, [&](int64_t axis) { return type.getDimSize(axis); });
  setOperand(1,
             TransposeOp::create(builder, getLoc(), withShape(type, shape), getRhs(), permutation));
  setTransposeRhs(false);
  return true;
}

/// The contraction over an image [N, H, W, (G,) C], windows [N, Ho, Wo, (G,) O] and a weight
/// [KH, KW, C, (G,) O]: the image is the left operand; either the windows or the weight are the
/// result. The loops over the result's part are rows, those over the other's depth.
static Contraction contractImage(bool grouped, ArrayRef<int64_t> strides,
                                 ArrayRef<int64_t> dilations, Contraction::Operand windows,
                                 Contraction::Operand weight, bool channelsFirst = false) {
  bool isGradient = weight == Contraction::Result;
  unsigned first = grouped ? 1 : 0, column = first + 3;
  unsigned places = isGradient ? first + 4 : first; // n, ho, wo
  unsigned taps = isGradient ? first : first + 4;   // kh, kw, c
  Contraction result;
  if (grouped)
    result.loops.push_back({Contraction::Batch, Contraction::Result, 3});
  auto addLoops = [&](Contraction::Kind kind, Contraction::Operand operand, bool isTurned) {
    for (unsigned d : {0, 1, 2})
      result.loops.push_back({kind, operand, isTurned && d > 0 ? d + 1 : d});
  };
  addLoops(Contraction::Row, Contraction::Result, channelsFirst);
  unsigned ofColumn = channelsFirst ? 1 : grouped ? 4 : 3;
  result.loops.push_back({Contraction::Column, Contraction::Result, ofColumn});
  addLoops(Contraction::Depth, Contraction::Rhs, /*isTurned=*/false);
  Contraction::Access ofImage{{{places}},
                              {{places + 1, strides[0]}, {taps, dilations[0]}},
                              {{places + 2, strides[1]}, {taps + 1, dilations[1]}}};
  Contraction::Access ofWindows{{{places}}, {{places + 1}}, {{places + 2}}};
  Contraction::Access ofWeight{{{taps}}, {{taps + 1}}, {{taps + 2}}};
  if (grouped)
    for (Contraction::Access *access : {&ofImage, &ofWindows, &ofWeight})
      access->push_back({{0u}});
  ofImage.push_back({{taps + 2}});
  ofWindows.insert(channelsFirst ? std::next(ofWindows.begin()) : ofWindows.end(), {{column}});
  ofWeight.push_back({{column}});
  result.accesses[Contraction::Lhs] = ofImage;
  result.accesses[windows] = ofWindows;
  result.accesses[weight] = ofWeight;
  return result;
}

Contraction ConvolutionOp::getContraction() {
  return contractImage(cast<RankedTensorType>(getType()).getRank() == 5, getStrides(),
                       getDilations(), Contraction::Result, Contraction::Rhs, getChannelsFirst());
}

Contraction ConvolutionWeightGradientOp::getContraction() {
  return contractImage(cast<RankedTensorType>(getType()).getRank() == 5, getStrides(),
                       getDilations(), Contraction::Rhs, Contraction::Result);
}

} // namespace weft
