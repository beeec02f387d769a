// Concatenates what is padded and summed.
//
//   %0 = weft.pad %x, %zero low [0, 0] ... : tensor<4x2xf32>, tensor<f32> -> tensor<4x5xf32>
//   %1 = weft.pad %y, %zero low [0, 2] ... : tensor<4x3xf32>, tensor<f32> -> tensor<4x5xf32>
//   %2 = weft.add %0, %1 : tensor<4x5xf32>
// becomes
//   %2 = weft.concatenate (%x + 0), (%y + 0) axis 1 : tensor<4x2xf32>, tensor<4x3xf32> -> ...
//
// The gradient of a tensor that is read in parts, as the gates of a recurrent cell, is such a sum.
// As each element is one of a part and zeros else, the bits are the same: -0 + 0 is +0.
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/simplify/DepthwiseConvolutions.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_JOINPADS
#include "passes/Passes.h.inc"

namespace {

/// A concatenation of more would be split (`weft-split-concatenations`).
constexpr size_t mostParts = 16;

/// A sum of parts that lie one behind the other along `axis`, and zeros around them.
struct Parts {
  int64_t axis;
  /// In their order.
  SmallVector<PadOp> pads;

  int64_t begin(PadOp pad) const { return pad.getLow()[axis]; }
  int64_t end(PadOp pad) const { return begin(pad) + pad.getX().getType().getDimSize(axis); }
};

/// The parts of a pad: one, if it adds zeros along one axis.
std::optional<Parts> partsOf(PadOp pad) {
  RankedTensorType inside = pad.getX().getType(), type = pad.getType();
  bool isNumber = isa<FloatType>(type.getElementType()) || type.getElementTypeBitWidth() > 1;
  if (!isNumber ||
      !(matchPattern(pad.getValue(), m_PosZeroFloat()) || matchPattern(pad.getValue(), m_Zero())))
    return std::nullopt;
  std::optional<Parts> parts;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    int64_t from = inside.getDimSize(d), to = type.getDimSize(d);
    if (from == to && pad.getLow()[d] == 0 && !ShapedType::isDynamic(to))
      continue;
    if (parts || !isKnownSize(from) || !isKnownSize(to) || pad.getInterior()[d] != 0)
      return std::nullopt;
    parts = Parts{d, {pad}};
  }
  return parts;
}

/// The parts of two sums, if those of one follow on those of the other.
std::optional<Parts> joined(const Parts &one, const Parts &other) {
  if (one.axis != other.axis || one.pads.size() + other.pads.size() > mostParts)
    return std::nullopt;
  bool isFirst = one.begin(one.pads.front()) <= other.begin(other.pads.front());
  const Parts &front = isFirst ? one : other, &back = isFirst ? other : one;
  if (front.end(front.pads.back()) != back.begin(back.pads.front()))
    return std::nullopt;
  Parts all = front;
  llvm::append_range(all.pads, back.pads);
  return all;
}

struct JoinPads : impl::JoinPadsBase<JoinPads> {
  using JoinPadsBase::JoinPadsBase;

  void runOnOperation() override {
    llvm::DenseMap<Value, Parts> sums;
    SmallVector<AddOp> found;
    SmallVector<Operation *> joinedOps;
    getOperation().walk([&](Operation *op) {
      if (auto pad = dyn_cast<PadOp>(op)) {
        if (std::optional<Parts> parts = partsOf(pad)) {
          sums.try_emplace(pad, *parts);
          joinedOps.push_back(op);
        }
      } else if (auto add = dyn_cast<AddOp>(op)) {
        auto x = sums.find(add.getX()), y = sums.find(add.getY());
        if (x == sums.end() || y == sums.end())
          return;
        if (std::optional<Parts> parts = joined(x->second, y->second)) {
          sums.try_emplace(add, *parts);
          found.push_back(add);
          joinedOps.push_back(op);
        }
      }
    });
    // What is part of a longer sum has no readers left.
    for (AddOp add : llvm::reverse(found))
      if (!add->use_empty())
        replace(add, sums.at(add));
    for (Operation *op : llvm::reverse(joinedOps))
      if (isOpTriviallyDead(op))
        op->erase();
  }

private:
  static void replace(AddOp add, const Parts &parts) {
    OpBuilder builder(add);
    Location location = add.getLoc();
    Value zero = PadOp(parts.pads.front()).getValue();
    SmallVector<Value> inputs;
    SmallVector<int64_t> low(add.getType().getRank(), 0), interior = low;
    auto shape = llvm::to_vector(add.getType().getShape());
    shape[parts.axis] = parts.end(parts.pads.back()) - parts.begin(parts.pads.front());
    low[parts.axis] = parts.begin(parts.pads.front());
    for (PadOp pad : parts.pads) {
      inputs.push_back(pad.getX());
      if (!isa<FloatType>(add.getType().getElementType()))
        continue;
      Value zeros =
          BroadcastOp::create(builder, location, pad.getX().getType(), zero, ArrayRef<int64_t>());
      inputs.back() = AddOp::create(builder, location, pad.getX(), zeros);
    }
    Value all = ConcatenateOp::create(builder, location, inputs, parts.axis);
    if (shape != add.getType().getShape())
      all = PadOp::create(builder, location, add.getType(), all, zero, low, interior);
    add->replaceAllUsesWith(ValueRange(all));
  }
};

} // namespace
} // namespace weft
