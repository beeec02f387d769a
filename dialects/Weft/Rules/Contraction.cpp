// The loops and accesses of ops that sum products (ContractionOpInterface).
#include "dialects/Weft/IR/Weft.h"

using namespace mlir;

namespace weft {

using Loop = Contraction::Loop;

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

Contraction ConvolutionOp::getContraction() {
  enum : unsigned { G, N, Ho, Wo, O, Kh, Kw, C };
  Contraction result;
  result.loops = {Loop{Contraction::Batch, Contraction::Result, 3},
                  Loop{Contraction::Row, Contraction::Result, 0},
                  Loop{Contraction::Row, Contraction::Result, 1},
                  Loop{Contraction::Row, Contraction::Result, 2},
                  Loop{Contraction::Column, Contraction::Result, 4},
                  Loop{Contraction::Depth, Contraction::Rhs, 0},
                  Loop{Contraction::Depth, Contraction::Rhs, 1},
                  Loop{Contraction::Depth, Contraction::Rhs, 2}};
  ArrayRef<int64_t> s = getStrides(), d = getDilations();
  result.accesses[Contraction::Lhs] = {
      {{N}}, {{Ho, s[0]}, {Kh, d[0]}}, {{Wo, s[1]}, {Kw, d[1]}}, {{G}}, {{C}}};
  result.accesses[Contraction::Rhs] = {{{Kh}}, {{Kw}}, {{C}}, {{G}}, {{O}}};
  result.accesses[Contraction::Result] = {{{N}}, {{Ho}}, {{Wo}}, {{G}}, {{O}}};
  return result;
}

Contraction ConvolutionWeightGradientOp::getContraction() {
  enum : unsigned { G, Kh, Kw, C, O, N, Ho, Wo };
  Contraction result;
  result.loops = {Loop{Contraction::Batch, Contraction::Result, 3},
                  Loop{Contraction::Row, Contraction::Result, 0},
                  Loop{Contraction::Row, Contraction::Result, 1},
                  Loop{Contraction::Row, Contraction::Result, 2},
                  Loop{Contraction::Column, Contraction::Result, 4},
                  Loop{Contraction::Depth, Contraction::Rhs, 0},
                  Loop{Contraction::Depth, Contraction::Rhs, 1},
                  Loop{Contraction::Depth, Contraction::Rhs, 2}};
  ArrayRef<int64_t> s = getStrides(), d = getDilations();
  result.accesses[Contraction::Lhs] = {
      {{N}}, {{Ho, s[0]}, {Kh, d[0]}}, {{Wo, s[1]}, {Kw, d[1]}}, {{G}}, {{C}}};
  result.accesses[Contraction::Rhs] = {{{N}}, {{Ho}}, {{Wo}}, {{G}}, {{O}}};
  result.accesses[Contraction::Result] = {{{Kh}}, {{Kw}}, {{C}}, {{G}}, {{O}}};
  return result;
}

} // namespace weft
