// Gradients of decompositions of matrices (Giles, "An extended collection of matrix derivative
// results for forward and reverse mode automatic differentiation", 2008; Murray, "Differentiation
// of the Cholesky decomposition", 2016; Seeger et al., "Auto-differentiating linear algebra", 2017;
// for complex matrices Boeddeker et al., "On the computation of complex-valued gradients", 2017).
//
// Where eigenvalues or singular values are equal, those of vectors are not defined, and infinite.
#include "dialects/Weft/Rules/Build.h"

using namespace mlir;

namespace weft {
namespace {

int64_t rowsOf(const Expression &x) { return x.size(x.rank() - 2); }
int64_t columnsOf(const Expression &x) { return x.size(x.rank() - 1); }

/// Conjugated, with rows and columns exchanged.
Expression adjoint(const Expression &x) {
  SmallVector<int64_t> permutation = allAxes(x.rank());
  std::swap(permutation[x.rank() - 1], permutation[x.rank() - 2]);
  Expression turned = transpose(x, permutation);
  return isComplexTensor(x.type()) ? x.at().create<ConjOp>(turned) : turned;
}

Expression product(const Expression &x, const Expression &y) { return matmul(x, y, false, false); }

/// The number of each row, or column, at every element of matrices like x.
Expression rowNumbers(const Expression &x) {
  Type type = withElement(x.type(), IntegerType::get(x.type().getContext(), 64));
  return x.at().iota(type, x.rank() - 2);
}
Expression columnNumbers(const Expression &x) {
  Type type = withElement(x.type(), IntegerType::get(x.type().getContext(), 64));
  return x.at().iota(type, x.rank() - 1);
}

Expression isDiagonal(const Expression &x) { return rowNumbers(x) == columnNumbers(x); }
/// x below the diagonal, and 0 elsewhere.
Expression below(const Expression &x) { return select(rowNumbers(x) > columnNumbers(x), x, 0.0); }
Expression onAndAbove(const Expression &x) {
  return select(rowNumbers(x) <= columnNumbers(x), x, 0.0);
}
Expression offDiagonal(const Expression &x) { return select(isDiagonal(x), 0.0, x); }

/// The diagonal of square matrices.
Expression diagonalOf(const Expression &x) {
  return sum(select(isDiagonal(x), x, 0.0), x.rank() - 1);
}

/// Number j of a vector in column j, or number i in row i, of matrices like `like`.
Expression alongColumns(const Expression &vector, const Expression &like) {
  return repeat(convert(vector, like.element()), like.type().getShape(), like.rank() - 2);
}
Expression alongRows(const Expression &vector, const Expression &like) {
  return repeat(convert(vector, like.element()), like.type().getShape(), like.rank() - 1);
}

/// Matrices like `like` with the vector on their diagonals.
Expression diagonal(const Expression &vector, const Expression &like) {
  return select(isDiagonal(like), alongColumns(vector, like), 0.0);
}

Expression realPart(const Expression &x) {
  return isComplexTensor(x.type()) ? x.at().create<RealOp>(x) : x;
}

Expression solveTriangular(const Expression &lhs, const Expression &rhs, bool lower,
                           bool unitDiagonal = false) {
  return lhs.at().create<SolveTriangularOp>(lhs, rhs, /*pairs=*/false, lower, unitDiagonal);
}

/// x R^-H, of upper triangular R.
Expression timesInverseAdjoint(const Expression &x, const Expression &r) {
  return adjoint(solveTriangular(r, adjoint(x), /*lower=*/false));
}

/// x_ij / (w_j - w_i) where i and j differ, and 0 on the diagonal.
Expression overDifferences(const Expression &x, const Expression &w) {
  Expression differences = alongColumns(w, x) - alongRows(w, x);
  return offDiagonal(x / select(isDiagonal(x), 1.0, differences));
}

/// A cotangent, or zeros.
Expression orZeros(const Compose &at, Value cotangent, Value like) {
  return cotangent ? at(cotangent) : at(like).filled(0.0);
}

} // namespace

void CholeskyOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                               MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression upper = adjoint(at(getResult()));
  Expression change = product(upper, at(cotangents[0]));
  Expression half = below(change) + select(isDiagonal(change), 0.5 * change, 0.0);
  Expression left = solveTriangular(upper, half + adjoint(half), /*lower=*/false);
  gradients[0] = 0.5 * timesInverseAdjoint(left, upper);
}

void SolveOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                            MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression right = at.create<SolveOp>(adjoint(at(getLhs())), at(cotangents[0]), false);
  gradients[0] = -product(right, adjoint(at(getResult())));
  gradients[1] = right;
}

void SolveTriangularOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                      MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression turned = adjoint(at(getLhs()));
  Expression right = solveTriangular(turned, at(cotangents[0]), !getLower(), getUnitDiagonal());
  Expression left = -product(right, adjoint(at(getResult())));
  Expression rows = rowNumbers(left), columns = columnNumbers(left);
  Expression isRead = getLower() ? rows > columns : rows < columns;
  if (!getUnitDiagonal())
    isRead = isRead || rows == columns;
  gradients[0] = select(isRead, left, 0.0);
  gradients[1] = right;
}

/// L^-H (below(L^H dL) + onAndAbove(dU U^H)) U^-H, with its rows put back.
void LuOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                         MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  if (!cotangents[0])
    return;
  Expression factors = at(getFactors()), g = at(cotangents[0]);
  Expression one = select(isDiagonal(factors), 1.0, factors.filled(0.0));
  Expression lower = below(factors) + one, upper = onAndAbove(factors);
  Expression inner =
      below(product(adjoint(lower), below(g))) + onAndAbove(product(onAndAbove(g), adjoint(upper)));
  Expression left = solveTriangular(adjoint(lower), inner, /*lower=*/false, /*unitDiagonal=*/true);
  Expression permuted = timesInverseAdjoint(left, upper);
  Expression places = alongRows(at(getPermutation()), rowNumbers(factors));
  Expression isSource = places == columnNumbers(factors);
  Expression back = select(isSource, 1.0, factors.filled(0.0));
  gradients[0] = product(adjoint(back), permuted);
}

/// Of matrices that are not wide: (dQ + Q C) R^-H, C the Hermitian matrix with the lower triangle
/// of R dR^H - dQ^H Q.
static Expression gradientOfQr(const Expression &q, const Expression &r, const Expression &dq,
                               const Expression &dr) {
  Expression change = product(r, adjoint(dr)) - product(adjoint(dq), q);
  Expression lower = below(change);
  Expression onDiagonal = diagonal(realPart(diagonalOf(change)), change);
  return timesInverseAdjoint(dq + product(q, lower + adjoint(lower) + onDiagonal), r);
}

/// Of wide matrices [X Y] = Q [U V] the first columns are as of X = Q U, and dY = Q dV, for Q^H Y =
/// V.
void QrOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                         MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression q = at(getQ()), r = at(getR()), x = at(getX());
  Expression dq = orZeros(at, cotangents[0], getQ()), dr = orZeros(at, cotangents[1], getR());
  int64_t axis = x.rank() - 1, rows = rowsOf(r), rest = columnsOf(r) - rows;
  if (columnsOf(r) == rows) {
    gradients[0] = gradientOfQr(q, r, dq, dr);
    return;
  }
  Expression y = sliceAlong(x, axis, rows, rest), dv = sliceAlong(dr, axis, rows, rest);
  Expression first = gradientOfQr(q, sliceAlong(r, axis, 0, rows), dq + product(y, adjoint(dv)),
                                  sliceAlong(dr, axis, 0, rows));
  gradients[0] = concatenate({first, product(q, dv)}, axis, at);
}

void EighOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                           MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression vectors = at(getVectors()), values = at(getValues());
  Expression inner = diagonal(orZeros(at, cotangents[0], getValues()), vectors);
  if (cotangents[1])
    inner = inner + overDifferences(product(adjoint(vectors), at(cotangents[1])), values);
  Expression whole = product(vectors, product(inner, adjoint(vectors)));
  gradients[0] = 0.5 * (whole + adjoint(whole));
}

void EigOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                          MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression vectors = at(getVectors()), turned = adjoint(vectors);
  Expression conjugates = at.create<ConjOp>(getValues());
  Expression inner = diagonal(orZeros(at, cotangents[0], getValues()), vectors);
  if (cotangents[1]) {
    // Vectors have length 1: what would change that is no part of it.
    Expression change = product(turned, at(cotangents[1]));
    Expression lengths = alongColumns(realPart(diagonalOf(change)), change);
    inner = inner + overDifferences(change - product(turned, vectors) * lengths, conjugates);
  }
  gradients[0] = at.create<SolveOp>(turned, product(inner, turned), false);
}

void EigvalshOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> needed,
                               MutableArrayRef<Value> gradients) {
  auto whole = EighOp::create(builder, getLoc(), getX(), getPairs());
  whole.buildGradient(builder, {cotangents[0], Value()}, needed, gradients);
}

void EigvalsOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> needed,
                              MutableArrayRef<Value> gradients) {
  auto whole = EigOp::create(builder, getLoc(), getX(), getPairs());
  whole.buildGradient(builder, {cotangents[0], Value()}, needed, gradients);
}

void SvdvalsOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> needed,
                              MutableArrayRef<Value> gradients) {
  auto whole = SvdOp::create(builder, getLoc(), getX(), /*full=*/false, getPairs());
  whole.buildGradient(builder, {Value(), cotangents[0], Value()}, needed, gradients);
}

/// Of vectors beyond the singular values there is no derivative.
void SvdOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                          MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression s = at(getS());
  int64_t axis = s.rank(), side = s.size(axis - 1);
  auto columns = [&](Value value) { return sliceAlong(at(value), axis, 0, side); };
  auto rows = [&](Value value) { return sliceAlong(at(value), axis - 1, 0, side); };
  Expression u = columns(getU()), vh = rows(getVh());
  Expression v = adjoint(vh), squares = s * s;
  Expression square = product(adjoint(u), u); // for its type: K by K
  Expression inner = diagonal(orZeros(at, cotangents[1], getS()), square);
  if (cotangents[0]) {
    Expression change = product(adjoint(u), columns(cotangents[0]));
    Expression turn = change - adjoint(change);
    inner = inner + overDifferences(turn, squares) * alongColumns(s, turn);
    if (isComplexTensor(turn.type()))
      inner = inner + diagonal(diagonalOf(turn), turn) / (2.0 * alongColumns(s, turn));
  }
  if (cotangents[2]) {
    Expression change = product(vh, adjoint(rows(cotangents[2])));
    Expression turn = change - adjoint(change);
    inner = inner + alongRows(s, turn) * overDifferences(turn, squares);
  }
  Expression whole = product(u, product(inner, vh));
  if (cotangents[0] && rowsOf(u) != columnsOf(u)) {
    Expression du = columns(cotangents[0]);
    Expression beside = du - product(u, product(adjoint(u), du));
    whole = whole + product(beside / alongColumns(s, beside), vh);
  }
  if (cotangents[2] && rowsOf(vh) != columnsOf(vh)) {
    Expression dvh = rows(cotangents[2]);
    Expression beside = dvh - product(product(dvh, v), vh);
    whole = whole + product(u, beside / alongRows(s, beside));
  }
  gradients[0] = whole;
}

/// The transform is linear; its adjoint is the inverse one.
void FourierOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                              MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  gradients[0] = at.create<FourierOp>(at(cotangents[0]), !getInverse(), false);
}

/// `half` times a factor but for the elements that are their own conjugates in a transform of N
/// real numbers: the first one, and the last one if N is even.
static Expression scaleDoubled(const Expression &half, double factor, bool isOdd) {
  Type type = withElement(half.type(), IntegerType::get(half.type().getContext(), 64));
  int64_t axis = half.rank() - 1;
  Expression place = half.at().iota(type, axis);
  Expression isSingle = place == 0.0;
  if (!isOdd)
    isSingle = isSingle || place == double(half.size(axis) - 1);
  return select(isSingle, half, factor * half);
}

void RealFourierOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                  MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  bool isOdd = getX().getType().getShape().back() % 2 != 0;
  Expression half = scaleDoubled(at(cotangents[0]), 0.5, isOdd);
  gradients[0] = at.create<InverseRealFourierOp>(half, isOdd, false);
}

void InverseRealFourierOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                         MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression half = at.create<RealFourierOp>(at(cotangents[0]), false);
  gradients[0] = scaleDoubled(half, 2.0, getOdd());
}

} // namespace weft
