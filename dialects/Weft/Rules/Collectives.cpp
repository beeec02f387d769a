// Types, dimensions, batching and gradients of ops that several processes compute together.
//
// What they compute is linear, but for the largest and smallest elements: the gradient is the
// transpose, where the cotangents of all members add up to those of one program. A rule takes the
// op's own token; who builds rules chains what was built (Graph::orderCollectives).
#include "dialects/Weft/Rules/CollectiveInference.h"

#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/Rules/Build.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace weft {

LogicalResult inferCollective(StringRef name, Value x, Value token, int64_t members,
                              MembersDimension change, ArrayRef<int64_t> named,
                              InferenceLocation location, InferredTypes &types) {
  auto fail = [&](const Twine &message) {
    return emitOptionalError(location, name + ": " + message);
  };
  auto type = cast<RankedTensorType>(x.getType());
  auto order = cast<RankedTensorType>(token.getType());
  if (members < 1)
    return fail("a group has at least one member, not " + Twine(members));
  if (order.getRank() != 0)
    return fail("the token is a number, and has no shape " + shapeText(order));
  for (int64_t member : named)
    if (member < -1 || member >= members)
      return fail("there is no member " + Twine(member) + " of " + Twine(members));
  SmallVector<int64_t> shape(type.getShape());
  bool hasMembers = change == MembersDimension::Removed || change == MembersDimension::Kept;
  if (hasMembers && (shape.empty() || !agree(shape.front(), members)))
    return fail("the operand has shape " + shapeText(type) + ", but its first dimension is for " +
                Twine(members) + " members");
  if (change == MembersDimension::Removed)
    shape.erase(shape.begin());
  if (change == MembersDimension::Added)
    shape.insert(shape.begin(), members);
  types.push_back(type.getEncoding() && change == MembersDimension::Added
                      ? RankedTensorType::get(shape, type.getElementType())
                      : withShape(type, shape));
  types.push_back(order);
  return success();
}

LogicalResult checkPermutation(ArrayRef<int64_t> destinations, int64_t members,
                               InferenceLocation location) {
  auto fail = [&](const Twine &message) {
    return emitOptionalError(location, "permute_members: " + message);
  };
  if (int64_t(destinations.size()) != members)
    return fail("there are " + Twine(destinations.size()) + " destinations for " + Twine(members) +
                " members");
  llvm::SmallDenseSet<int64_t> taken;
  for (int64_t member : destinations)
    if (member >= 0 && !taken.insert(member).second)
      return fail("two members send to member " + Twine(member));
  return success();
}

//===----------------------------------------------------------------------===//
// Dimensions, options
//===----------------------------------------------------------------------===//

/// Dimensions of x are those of the result, but for the first of one that has it for the members.
/// Shapes are compared among members, so that none is regrouped.
static SmallVector<SmallVector<int64_t>> labelsOf(CollectiveOpInterface op) {
  int64_t ofX = cast<RankedTensorType>(op.getX().getType()).getRank();
  int64_t ofResult = cast<RankedTensorType>(op.getResult().getType()).getRank();
  auto labels = [](int64_t rank, int64_t first) {
    return llvm::to_vector(llvm::seq<int64_t>(first, first + rank));
  };
  return {labels(ofX, ofResult > ofX ? 1 : 0), {}, labels(ofResult, ofResult < ofX ? 1 : 0), {}};
}

#define COLLECTIVE(OpType, ...)                                                                    \
  SmallVector<int64_t> OpType::getOptions() { return __VA_ARGS__; }                                \
  SmallVector<SmallVector<int64_t>> OpType::getDimensionLabels() {                                 \
    return labelsOf(cast<CollectiveOpInterface>(getOperation()));                                  \
  }

COLLECTIVE(AllReduceOp, {int64_t(getReduction())})
COLLECTIVE(ReduceOp, {int64_t(getRoot())})
COLLECTIVE(ReduceScatterOp, {})
COLLECTIVE(AllGatherOp, {})
COLLECTIVE(AllToAllOp, {})
COLLECTIVE(CollectiveBroadcastOp, {int64_t(getRoot())})
COLLECTIVE(PermuteMembersOp, SmallVector<int64_t>(getDestinations()))
#undef COLLECTIVE

/// What was begun has no result yet.
Value StartCollectiveOp::getResult() { return {}; }
SmallVector<int64_t> StartCollectiveOp::getOptions() { return {int64_t(getKind())}; }
SmallVector<SmallVector<int64_t>> StartCollectiveOp::getDimensionLabels() {
  int64_t rank = cast<RankedTensorType>(getX().getType()).getRank();
  return {llvm::to_vector(llvm::seq<int64_t>(0, rank)), {}, {}};
}
SmallVector<int64_t> FinishCollectiveOp::getOptions() { return {int64_t(getKind())}; }
SmallVector<SmallVector<int64_t>> FinishCollectiveOp::getDimensionLabels() {
  SmallVector<SmallVector<int64_t>> labels = labelsOf(cast<CollectiveOpInterface>(getOperation()));
  labels.insert(labels.begin() + 1, SmallVector<int64_t>()); // of the number
  return labels;
}
Value FinishCollectiveOp::getRead() { return getStarted(); }

//===----------------------------------------------------------------------===//
// Batching: one collective for all examples
//===----------------------------------------------------------------------===//

/// x with its first two dimensions exchanged.
static Expression turned(const Expression &x) {
  SmallVector<int64_t> permutation = allAxes(x.rank());
  std::swap(permutation[0], permutation[1]);
  return transpose(x, permutation);
}

#define BATCHED(OpType, turnsOperand, turnsResult)                                                 \
  Value OpType::buildBatched(OpBuilder &builder, ValueRange operands, ArrayRef<bool> batched,      \
                             int64_t) {                                                            \
    if (!batched[0] || batched[1])                                                                 \
      return {};                                                                                   \
    Compose at(builder, getLoc());                                                                 \
    Expression x = (turnsOperand) ? turned(at(operands[0])) : at(operands[0]);                     \
    OperationState state(getLoc(), getOperationName(), {x.value(), operands[1]}, {},               \
                         (*this)->getAttrs());                                                     \
    SmallVector<Type> types;                                                                       \
    if (failed(inferReturnTypes(getContext(), getLoc(), state.operands,                            \
                                (*this)->getAttrDictionary(), (*this)->getPropertiesStorage(), {}, \
                                types)))                                                           \
      return {};                                                                                   \
    state.addTypes(types);                                                                         \
    Expression result = at(builder.create(state)->getResult(0));                                   \
    return (turnsResult) ? turned(result).value() : result.value();                                \
  }

BATCHED(AllReduceOp, false, false)
BATCHED(ReduceOp, false, false)
BATCHED(ReduceScatterOp, true, false)
BATCHED(AllGatherOp, false, true)
BATCHED(AllToAllOp, true, true)
BATCHED(CollectiveBroadcastOp, false, false)
BATCHED(PermuteMembersOp, false, false)
#undef BATCHED

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

void AllReduceOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  if (!cotangents[0])
    return;
  if (getShared()) {
    gradients[0] = cotangents[0];
    return;
  }
  Compose at(builder, getLoc());
  auto total = [&](const Expression &x) {
    return at.create<AllReduceOp>(x, getToken(), getGroup(), getMembers(), /*reduction=*/0);
  };
  Expression g = total(at(cotangents[0]));
  if (getReduction() == 0) {
    gradients[0] = g;
    return;
  }
  // Elements that are alike share it, wherever they are.
  Expression x = at(getX());
  Expression chosen = convert(x == at(getResult()), x.element());
  gradients[0] = chosen * g / total(chosen);
}

void ReduceOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                             MutableArrayRef<Value> gradients) {
  if (cotangents[0])
    gradients[0] = CollectiveBroadcastOp::create(builder, getLoc(), cotangents[0], getToken(),
                                                 getGroup(), getMembers(), getRoot())
                       .getResult();
}

void CollectiveBroadcastOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                          MutableArrayRef<Value> gradients) {
  if (!cotangents[0])
    return;
  Expression g = Compose(builder, getLoc())(cotangents[0]);
  gradients[0] =
      convert(g.at().create<ReduceOp>(widen(g), getToken(), getGroup(), getMembers(), getRoot()),
              g.element());
}

void ReduceScatterOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                    MutableArrayRef<Value> gradients) {
  if (cotangents[0])
    gradients[0] =
        AllGatherOp::create(builder, getLoc(), cotangents[0], getToken(), getGroup(), getMembers())
            .getResult();
}

void AllGatherOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  if (!cotangents[0])
    return;
  Expression g = Compose(builder, getLoc())(cotangents[0]);
  Expression total = g.at().create<ReduceScatterOp>(widen(g), getToken(), getGroup(), getMembers());
  gradients[0] = convert(getMean() ? total / double(getMembers()) : total, g.element());
}

void AllToAllOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                               MutableArrayRef<Value> gradients) {
  if (cotangents[0])
    gradients[0] =
        AllToAllOp::create(builder, getLoc(), cotangents[0], getToken(), getGroup(), getMembers())
            .getResult();
}

void PermuteMembersOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                     MutableArrayRef<Value> gradients) {
  if (!cotangents[0])
    return;
  SmallVector<int64_t> sources(getMembers(), -1);
  for (auto [member, destination] : llvm::enumerate(getDestinations()))
    if (destination >= 0)
      sources[destination] = int64_t(member);
  gradients[0] = PermuteMembersOp::create(builder, getLoc(), cotangents[0], getToken(), getGroup(),
                                          getMembers(), sources)
                     .getResult();
}

//===----------------------------------------------------------------------===//
// What all members have
//===----------------------------------------------------------------------===//

SmallVector<Value> ReplicateOp::decompose(OpBuilder &) { return SmallVector<Value>(getOperands()); }

/// The cotangents of one dtype, wide enough for sums, one after the other in one message.
void ReplicateOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  llvm::MapVector<Type, SmallVector<unsigned>> byElement;
  SmallVector<Value> flat;
  for (auto [number, input] : llvm::enumerate(getInputs())) {
    Expression x = at(input);
    flat.emplace_back();
    if (!hasInexactElements(input.getType()))
      continue;
    Expression g = widen(cotangents[number] ? at(cotangents[number]) : x.filled(0.0));
    flat.back() = reshape(g, {x.type().getNumElements()});
    byElement[g.element()].push_back(unsigned(number));
  }
  for (auto &[element, numbers] : byElement) {
    SmallVector<Value> parts =
        llvm::map_to_vector(numbers, [&](unsigned number) { return flat[number]; });
    Expression all = parts.size() == 1 ? at(parts.front()) : concatenate(parts, 0, at);
    Expression total =
        at.create<AllReduceOp>(all, getToken(), getGroup(), getMembers(), /*reduction=*/0);
    if (getMean())
      total = total / double(getMembers());
    int64_t start = 0;
    for (unsigned number : numbers) {
      auto type = cast<RankedTensorType>(getInputs()[number].getType());
      Expression part = sliceAlong(total, 0, start, type.getNumElements());
      gradients[number] = convert(reshape(part, type.getShape()), type.getElementType());
      start += type.getNumElements();
    }
  }
}

} // namespace weft
