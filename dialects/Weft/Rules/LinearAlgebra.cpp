// The types and dimensions of ops that a library computes.
#include "dialects/Weft/Rules/Inference.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {
namespace {

/// A tensor of matrices, or of vectors, without the dimension of a pair of parts.
struct Matrices {
  RankedTensorType type;
  bool pairs;

  Matrices(Value value, bool pairs) : pairs(pairs) {
    type = cast<RankedTensorType>(value.getType());
    if (pairs && type.getRank() > 0)
      type = withShape(type, type.getShape().drop_back());
  }

  int64_t rank() const { return type.getRank(); }
  ArrayRef<int64_t> batch(int64_t matrixRank) const {
    return type.getShape().drop_back(matrixRank);
  }
  int64_t rows() const { return type.getDimSize(rank() - 2); }
  int64_t columns() const { return type.getDimSize(rank() - 1); }

  /// A tensor of the same elements, and of the same batch, with other sizes of matrices.
  Type with(int64_t matrixRank, ArrayRef<int64_t> sizes) const {
    SmallVector<int64_t> shape(batch(matrixRank));
    llvm::append_range(shape, sizes);
    if (pairs)
      shape.push_back(2);
    return withShape(type, shape);
  }
  /// The same of other elements, which are no pairs.
  Type with(int64_t matrixRank, ArrayRef<int64_t> sizes, Type element) const {
    SmallVector<int64_t> shape(batch(matrixRank));
    llvm::append_range(shape, sizes);
    return RankedTensorType::get(shape, element);
  }
};

LogicalResult fail(InferenceLocation location, const Twine &message) {
  return emitOptionalError(location, message);
}

LogicalResult checkMatrices(const Matrices &x, StringRef name, InferenceLocation location) {
  constexpr int64_t mostRows = std::numeric_limits<int32_t>::max();
  if (x.rank() < 2)
    return fail(location, name + ": the operand has shape " + shapeText(x.type) +
                              ", but has to be a matrix, or several");
  for (int64_t size : {x.rows(), x.columns()})
    if (!ShapedType::isDynamic(size) && !isSymbolicSize(size) && size > mostRows)
      return fail(location, name + ": a matrix of shape " + shapeText(x.type) + " is too large");
  return success();
}

LogicalResult checkSquare(const Matrices &x, StringRef name, InferenceLocation location) {
  if (failed(checkMatrices(x, name, location)))
    return failure();
  if (agree(x.rows(), x.columns()))
    return success();
  return fail(location, name + ": the matrices of shape " + shapeText(x.type) + " are not square");
}

/// The smaller of two sizes; nothing if symbols decide that.
std::optional<int64_t> smaller(int64_t left, int64_t right) {
  if (left == right)
    return left;
  if (ShapedType::isDynamic(left) || ShapedType::isDynamic(right))
    return ShapedType::kDynamic;
  if (isSymbolicSize(left) || isSymbolicSize(right))
    return std::nullopt;
  return std::min(left, right);
}

/// The smaller of the numbers of rows and columns; nothing after an error.
std::optional<int64_t> shortSide(const Matrices &x, StringRef name, InferenceLocation location) {
  if (failed(checkMatrices(x, name, location)))
    return std::nullopt;
  std::optional<int64_t> size = smaller(x.rows(), x.columns());
  if (!size)
    (void)fail(location, name + ": of matrices of shape " + shapeText(x.type) +
                             " it is not known which side is shorter");
  return size;
}

} // namespace

template <typename Adaptor> static Type partElement(Adaptor adaptor) {
  return partType(adaptor.getX().getType()).getElementType();
}

LogicalResult inferSquare(CholeskyOp::Adaptor adaptor, InferenceLocation location,
                          InferredTypes &types) {
  types.push_back(adaptor.getX().getType());
  return checkSquare({adaptor.getX(), adaptor.getPairs()}, "cholesky", location);
}

LogicalResult inferSolved(Value left, Value right, bool pairs, StringRef name,
                          InferenceLocation location, InferredTypes &types) {
  Matrices lhs(left, pairs), rhs(right, pairs);
  if (failed(checkSquare(lhs, name, location)) || failed(checkMatrices(rhs, name, location)))
    return failure();
  bool fits = lhs.rank() == rhs.rank() && agree(lhs.rows(), rhs.rows()) &&
              lhs.type.getElementType() == rhs.type.getElementType();
  for (auto [first, second] : llvm::zip(lhs.batch(2), rhs.batch(2)))
    fits = fits && agree(first, second);
  if (!fits)
    return fail(location, name + ": the sides have shapes " + shapeText(lhs.type) + " and " +
                              shapeText(rhs.type) +
                              ", but need the same dtype, the same leading dimensions and as many "
                              "rows");
  types.push_back(right.getType());
  return success();
}

LogicalResult inferLu(LuOp::Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  if (failed(checkSquare(x, "lu", location)))
    return failure();
  types.push_back(adaptor.getX().getType());
  types.push_back(x.with(2, x.rows(), IntegerType::get(x.type.getContext(), 64)));
  return success();
}

LogicalResult inferQr(QrOp::Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  std::optional<int64_t> side = shortSide(x, "qr", location);
  if (!side)
    return failure();
  int64_t inner = adaptor.getFull() ? x.rows() : *side;
  types.push_back(x.with(2, {x.rows(), inner}));
  types.push_back(x.with(2, {inner, x.columns()}));
  return success();
}

LogicalResult inferSvd(SvdOp::Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  std::optional<int64_t> side = shortSide(x, "svd", location);
  if (!side)
    return failure();
  bool full = adaptor.getFull();
  types.push_back(x.with(2, {x.rows(), full ? x.rows() : *side}));
  types.push_back(x.with(2, *side, partElement(adaptor)));
  types.push_back(x.with(2, {full ? x.columns() : *side, x.columns()}));
  return success();
}

LogicalResult inferSvdvals(SvdvalsOp::Adaptor adaptor, InferenceLocation location,
                           InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  std::optional<int64_t> side = shortSide(x, "svdvals", location);
  if (!side)
    return failure();
  types.push_back(x.with(2, *side, partElement(adaptor)));
  return success();
}

LogicalResult inferEigh(EighOp::Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  if (failed(checkSquare(x, "eigh", location)))
    return failure();
  types.push_back(x.with(2, x.rows(), partElement(adaptor)));
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult inferEigvalsh(EigvalshOp::Adaptor adaptor, InferenceLocation location,
                            InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  if (failed(checkSquare(x, "eigvalsh", location)))
    return failure();
  types.push_back(x.with(2, x.rows(), partElement(adaptor)));
  return success();
}

/// Complex, or pairs.
template <typename Adaptor>
static LogicalResult checkComplex(Adaptor adaptor, StringRef name, InferenceLocation location) {
  if (adaptor.getPairs() || isComplexTensor(adaptor.getX().getType()))
    return success();
  return fail(location, name + ": the operand has to be complex");
}

LogicalResult inferEig(EigOp::Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  if (failed(checkComplex(adaptor, "eig", location)) || failed(checkSquare(x, "eig", location)))
    return failure();
  types.push_back(x.with(2, x.rows()));
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult inferEigvals(EigvalsOp::Adaptor adaptor, InferenceLocation location,
                           InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  if (failed(checkComplex(adaptor, "eigvals", location)) ||
      failed(checkSquare(x, "eigvals", location)))
    return failure();
  types.push_back(x.with(2, x.rows()));
  return success();
}

LogicalResult inferFourier(FourierOp::Adaptor adaptor, InferenceLocation location,
                           InferredTypes &types) {
  if (failed(checkComplex(adaptor, "fourier", location)))
    return failure();
  if (Matrices(adaptor.getX(), adaptor.getPairs()).rank() < 1)
    return fail(location, "fourier: the operand needs a dimension");
  types.push_back(adaptor.getX().getType());
  return success();
}

/// x with another size of its last dimension, and other elements, or pairs of them.
static Type resized(RankedTensorType x, int64_t size, Type element, bool pairs) {
  SmallVector<int64_t> shape(x.getShape());
  shape.back() = size;
  if (pairs)
    shape.push_back(2);
  return RankedTensorType::get(shape, element);
}

LogicalResult inferRealFourier(RealFourierOp::Adaptor adaptor, InferenceLocation location,
                               InferredTypes &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType());
  if (isComplexTensor(x) || x.getRank() < 1)
    return fail(location, "real_fourier: the operand has to be real, with a dimension");
  int64_t size = x.getShape().back();
  if (size == 0 || isSymbolicSize(size))
    return fail(location, "real_fourier: there have to be elements, in a number that is known");
  Type element = adaptor.getPairs() ? x.getElementType() : ComplexType::get(x.getElementType());
  int64_t half = ShapedType::isDynamic(size) ? size : size / 2 + 1;
  types.push_back(resized(x, half, element, adaptor.getPairs()));
  return success();
}

LogicalResult inferInverseRealFourier(InverseRealFourierOp::Adaptor adaptor,
                                      InferenceLocation location, InferredTypes &types) {
  Matrices x(adaptor.getX(), adaptor.getPairs());
  if (failed(checkComplex(adaptor, "inverse_real_fourier", location)))
    return failure();
  if (x.rank() < 1)
    return fail(location, "inverse_real_fourier: the operand needs a dimension");
  int64_t half = x.columns(), odd = adaptor.getOdd();
  bool isKnown = !ShapedType::isDynamic(half);
  if (isSymbolicSize(half) || (isKnown && 2 * (half - 1) + odd < 1))
    return fail(location, "inverse_real_fourier: there have to be elements, in a number that is "
                          "known");
  int64_t size = isKnown ? 2 * (half - 1) + odd : half;
  types.push_back(resized(x.type, size, partElement(adaptor), false));
  return success();
}

//===----------------------------------------------------------------------===//
// Dimensions, options
//===----------------------------------------------------------------------===//

/// Leading dimensions are those in front of the matrices, which all operands have whole.
int64_t LibraryOpInterface::getBatchRank() {
  auto type = cast<RankedTensorType>(getOperation()->getOperand(0).getType());
  return type.getRank() - getMatrixRank() - (takesPairs() ? 1 : 0);
}

static SmallVector<SmallVector<int64_t>> batchLabels(LibraryOpInterface op) {
  SmallVector<SmallVector<int64_t>> labels;
  auto add = [&](Type type) {
    SmallVector<int64_t> &list = labels.emplace_back(cast<RankedTensorType>(type).getRank(), -1);
    for (int64_t d = 0; d < op.getBatchRank(); ++d)
      list[d] = d;
  };
  llvm::for_each(op->getOperandTypes(), add);
  llvm::for_each(op->getResultTypes(), add);
  return labels;
}

/// Options of the op's own, behind which its interface is the same for all.
#define LIBRARY_OP(OpType, ...)                                                                    \
  SmallVector<int64_t> OpType::getOptions() { return {__VA_ARGS__}; }                              \
  SmallVector<SmallVector<int64_t>> OpType::getDimensionLabels() {                                 \
    return batchLabels(cast<LibraryOpInterface>(getOperation()));                                  \
  }                                                                                                \
  Operation *OpType::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,   \
                                       ArrayRef<SmallVector<int64_t>>) {                           \
    return rebuild(builder, *this, operands, types);                                               \
  }

LIBRARY_OP(CholeskyOp, )
LIBRARY_OP(SolveOp, )
LIBRARY_OP(SolveTriangularOp, getLower(), getUnitDiagonal())
LIBRARY_OP(LuOp, )
LIBRARY_OP(QrOp, getFull())
LIBRARY_OP(SvdOp, getFull())
LIBRARY_OP(SvdvalsOp, )
LIBRARY_OP(EighOp, )
LIBRARY_OP(EigvalshOp, )
LIBRARY_OP(EigOp, )
LIBRARY_OP(EigvalsOp, )
LIBRARY_OP(FourierOp, getInverse())

LIBRARY_OP(RealFourierOp, )
LIBRARY_OP(InverseRealFourierOp, getOdd())

int64_t FourierOp::getMatrixRank() { return 1; }
int64_t RealFourierOp::getMatrixRank() { return 1; }
int64_t InverseRealFourierOp::getMatrixRank() { return 1; }
bool RealFourierOp::takesPairs() { return false; }

#undef LIBRARY_OP

} // namespace weft
