// Formulas over tensors: what the rules of gradients and decompositions are written in.
//
//   Compose at(builder, location);
//   Expression x = at(op.getX());
//   Expression y = 1.0 / (1.0 + exp(-x));     // builds five ops at `location`
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

class Expression;
using Axes = llvm::ArrayRef<int64_t>;
using Shape = llvm::ArrayRef<int64_t>;

/// Where the ops of a formula are built, and with which location.
class Compose {
public:
  Compose(mlir::OpBuilder &builder, mlir::Location location)
      : builder(&builder), location(location) {}

  /// `value` as a term of formulas.
  Expression operator()(mlir::Value value) const;
  /// A tensor of type `type` filled with `value`, rounded to its dtype.
  Expression constant(mlir::Type type, double value) const;
  /// A tensor of type `type` filled with the number of a size, known or symbolic.
  Expression size(mlir::Type type, int64_t size) const;
  /// The index along `axis`, as a tensor of type `type`.
  Expression iota(mlir::Type type, int64_t axis) const;
  /// Any op; its arguments are those of `OpType::create` behind the location.
  template <typename OpType, typename... Arguments>
  Expression create(const Arguments &...arguments) const;

private:
  mlir::OpBuilder *builder;
  mlir::Location location;
};

/// A tensor value in a formula: operators and functions of it build ops.
class Expression {
public:
  Expression(const Compose &at, mlir::Value value) : compose(at), tensor(value) {}

  operator mlir::Value() const { return tensor; }
  mlir::Value value() const { return tensor; }
  const Compose &at() const { return compose; }
  mlir::RankedTensorType type() const {
    return llvm::cast<mlir::RankedTensorType>(tensor.getType());
  }
  mlir::Type element() const { return type().getElementType(); }
  int64_t rank() const { return type().getRank(); }
  int64_t size(int64_t axis) const { return type().getDimSize(axis); }
  /// A tensor of this one's type filled with `value`.
  Expression filled(double value) const { return compose.constant(type(), value); }

private:
  Compose compose;
  mlir::Value tensor;
};

inline Expression Compose::operator()(mlir::Value value) const { return {*this, value}; }

template <typename OpType, typename... Arguments>
Expression Compose::create(const Arguments &...arguments) const {
  // An Expression converts to too many things for the overloads of `create`.
  auto plain = [](const auto &argument) -> decltype(auto) {
    if constexpr (std::is_same_v<std::decay_t<decltype(argument)>, Expression>)
      return argument.value();
    else
      return (argument);
  };
  return {*this, OpType::create(*builder, location, plain(arguments)...)->getResult(0)};
}

//===----------------------------------------------------------------------===//
// Element by element; a number stands for a tensor filled with it
//===----------------------------------------------------------------------===//

#define WEFT_FORMULA_OPERATOR(symbol, OpType)                                                      \
  inline Expression operator symbol(const Expression &x, const Expression &y) {                    \
    return x.at().create<OpType>(x, y);                                                            \
  }                                                                                                \
  inline Expression operator symbol(const Expression &x, double y) {                               \
    return x symbol x.filled(y);                                                                   \
  }                                                                                                \
  inline Expression operator symbol(double x, const Expression &y) { return y.filled(x) symbol y; }
WEFT_FORMULA_OPERATOR(+, AddOp)
WEFT_FORMULA_OPERATOR(-, SubtractOp)
WEFT_FORMULA_OPERATOR(*, MultiplyOp)
WEFT_FORMULA_OPERATOR(/, DivideOp)
WEFT_FORMULA_OPERATOR(==, EqualOp)
WEFT_FORMULA_OPERATOR(<, LessOp)
WEFT_FORMULA_OPERATOR(<=, LessEqualOp)
WEFT_FORMULA_OPERATOR(>, GreaterOp)
WEFT_FORMULA_OPERATOR(>=, GreaterEqualOp)
WEFT_FORMULA_OPERATOR(&&, LogicalAndOp)
WEFT_FORMULA_OPERATOR(||, LogicalOrOp)
#undef WEFT_FORMULA_OPERATOR

inline Expression operator-(const Expression &x) { return x.at().create<NegativeOp>(x); }

#define WEFT_FORMULA_FUNCTION(name, OpType)                                                        \
  inline Expression name(const Expression &x) { return x.at().create<OpType>(x); }
WEFT_FORMULA_FUNCTION(abs, AbsOp)
WEFT_FORMULA_FUNCTION(sign, SignOp)
WEFT_FORMULA_FUNCTION(rsqrt, RsqrtOp)
WEFT_FORMULA_FUNCTION(exp, ExpOp)
WEFT_FORMULA_FUNCTION(log, LogOp)
WEFT_FORMULA_FUNCTION(log1p, Log1pOp)
WEFT_FORMULA_FUNCTION(sin, SinOp)
WEFT_FORMULA_FUNCTION(cos, CosOp)
WEFT_FORMULA_FUNCTION(sinh, SinhOp)
WEFT_FORMULA_FUNCTION(cosh, CoshOp)
WEFT_FORMULA_FUNCTION(erf, ErfOp)
WEFT_FORMULA_FUNCTION(sigmoid, SigmoidOp)
WEFT_FORMULA_FUNCTION(stopGradient, StopGradientOp)
#undef WEFT_FORMULA_FUNCTION

inline Expression pow(const Expression &x, const Expression &y) {
  return x.at().create<PowOp>(x, y);
}
inline Expression maximum(const Expression &x, double y) {
  return x.at().create<MaximumOp>(x, x.filled(y));
}
inline Expression floorDivide(const Expression &x, const Expression &y) {
  return x.at().create<FloorDivideOp>(x, y);
}
inline Expression select(const Expression &condition, const Expression &x, const Expression &y) {
  return x.at().create<SelectOp>(condition, x, y);
}
inline Expression select(const Expression &condition, const Expression &x, double y) {
  return select(condition, x, x.filled(y));
}
inline Expression select(const Expression &condition, double x, const Expression &y) {
  return select(condition, y.filled(x), y);
}

/// x with elements of type `element`.
Expression convert(const Expression &x, mlir::Type element);
/// x in the dtype to compute in: float16 and bfloat16 become float32.
Expression widen(const Expression &x);

//===----------------------------------------------------------------------===//
// Along axes
//===----------------------------------------------------------------------===//

inline Expression sum(const Expression &x, Axes axes) { return x.at().create<SumOp>(x, axes); }
inline Expression prod(const Expression &x, Axes axes) { return x.at().create<ProdOp>(x, axes); }
inline Expression max(const Expression &x, Axes axes) { return x.at().create<MaxOp>(x, axes); }

/// Dimension d of x as dimension dimensions[d] of a tensor of shape `shape`.
Expression broadcast(const Expression &x, Shape shape, Axes dimensions);
/// The way back from a reduction: x repeated along `axes` of `shape`, which it lacks.
Expression repeat(const Expression &x, Shape shape, Axes axes);
/// The axes 0 .. rank - 1.
llvm::SmallVector<int64_t> allAxes(int64_t rank);
/// The last `count` of the axes 0 .. rank - 1.
llvm::SmallVector<int64_t> lastAxes(int64_t rank, int64_t count);

//===----------------------------------------------------------------------===//
// Rearrangement
//===----------------------------------------------------------------------===//

Expression reshape(const Expression &x, Shape shape);
Expression transpose(const Expression &x, Axes permutation);
/// The elements of x at starts + i * steps, i below `shape`.
Expression slice(const Expression &x, Axes starts, Axes steps, Shape shape);
/// `count` elements of x along `axis`, from `start` on.
Expression sliceAlong(const Expression &x, int64_t axis, int64_t start, int64_t count);
/// x in reverse order along `axes`.
Expression reverse(const Expression &x, Axes axes);
/// x at `low`, `interior` elements apart, in a tensor of shape `shape` filled with `value`.
Expression pad(const Expression &x, double value, Axes low, Axes interior, Shape shape);
Expression concatenate(llvm::ArrayRef<mlir::Value> inputs, int64_t axis, const Compose &at);
inline Expression matmul(const Expression &lhs, const Expression &rhs, bool transposeLhs,
                         bool transposeRhs) {
  return lhs.at().create<MatmulOp>(lhs, rhs, transposeLhs, transposeRhs);
}

/// How many elements x has along `axes`, known or symbolic, for a rule of `op`. Nothing, after an
/// error of `op`, if a size is dynamic or they are too many.
std::optional<int64_t> countAlong(mlir::Operation *op, mlir::Value x, Axes axes);

} // namespace weft
