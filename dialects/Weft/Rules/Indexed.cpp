// The elements of data movement, counters and windows (IndexedOpInterface).
#include "dialects/Weft/IR/NarrowFloats.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

using namespace mlir;
using arith::CmpIPredicate;

namespace weft {
namespace {

/// Arithmetic on i64 scalars and vectors that splats scalars where needed.
struct Integers {
  ElementEmitter &emitter;

  template <typename Op> Value make(Value x, Value y) {
    Value pair[] = {x, y};
    emitter.unify(pair);
    return Op::create(emitter.builder(), emitter.location(), pair[0], pair[1]);
  }
  Value compare(CmpIPredicate predicate, Value x, Value y) {
    Value pair[] = {x, y};
    emitter.unify(pair);
    return arith::CmpIOp::create(emitter.builder(), emitter.location(), predicate, pair[0],
                                 pair[1]);
  }
  Value select(Value condition, Value x, Value y) {
    Value all[] = {condition, x, y};
    emitter.unify(all);
    return arith::SelectOp::create(emitter.builder(), emitter.location(), all[0], all[1], all[2]);
  }
  Value number(int64_t value) { return emitter.constant(emitter.builder().getI64Type(), value); }
  /// A number of an op, which may be one that the launch gives.
  Value launched(int64_t number) {
    return arith::IndexCastOp::create(emitter.builder(), emitter.location(),
                                      emitter.builder().getI64Type(), emitter.numberIndex(number));
  }
  Value size(Value tensor, unsigned dimension) {
    return arith::IndexCastOp::create(emitter.builder(), emitter.location(),
                                      emitter.builder().getI64Type(),
                                      emitter.size(tensor, dimension));
  }
  Value inRange(Value x, Value low, Value high) {
    return make<arith::AndIOp>(compare(CmpIPredicate::sge, x, low),
                               compare(CmpIPredicate::slt, x, high));
  }
  /// Both, where null stands for true.
  Value both(Value x, Value y) { return x && y ? make<arith::AndIOp>(x, y) : x ? x : y; }
};

} // namespace

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

Value ConstantOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex>) {
  Type type = emitter.computeType(getResult());
  Attribute value = cast<DenseElementsAttr>(getValue()).getSplatValue<Attribute>();
  TypedAttr scalar;
  if (auto number = dyn_cast<FloatAttr>(value)) {
    APFloat wide = number.getValue();
    bool exact;
    wide.convert(cast<FloatType>(type).getFloatSemantics(), APFloat::rmNearestTiesToEven, &exact);
    scalar = FloatAttr::get(type, wide);
  } else {
    scalar = IntegerAttr::get(type, cast<IntegerAttr>(value).getValue());
  }
  return arith::ConstantOp::create(emitter.builder(), emitter.location(), scalar);
}

Value IotaOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  Value position = emitter.toInteger(indices[getAxis()]);
  Type type = emitter.computeType(getResult());
  if (auto vector = dyn_cast<VectorType>(position.getType()))
    type = VectorType::get(vector.getShape(), type);
  if (isa<FloatType>(getElementTypeOrSelf(type)))
    return arith::SIToFPOp::create(emitter.builder(), emitter.location(), type, position);
  if (getElementTypeOrSelf(type).isInteger(64))
    return position;
  return arith::TruncIOp::create(emitter.builder(), emitter.location(), type, position);
}

namespace {

/// Threefry-2x32 on i32 scalars or vectors.
struct Threefry {
  ElementEmitter &emitter;
  Integers integers{emitter};

  Value word(uint32_t value) {
    return emitter.constant(emitter.builder().getI32Type(), static_cast<int32_t>(value));
  }
  Value add(Value x, Value y) { return integers.make<arith::AddIOp>(x, y); }
  Value exclusiveOr(Value x, Value y) { return integers.make<arith::XOrIOp>(x, y); }
  Value rotate(Value x, uint32_t by) {
    return integers.make<arith::OrIOp>(integers.make<arith::ShLIOp>(x, word(by)),
                                       integers.make<arith::ShRUIOp>(x, word(32 - by)));
  }

  std::pair<Value, Value> run(Value key0, Value key1, Value x, Value y) {
    static constexpr uint32_t rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
    Value keys[3] = {key0, key1, exclusiveOr(exclusiveOr(key0, key1), word(0x1BD11BDA))};
    x = add(x, keys[0]);
    y = add(y, keys[1]);
    for (uint32_t group = 0; group < 5; ++group) {
      for (uint32_t round = 0; round < 4; ++round) {
        x = add(x, y);
        y = exclusiveOr(rotate(y, rotations[group % 2 * 4 + round]), x);
      }
      x = add(x, keys[(group + 1) % 3]);
      y = add(add(y, keys[(group + 2) % 3]), word(group + 1));
    }
    return {x, y};
  }
};

} // namespace

Value RandomBitsOp::emitElements(ElementEmitter &emitter, unsigned,
                                 ArrayRef<ElementIndex> indices) {
  OpBuilder &builder = emitter.builder();
  Location location = emitter.location();
  Threefry threefry{emitter};
  Integers &integers = threefry.integers;
  Value position = integers.number(0);
  // Behind the dimensions that the key has too.
  size_t first = getKey().getType().getRank() - 1;
  for (auto [d, index] : llvm::drop_begin(llvm::enumerate(indices), first)) {
    if (d > first)
      position = integers.make<arith::MulIOp>(position, integers.size(getResult(), d));
    position = integers.make<arith::AddIOp>(position, emitter.toInteger(index));
  }
  Type words = typeLike(position, builder.getI32Type());
  Value low = arith::TruncIOp::create(builder, location, words, position);
  Value shifted = integers.make<arith::ShRUIOp>(position, integers.number(32));
  Value high = arith::TruncIOp::create(builder, location, words, shifted);
  auto keyWord = [&](int64_t number) {
    SmallVector<ElementIndex> place(indices.take_front(first));
    place.push_back({emitter.constantIndex(number)});
    return emitter.element(getKey(), place);
  };
  auto [lowWord, highWord] = threefry.run(keyWord(0), keyWord(1), low, high);
  if (getElementTypeOrSelf(getResult()).isInteger(32))
    return lowWord;
  Type wide = typeLike(lowWord, builder.getI64Type());
  Value lowPart = arith::ExtUIOp::create(builder, location, wide, lowWord);
  Value highPart = arith::ExtUIOp::create(builder, location, wide, highWord);
  return integers.make<arith::OrIOp>(integers.make<arith::ShLIOp>(highPart, integers.number(32)),
                                     lowPart);
}

//===----------------------------------------------------------------------===//
// Rearrangement
//===----------------------------------------------------------------------===//

Value TransposeOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  SmallVector<ElementIndex> source(indices.size());
  for (auto [d, from] : llvm::enumerate(getPermutation()))
    source[from] = indices[d];
  return emitter.element(getX(), source);
}

Value BroadcastOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  SmallVector<ElementIndex> source;
  for (auto [d, target] : llvm::enumerate(getDimensions()))
    source.push_back(isExpanded(d) ? ElementIndex{emitter.constantIndex(0)} : indices[target]);
  return emitter.element(getX(), source);
}

/// starts + indices * steps
static SmallVector<ElementIndex> stridedIndices(ElementEmitter &emitter,
                                                ArrayRef<ElementIndex> indices,
                                                ArrayRef<int64_t> starts, ArrayRef<int64_t> steps) {
  SmallVector<ElementIndex> result;
  for (auto [d, index] : llvm::enumerate(indices))
    result.push_back(
        emitter.add(emitter.multiply(index, steps[d]), emitter.numberIndex(starts[d])));
  return result;
}

Value SliceOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  return emitter.element(getX(), stridedIndices(emitter, indices, getStarts(), getSteps()));
}

namespace {

/// A tensor placed in a larger one: element i is at first + i * distance along the dimensions
/// whose label is negative, and at i along the others.
struct Placement {
  ElementEmitter &emitter;
  Value inner;
  ArrayRef<int64_t> labels;
  Integers integers{emitter};

  /// The distances of elements, as i64: 1 is null.
  using Distance = function_ref<Value(unsigned)>;

  /// The element of `inner` that is at `indices` of the larger tensor, or `outside` where none is.
  Value emit(ArrayRef<ElementIndex> indices, ArrayRef<int64_t> first, Distance distance,
             Value outside) {
    SmallVector<ElementIndex> source(indices);
    SmallVector<unsigned> checked;
    Value inside;
    for (auto [d, label] : llvm::enumerate(labels)) {
      if (label >= 0)
        continue;
      checked.push_back(d);
      source[d] = emitter.subtract(indices[d], emitter.numberIndex(first[d]));
      if (Value step = distance(d)) {
        // -1 / 2 is 0: what is negative is no multiple of it.
        Value shifted = emitter.toInteger(source[d]);
        Value rest = integers.make<arith::RemSIOp>(shifted, step);
        inside =
            integers.both(inside, integers.compare(CmpIPredicate::eq, rest, integers.number(0)));
        source[d] = emitter.fromInteger(integers.make<arith::DivSIOp>(shifted, step));
      }
    }
    auto element = [&] { return emitter.elementWithin(inner, source, checked, outside); };
    return inside ? emitter.guarded(inside, outside, element) : element();
  }
};

} // namespace

std::optional<int64_t> SliceOp::getRunStart() {
  auto whole = cast<RankedTensorType>(getX().getType()), part = getType();
  if (hasSymbolicSize(whole) || hasSymbolicSize(part) || !whole.hasStaticShape() || isEmpty(part))
    return std::nullopt;
  int64_t start = 0, distance = 1;
  // From the innermost dimension on: whole ones, one of which there is a part, then single places.
  bool isWhole = true;
  for (int64_t d = whole.getRank(); d-- > 0;) {
    int64_t size = part.getDimSize(d), first = getStarts()[d];
    if (isSymbolicSize(first) || (!isWhole && size != 1) || (size > 1 && getSteps()[d] != 1))
      return std::nullopt;
    isWhole = isWhole && size == whole.getDimSize(d);
    start += first * distance;
    distance *= whole.getDimSize(d);
  }
  return start;
}

Value PadOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  auto labels = getDimensionLabels();
  Placement placement{emitter, getX(), labels[2]};
  auto distance = [&](unsigned d) -> Value {
    int64_t gap = getInterior()[d];
    if (!isFromLaunch(gap))
      return gap == 0 ? Value() : placement.integers.number(gap + 1);
    return placement.integers.make<arith::AddIOp>(placement.integers.launched(gap),
                                                  placement.integers.number(1));
  };
  return placement.emit(indices, getLow(), distance, emitter.element(getValue(), {}));
}

SmallVector<ElementIndex> UpdateOp::emitPlace(ElementEmitter &emitter,
                                              ArrayRef<ElementIndex> indices) {
  return stridedIndices(emitter, indices, getStarts(), getSteps());
}

Value ConcatenateOp::emitElements(ElementEmitter &emitter, unsigned,
                                  ArrayRef<ElementIndex> indices) {
  Integers integers{emitter};
  int64_t axis = getAxis();
  Value position = emitter.toInteger(indices[axis]);
  Value start = emitter.constantIndex(0);
  Value result = emitter.constant(emitter.computeType(getResult()), 0);
  for (Value input : getInputs()) {
    Value size = emitter.size(input, axis);
    SmallVector<ElementIndex> source(indices);
    Value negative = arith::SubIOp::create(emitter.builder(), emitter.location(),
                                           emitter.constantIndex(0), start);
    source[axis] = emitter.add(indices[axis], negative);
    Value end = arith::AddIOp::create(emitter.builder(), emitter.location(), start, size);
    auto wide = [&](Value index) { return emitter.toInteger(ElementIndex{index}); };
    Value inside = integers.inRange(position, wide(start), wide(end));
    result = emitter.guarded(inside, result, [&] { return emitter.element(input, source); });
    start = end;
  }
  return result;
}

/// The indices of `indices` as i64, negative ones counted from the end of `size` elements; those of
/// uint64 beyond i64 are the largest one.
static Value positionsOf(Integers &integers, Value indices, ArrayRef<ElementIndex> at, Value size) {
  OpBuilder &builder = integers.emitter.builder();
  Location location = integers.emitter.location();
  Value found = integers.emitter.element(indices, at);
  Type element = getElementTypeOrSelf(indices), wide = builder.getI64Type();
  if (auto vector = dyn_cast<VectorType>(found.getType()))
    wide = VectorType::get(vector.getShape(), wide);
  Value position = found;
  bool isUnsigned = element.isUnsignedInteger();
  if (element.getIntOrFloatBitWidth() < 64)
    position = isUnsigned ? Value(arith::ExtUIOp::create(builder, location, wide, found))
                          : Value(arith::ExtSIOp::create(builder, location, wide, found));
  Value below = isUnsigned ? integers.number(std::numeric_limits<int64_t>::max())
                           : integers.make<arith::AddIOp>(position, size);
  return integers.select(integers.compare(CmpIPredicate::slt, position, integers.number(0)), below,
                         position);
}

Value GatherOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  Integers integers{emitter};
  int64_t axis = getAxis(), inner = getIndices().getType().getRank();
  Value size = integers.size(getX(), axis), zero = integers.number(0);
  Value position = positionsOf(integers, getIndices(), indices.slice(axis, inner), size);
  Value last = integers.make<arith::SubIOp>(size, integers.number(1));
  Value clamped =
      integers.make<arith::MinSIOp>(integers.make<arith::MaxSIOp>(position, zero), last);
  SmallVector<ElementIndex> source(indices.take_front(axis));
  source.push_back(emitter.fromInteger(clamped));
  llvm::append_range(source, indices.drop_front(axis + inner));
  Type compute = emitter.computeType(getResult());
  double missing = isa<FloatType>(compute) ? std::numeric_limits<double>::quiet_NaN() : 0.0;
  return integers.select(integers.inRange(position, zero, size), emitter.element(getX(), source),
                         emitter.constant(compute, missing));
}

//===----------------------------------------------------------------------===//
// Scatters
//===----------------------------------------------------------------------===//

/// Where along the axis of x a scatter puts the updates at `indices`, which may be out of range.
template <typename Scatter>
static Value rowOf(Scatter op, Integers &integers, ArrayRef<ElementIndex> indices) {
  auto [first, end] = op.getOrderedDimensions();
  Value size = integers.size(op.getX(), op.getAxis());
  return positionsOf(integers, op.getIndices(), indices.slice(first, end - first), size);
}

template <typename Scatter>
static Value emitIsInRange(Scatter op, ElementEmitter &emitter, ArrayRef<ElementIndex> indices) {
  Integers integers{emitter};
  // One unsigned comparison: a negative index is larger than any size.
  return integers.compare(CmpIPredicate::ult, rowOf(op, integers, indices),
                          integers.size(op.getX(), op.getAxis()));
}

template <typename Scatter>
static SmallVector<ElementIndex> emitScattered(Scatter op, ElementEmitter &emitter,
                                               ArrayRef<ElementIndex> indices) {
  Integers integers{emitter};
  auto [first, end] = op.getOrderedDimensions();
  SmallVector<ElementIndex> place(indices.take_front(first));
  place.push_back(emitter.fromInteger(rowOf(op, integers, indices)));
  llvm::append_range(place, indices.drop_front(end));
  return place;
}

#define WEFT_SCATTER(Op)                                                                           \
  Value Op::emitIsMade(ElementEmitter &emitter, ArrayRef<ElementIndex> indices) {                  \
    return emitIsInRange(*this, emitter, indices);                                                 \
  }                                                                                                \
  SmallVector<ElementIndex> Op::emitPlace(ElementEmitter &emitter,                                 \
                                          ArrayRef<ElementIndex> indices) {                        \
    return emitScattered(*this, emitter, indices);                                                 \
  }
WEFT_SCATTER(ScatterAddOp)
WEFT_SCATTER(ScatterOp)
#undef WEFT_SCATTER

//===----------------------------------------------------------------------===//
// Windows over [N, H, W, C]
//===----------------------------------------------------------------------===//

namespace {

/// The walk over the elements of windows.
struct Windows {
  ElementEmitter &emitter;
  ArrayRef<int64_t> window, strides;
  Integers integers{emitter};

  /// The elements of `x` at position (kh, kw) of the windows at `indices`.
  Value elementOf(Value x, ArrayRef<ElementIndex> indices, int64_t kh, int64_t kw) {
    SmallVector<ElementIndex> source(indices);
    source[1] = emitter.add(emitter.multiply(indices[1], strides[0]), emitter.constantIndex(kh));
    source[2] = emitter.add(emitter.multiply(indices[2], strides[1]), emitter.constantIndex(kw));
    return emitter.element(x, source);
  }

  int64_t elementCount() const { return window[0] * window[1]; }

  /// Calls `visit(indices of a window, position in it, whether there is one)` for each window that
  /// may contain the element at `indices`, in the order of the windows.
  void forEachContaining(Value windows, ArrayRef<ElementIndex> indices,
                         function_ref<void(ArrayRef<ElementIndex>, Value, Value)> visit) {
    int64_t overlap[2];
    Value element[2], last[2];
    for (int d : {0, 1}) {
      overlap[d] = (window[d] + strides[d] - 1) / strides[d];
      element[d] = emitter.toInteger(indices[d + 1]);
      last[d] = integers.make<arith::DivUIOp>(element[d], integers.number(strides[d]));
    }
    for (int64_t back0 = overlap[0] - 1; back0 >= 0; --back0)
      for (int64_t back1 = overlap[1] - 1; back1 >= 0; --back1) {
        int64_t back[2] = {back0, back1};
        Value at[2], offset[2], exists;
        for (int d : {0, 1}) {
          at[d] = integers.make<arith::SubIOp>(last[d], integers.number(back[d]));
          Value start = integers.make<arith::MulIOp>(at[d], integers.number(strides[d]));
          offset[d] = integers.make<arith::SubIOp>(element[d], start);
          Value inside = integers.inRange(at[d], integers.number(0), integers.size(windows, d + 1));
          exists = integers.both(exists, inside);
          exists = integers.both(
              exists, integers.compare(CmpIPredicate::slt, offset[d], integers.number(window[d])));
        }
        SmallVector<ElementIndex> source(indices);
        source[1] = emitter.fromInteger(at[0]);
        source[2] = emitter.fromInteger(at[1]);
        Value position = integers.make<arith::AddIOp>(
            integers.make<arith::MulIOp>(offset[0], integers.number(window[1])), offset[1]);
        visit(source, position, exists);
      }
  }

  /// `value`, an i64 scalar or vector, in the type of `like`.
  Value narrowed(Value value, Type scalar) {
    auto vector = dyn_cast<VectorType>(value.getType());
    Type type = vector ? Type(VectorType::get(vector.getShape(), scalar)) : scalar;
    return arith::TruncIOp::create(emitter.builder(), emitter.location(), type, value);
  }
};

} // namespace

/// x + y of the compute type.
static Value emitAdd(Integers &integers, Value x, Value y) {
  return isa<FloatType>(getElementTypeOrSelf(x)) ? integers.make<arith::AddFOp>(x, y)
                                                 : integers.make<arith::AddIOp>(x, y);
}

namespace {

/// The largest element of a window, and its place: kh * KW + kw, the first of equals.
struct Largest {
  Value element, place;
};

} // namespace

static Largest largestOfWindow(ElementEmitter &emitter, WindowMaxIndexOp op,
                               ArrayRef<ElementIndex> indices) {
  Windows windows{emitter, op.getWindow(), op.getStrides()};
  Integers &integers = windows.integers;
  OpBuilder &builder = emitter.builder();
  Location location = emitter.location();
  Type type = emitter.computeType(op.getIndex());
  bool isUnsigned = getElementTypeOrSelf(op.getX()).isUnsignedInteger();
  Largest best{windows.elementOf(op.getX(), indices, 0, 0), emitter.constant(type, 0)};
  int64_t width = op.getWindow()[1];
  for (int64_t k = 1; k < windows.elementCount(); ++k) {
    Value next = windows.elementOf(op.getX(), indices, k / width, k % width);
    Value larger;
    if (isa<FloatType>(getElementTypeOrSelf(next))) {
      // A NaN is larger than any number; the first one stays.
      Value notSmaller =
          arith::CmpFOp::create(builder, location, arith::CmpFPredicate::UGT, next, best.element);
      Value isNumber = arith::CmpFOp::create(builder, location, arith::CmpFPredicate::ORD,
                                             best.element, best.element);
      larger = arith::AndIOp::create(builder, location, notSmaller, isNumber);
    } else {
      larger = integers.compare(isUnsigned ? CmpIPredicate::ugt : CmpIPredicate::sgt, next,
                                best.element);
    }
    best.element = integers.select(larger, next, best.element);
    best.place = integers.select(larger, emitter.constant(type, k), best.place);
  }
  return best;
}

Value WindowMaxIndexOp::emitElements(ElementEmitter &emitter, unsigned,
                                     ArrayRef<ElementIndex> indices) {
  return largestOfWindow(emitter, *this, indices).place;
}

Value WindowGatherOp::emitElements(ElementEmitter &emitter, unsigned,
                                   ArrayRef<ElementIndex> indices) {
  // Of the largest elements the search has the values: no look-up by their places.
  auto search = getIndex().getDefiningOp<WindowMaxIndexOp>();
  if (search && search.getX() == getX() && search.getWindow() == getWindow() &&
      search.getStrides() == getStrides())
    return largestOfWindow(emitter, search, indices).element;
  Windows windows{emitter, getWindow(), getStrides()};
  Integers &integers = windows.integers;
  Value where = emitter.element(getIndex(), indices);
  Type type = emitter.computeType(getIndex());
  Value result = windows.elementOf(getX(), indices, 0, 0);
  for (int64_t k = 1; k < windows.elementCount(); ++k) {
    Value element = windows.elementOf(getX(), indices, k / getWindow()[1], k % getWindow()[1]);
    Value here = integers.compare(CmpIPredicate::eq, where, emitter.constant(type, k));
    result = integers.select(here, element, result);
  }
  return result;
}

Value WindowScatterOp::emitElements(ElementEmitter &emitter, unsigned,
                                    ArrayRef<ElementIndex> indices) {
  Windows windows{emitter, getWindow(), getStrides()};
  Integers &integers = windows.integers;
  Value zero = emitter.constant(emitter.computeType(getResult()), 0), result;
  auto visit = [&](ArrayRef<ElementIndex> source, Value position, Value exists) {
    Value contribution = emitter.guarded(exists, zero, [&] {
      Value where = emitter.element(getIndex(), source);
      Value wanted = windows.narrowed(position, emitter.computeType(getIndex()));
      Value here = integers.compare(CmpIPredicate::eq, where, wanted);
      return integers.select(here, emitter.element(getX(), source), zero);
    });
    result = result ? emitAdd(integers, result, contribution) : contribution;
  };
  windows.forEachContaining(getX(), indices, visit);
  return result;
}

Value WindowSumOp::emitElements(ElementEmitter &emitter, unsigned, ArrayRef<ElementIndex> indices) {
  Windows windows{emitter, getWindow(), getStrides()};
  Value result = windows.elementOf(getX(), indices, 0, 0);
  for (int64_t k = 1; k < windows.elementCount(); ++k)
    result = emitAdd(windows.integers, result,
                     windows.elementOf(getX(), indices, k / getWindow()[1], k % getWindow()[1]));
  return result;
}

namespace {

/// Where the elements of a vector are in an image whose rows lie one after the other, and which
/// elements around them are in the image.
class JoinedRows {
public:
  JoinedRows(ElementEmitter &emitter, Value image, const ElementIndex &joined)
      : emitter(emitter), integers{emitter}, sizes{size(image, 2), size(image, 3)} {
    Value place = emitter.toInteger(joined);
    place = arith::TruncIOp::create(emitter.builder(), emitter.location(),
                                    likeOf(place, emitter.builder().getI32Type()), place);
    places[0] = quotient(place, sizes[1]);
    places[1] =
        integers.make<arith::SubIOp>(place, integers.make<arith::MulIOp>(places[0], sizes[1]));
  }

  /// The element `distance` further along dimension `d` (H, W).
  ElementIndex at(int64_t d, int64_t distance) {
    Type wide = likeOf(places[d], emitter.builder().getI64Type());
    Value place = arith::ExtSIOp::create(emitter.builder(), emitter.location(), wide, places[d]);
    return emitter.add(emitter.fromInteger(place), emitter.constantIndex(distance));
  }

  /// Whether the element `distance` further along dimension `d` (H, W) is there; null if always.
  Value isInside(int64_t d, int64_t distance) {
    if (distance == 0)
      return {};
    if (distance < 0)
      return integers.compare(CmpIPredicate::sge, places[d], number(-distance));
    return integers.compare(CmpIPredicate::slt, places[d],
                            integers.make<arith::SubIOp>(sizes[d], number(distance)));
  }

private:
  Value number(int64_t value) {
    return emitter.constant(emitter.builder().getI32Type(), static_cast<double>(value));
  }

  Value size(Value image, unsigned dimension) {
    return arith::IndexCastOp::create(emitter.builder(), emitter.location(),
                                      emitter.builder().getI32Type(),
                                      emitter.size(image, dimension));
  }

  Type likeOf(Value value, Type element) {
    auto vector = dyn_cast<VectorType>(value.getType());
    return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
  }

  /// Processors have no division of vectors of integers: halves between them are far enough from
  /// the next one for a product in f64 to be right.
  Value quotient(Value dividend, Value divisor) {
    if (!isa<VectorType>(dividend.getType()))
      return arith::DivUIOp::create(emitter.builder(), emitter.location(), dividend, divisor);
    Type wide = emitter.builder().getF64Type();
    auto floating = [&](Value value) -> Value {
      return arith::SIToFPOp::create(emitter.builder(), emitter.location(), likeOf(value, wide),
                                     value);
    };
    Value inverse = integers.make<arith::DivFOp>(emitter.constant(wide, 1), floating(divisor));
    Value middle = integers.make<arith::AddFOp>(floating(dividend), emitter.constant(wide, 0.5));
    return arith::FPToSIOp::create(emitter.builder(), emitter.location(), dividend.getType(),
                                   integers.make<arith::MulFOp>(middle, inverse));
  }

  ElementEmitter &emitter;
  Integers integers;
  Value sizes[2], places[2];
};

/// The windows of a depthwise convolution, their sums chains of fused multiply-adds.
struct DepthwiseWindows {
  DepthwiseConvolutionOp op;
  ElementEmitter &emitter;
  ArrayRef<ElementIndex> indices;

  /// The dimension of the image that is the first or second of the window.
  unsigned along(int64_t d) { return static_cast<unsigned>(op.getHeightDimension() + d); }

  /// Where element `k` of a window is along dimension `d` of it.
  ElementIndex place(int64_t d, int64_t k) {
    ElementIndex first = emitter.multiply(indices[along(d)], op.getStrides()[d]);
    return emitter.add(first, emitter.constantIndex(k * op.getDilations()[d] - op.getLow()[d]));
  }

  Value weight(int64_t kh, int64_t kw) {
    SmallVector<ElementIndex> at = {{emitter.constantIndex(kh)}, {emitter.constantIndex(kw)}};
    at.insert(op.getChannelsLast() ? at.end() : at.begin(), indices[op.getChannelDimension()]);
    return emitter.element(op.getWeight(), at);
  }

  /// Calls `visit` for the elements of a window, in order.
  void forEach(function_ref<void(int64_t, int64_t)> visit) {
    for (int64_t kh = 0; kh < op.getWindow()[0]; ++kh)
      for (int64_t kw = 0; kw < op.getWindow()[1]; ++kw)
        visit(kh, kw);
  }

  /// Zeros of the border are multiplied like any element: a weight may be infinite.
  Value sum(ArrayRef<Value> weights, bool isChecked) {
    Value zero = emitter.constant(emitter.computeType(op.getResult()), 0), total = zero;
    SmallVector<unsigned, 2> checked;
    if (isChecked)
      checked = {along(0), along(1)};
    forEach([&](int64_t kh, int64_t kw) {
      SmallVector<ElementIndex, 4> at(indices);
      at[along(0)] = place(0, kh);
      at[along(1)] = place(1, kw);
      total = multiplyAdd(emitter.elementWithin(op.getX(), at, checked, zero),
                          weights[kh * op.getWindow()[1] + kw], total);
    });
    return total;
  }

  Value multiplyAdd(Value element, Value weight, Value total) {
    Value factors[] = {element, weight, total};
    emitter.unify(factors);
    return math::FmaOp::create(emitter.builder(), emitter.location(), factors[0], factors[1],
                               factors[2]);
  }

  /// The same where the rows of the result are joined: in memory, what is around an element of the
  /// image is always equally far from it, in another row too.
  Value sumOfJoined(ArrayRef<Value> weights) {
    JoinedRows rows(emitter, op.getX(), indices[2]);
    Value zero = emitter.constant(emitter.computeType(op.getResult()), 0), total = zero;
    auto distance = [&](int64_t d, int64_t k) { return k * op.getDilations()[d] - op.getLow()[d]; };
    forEach([&](int64_t kh, int64_t kw) {
      Value further =
          arith::MulIOp::create(emitter.builder(), emitter.location(), emitter.size(op.getX(), 3),
                                emitter.constantIndex(distance(0, kh)));
      ElementIndex place =
          emitter.add(emitter.add(indices[2], further), emitter.constantIndex(distance(1, kw)));
      auto read = [&] {
        ElementIndex row = {emitter.constantIndex(0)}, column = place;
        // What the kernel computes is asked for by its row and column.
        if (!isa<BlockArgument>(op.getX()))
          row = rows.at(0, distance(0, kh)), column = rows.at(1, distance(1, kw));
        return emitter.element(op.getX(), {indices[0], indices[1], row, column});
      };
      Value inside = Integers{emitter}.both(rows.isInside(0, distance(0, kh)),
                                            rows.isInside(1, distance(1, kw)));
      Value element = inside ? emitter.guarded(inside, zero, read) : read();
      total = multiplyAdd(element, weights[kh * op.getWindow()[1] + kw], total);
    });
    return total;
  }

  /// True if no element of any lane's window is in the border.
  Value areInside() {
    Integers integers{emitter};
    Value all;
    for (int64_t d : {0, 1}) {
      ElementIndex first = place(d, 0), last = place(d, op.getWindow()[d] - 1);
      Value lanes = emitter.constantIndex((emitter.laneCount() - 1) * first.step);
      last = emitter.add({last.base}, lanes);
      for (const ElementIndex &end : {ElementIndex{first.base}, last})
        all = integers.both(all, emitter.isWithin(end, emitter.size(op.getX(), along(d))));
    }
    return all;
  }
};

} // namespace

bool DepthwiseConvolutionOp::hasBorder() {
  return llvm::any_of(llvm::concat<const int64_t>(getLow(), getHigh()),
                      [](int64_t width) { return width > 0; });
}

Value DepthwiseConvolutionOp::emitAreInside(ElementEmitter &emitter,
                                            ArrayRef<ElementIndex> indices) {
  return getChannelsLast() && hasBorder() ? DepthwiseWindows{*this, emitter, indices}.areInside()
                                          : Value();
}

Value DepthwiseConvolutionOp::emitElements(ElementEmitter &emitter, unsigned,
                                           ArrayRef<ElementIndex> indices) {
  DepthwiseWindows windows{*this, emitter, indices};
  // In front of the branches, where a loop over a row finds them to be the same all along it.
  SmallVector<Value> weights;
  windows.forEach([&](int64_t kh, int64_t kw) { weights.push_back(windows.weight(kh, kw)); });
  if (getJoined())
    return windows.sumOfJoined(weights);
  if (!hasBorder() || emitter.areKnownInside(getResult(), indices))
    return windows.sum(weights, false);
  if (emitter.isJammed() || indices[windows.along(0)].lanes || indices[windows.along(1)].lanes)
    return windows.sum(weights, true);
  Integers integers{emitter};
  Value inside = windows.areInside();
  Value outside = integers.compare(CmpIPredicate::eq, inside,
                                   emitter.constant(emitter.builder().getI1Type(), 0));
  Value zero = emitter.constant(emitter.computeType(getResult()), 0);
  Value sum = emitter.guarded(inside, zero, [&] { return windows.sum(weights, false); });
  return emitter.guarded(outside, sum, [&] { return windows.sum(weights, true); });
}

Value WindowSpreadOp::emitElements(ElementEmitter &emitter, unsigned,
                                   ArrayRef<ElementIndex> indices) {
  Windows windows{emitter, getWindow(), getStrides()};
  Value zero = emitter.constant(emitter.computeType(getResult()), 0), result;
  auto visit = [&](ArrayRef<ElementIndex> source, Value, Value exists) {
    Value contribution =
        emitter.guarded(exists, zero, [&] { return emitter.element(getX(), source); });
    result = result ? emitAdd(windows.integers, result, contribution) : contribution;
  };
  windows.forEachContaining(getX(), indices, visit);
  return result;
}

} // namespace weft
