// Definitions of the loss over classes and of attention, which both mask by index.
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"
#include <limits>

using namespace mlir;

namespace weft {

/// Picks by comparing each class with the label. For a label out of range the loss is NaN, and its
/// logits get no gradient.
SmallVector<Value> CrossEntropyOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression logits = widen(at(getLogits())), labels = at(getLabels());
  if (!labels.element().isInteger(64))
    labels = convert(labels, builder.getI32Type());
  Shape shape = logits.type().getShape();
  Expression classes = at.iota(withElement(logits.type(), labels.element()), 1);
  Expression logProbability = at.create<LogSoftmaxOp>(logits, int64_t(1));
  Expression picked = select(classes == broadcast(labels, shape, 0), logProbability, 0.0);
  Expression loss = -sum(picked, 1);
  Expression isClass = labels >= 0.0 && labels < at.size(labels.type(), logits.size(1));
  Expression factor = select(isClass, loss.filled(1.0), std::numeric_limits<double>::quiet_NaN());
  return {convert(loss * factor, getType().getElementType())};
}

/// Scores of keys that come after the query's position in its run become -inf.
static Expression hideFuture(const Expression &scores, int64_t groups) {
  SmallVector<int64_t> runs(scores.type().getShape());
  int64_t axis = scores.rank() - 2;
  if (groups > 1) {
    runs[axis] = divideSizesExactly(runs[axis], groups).value_or(ShapedType::kDynamic);
    runs.insert(runs.begin() + axis++, groups);
  }
  Expression apart = groups > 1 ? reshape(scores, runs) : scores;
  Type indexType = withElement(apart.type(), IntegerType::get(scores.element().getContext(), 32));
  Expression query = scores.at().iota(indexType, axis), key = scores.at().iota(indexType, axis + 1);
  Expression hidden = select(key <= query, apart, -std::numeric_limits<double>::infinity());
  return groups > 1 ? reshape(hidden, scores.type().getShape()) : hidden;
}

/// What the queries give to each key, before the softmax.
static Expression scoresOf(Compose &at, ScaledDotProductAttentionOp op) {
  Expression scores = matmul(widen(at(op.getQuery())), widen(at(op.getKey())), false, true) *
                      op.getScale().convertToDouble();
  if (Value mask = op.getMask())
    scores = getElementTypeOrSelf(mask).isInteger(1)
                 ? select(at(mask), scores, -std::numeric_limits<double>::infinity())
                 : scores + widen(at(mask));
  return op.getCausal() ? hideFuture(scores, op.getGroups()) : scores;
}

/// With a mask, a query that sees no key has weights of 0.
static Expression weightsOf(Compose &at, ScaledDotProductAttentionOp op, const Expression &scores) {
  int64_t axis = scores.rank() - 1;
  if (!op.getMask() || scores.size(axis) == 0)
    return at.create<SoftmaxOp>(scores, axis);
  Expression largest = max(scores, axis);
  Expression seesNone =
      repeat(largest == -std::numeric_limits<double>::infinity(), scores.type().getShape(), axis);
  Expression weights = at.create<SoftmaxOp>(select(seesNone, scores.filled(0.0), scores), axis);
  return select(seesNone, scores.filled(0.0), weights);
}

/// float16 and bfloat16 are widened before the products: the scores keep float32's precision.
SmallVector<Value> ScaledDotProductAttentionOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression weights = weightsOf(at, *this, scoresOf(at, *this));
  return {
      convert(matmul(weights, widen(at(getValue())), false, false), getType().getElementType())};
}

/// The weights are computed again, so that no call keeps them for its gradient.
void ScaledDotProductAttentionOp::buildGradient(OpBuilder &builder, ValueRange cotangents,
                                                ArrayRef<bool> needed,
                                                MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = widen(at(cotangents[0])), scores = scoresOf(at, *this);
  int64_t axis = scores.rank() - 1;
  Expression weights = weightsOf(at, *this, scores);
  if (needed[2])
    gradients[2] = convert(matmul(weights, g, true, false), at(getValue()).type().getElementType());
  bool isMaskNeeded = getMask() && needed[3];
  if (!needed[0] && !needed[1] && !isMaskNeeded)
    return;
  Expression ofWeights = matmul(g, widen(at(getValue())), false, true);
  Expression mean = repeat(sum(ofWeights * weights, axis), weights.type().getShape(), axis);
  Expression ofSum = weights * (ofWeights - mean);
  Expression ofScores = ofSum * getScale().convertToDouble();
  if (isMaskNeeded)
    gradients[3] = convert(ofSum, getElementTypeOrSelf(getMask()));
  if (needed[0])
    gradients[0] = convert(matmul(ofScores, widen(at(getKey())), false, false),
                           at(getQuery()).type().getElementType());
  if (needed[1])
    gradients[1] = convert(matmul(ofScores, widen(at(getQuery())), true, false),
                           at(getKey()).type().getElementType());
}

} // namespace weft
