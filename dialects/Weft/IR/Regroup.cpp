// What a reshape is inside of a kernel.
#include "dialects/Weft/IR/Regroup.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace weft {

using Labels = SmallVector<SmallVector<int64_t>>;

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

/// What the sizes of a group multiply to: a size that is alone, or a number that is at least 1;
/// nothing if that cannot be told.
static std::optional<int64_t> sizeOfGroup(ArrayRef<int64_t> sizes, ArrayRef<int64_t> groups,
                                          int64_t group) {
  SmallVector<int64_t> members;
  for (auto [size, of] : llvm::zip_equal(sizes, groups))
    if (of == group)
      members.push_back(size);
  if (members.size() == 1)
    return members[0];
  if (!llvm::all_of(members, [](int64_t size) { return size > 0 && !isSymbolicSize(size); }))
    return std::nullopt;
  return productOf(members);
}

LogicalResult RegroupOp::verify() {
  auto from = cast<RankedTensorType>(getX().getType()), to = cast<RankedTensorType>(getType());
  ArrayRef<int64_t> before = getFrom(), after = getTo();
  if (from.getElementType() != to.getElementType())
    return emitOpError() << "makes " << to.getElementType() << " of " << from.getElementType();
  if (static_cast<int64_t>(before.size()) != from.getRank() ||
      static_cast<int64_t>(after.size()) != to.getRank() || !llvm::is_sorted(before) ||
      !llvm::is_sorted(after))
    return emitOpError() << "needs the number of a group, in ascending order, for each of the "
                         << from.getRank() << " dimensions of x and the " << to.getRank()
                         << " of the result";
  auto isAlone = [](ArrayRef<int64_t> groups) {
    return !groups.empty() && llvm::count(groups, groups.back()) == 1;
  };
  if (!isAlone(before) || !isAlone(after) || before.back() != after.back())
    return emitOpError() << "joins or splits rows; the last dimension must be alone in its group";
  if (from.getEncoding())
    return success();
  for (ArrayRef<int64_t> groups : {before, after})
    for (int64_t group : groups) {
      auto have = sizeOfGroup(from.getShape(), before, group),
           want = sizeOfGroup(to.getShape(), after, group);
      if (!have || !want || !agree(*have, *want))
        return emitOpError() << "group " << group << " has other sizes in x of shape "
                             << shapeText(from) << " than in the result of shape " << shapeText(to)
                             << ", or none that can be compared";
    }
  return success();
}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

Labels RegroupOp::getDimensionLabels() {
  Labels labels{SmallVector<int64_t>(getFrom()), SmallVector<int64_t>(getTo())};
  auto isOne = [&](int64_t group) {
    return llvm::count(getFrom(), group) == 1 && llvm::count(getTo(), group) == 1;
  };
  for (auto &list : labels)
    for (int64_t &label : list)
      label = isOne(label) ? label : -1;
  return labels;
}

Operation *RegroupOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                        ArrayRef<SmallVector<int64_t>> labels) {
  // Dimensions without a label are all there still.
  auto groupsOf = [](ArrayRef<int64_t> before, ArrayRef<int64_t> old, ArrayRef<int64_t> after) {
    SmallVector<int64_t> groups(after), unlabelled;
    for (auto [group, label] : llvm::zip_equal(before, old))
      if (label < 0)
        unlabelled.push_back(group);
    const auto *next = unlabelled.begin();
    for (int64_t &group : groups)
      if (group < 0)
        group = *next++;
    return groups;
  };
  Labels old = getDimensionLabels();
  return RegroupOp::create(builder, getLoc(), types[0], operands[0],
                           groupsOf(getFrom(), old[0], labels[0]),
                           groupsOf(getTo(), old[1], labels[1]));
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

namespace {

/// A tensor, and the groups of its dimensions.
struct Grouped {
  Value tensor;
  ArrayRef<int64_t> groups;
};

/// Arithmetic on i64 scalars and vectors that splats scalars where needed.
template <typename Op> Value make(ElementEmitter &emitter, Value x, Value y) {
  Value pair[] = {x, y};
  emitter.unify(pair);
  return Op::create(emitter.builder(), emitter.location(), pair[0], pair[1]);
}

Value sizeOf(ElementEmitter &emitter, Value tensor, size_t dimension) {
  return arith::IndexCastOp::create(emitter.builder(), emitter.location(),
                                    emitter.builder().getI64Type(),
                                    emitter.size(tensor, dimension));
}

/// Where the elements at `indices` of one tensor are in the other, which has the same elements.
SmallVector<ElementIndex> regrouped(ElementEmitter &emitter, ArrayRef<ElementIndex> indices,
                                    Grouped from, Grouped to) {
  SmallVector<ElementIndex> places(to.groups.size());
  for (size_t first = 0, end; first < to.groups.size(); first = end) {
    int64_t group = to.groups[first];
    const auto *members = llvm::find(from.groups, group);
    auto member = static_cast<size_t>(members - from.groups.begin());
    auto count = static_cast<size_t>(llvm::count(from.groups, group));
    end = first + static_cast<size_t>(llvm::count(to.groups, group));
    if (count == 1 && end - first == 1) {
      places[first] = indices[member];
      continue;
    }
    Value linear = emitter.constant(emitter.builder().getI64Type(), 0);
    for (size_t d = member; d < member + count; ++d)
      linear = make<arith::AddIOp>(
          emitter, make<arith::MulIOp>(emitter, linear, sizeOf(emitter, from.tensor, d)),
          emitter.toInteger(indices[d]));
    for (size_t d = end; --d > first;) {
      Value size = sizeOf(emitter, to.tensor, d);
      places[d] = emitter.fromInteger(make<arith::RemUIOp>(emitter, linear, size));
      linear = make<arith::DivUIOp>(emitter, linear, size);
    }
    places[first] = emitter.fromInteger(linear);
  }
  return places;
}

} // namespace

Value RegroupOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  return emitter.element(getX(), emitSource(emitter, indices));
}

SmallVector<ElementIndex> RegroupOp::emitSource(ElementEmitter &emitter,
                                                ArrayRef<ElementIndex> indices) {
  return regrouped(emitter, indices, {getResult(), getTo()}, {getX(), getFrom()});
}

SmallVector<ElementIndex> RegroupOp::emitPlace(ElementEmitter &emitter,
                                               ArrayRef<ElementIndex> indices) {
  return regrouped(emitter, indices, {getX(), getFrom()}, {getResult(), getTo()});
}

} // namespace weft
