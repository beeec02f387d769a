// Definitions of the loss over classes and of attention, which both mask by index.
#include "dialects/Weft/Rules/Build.h"
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

/// Scores of keys that come after the query's position become -inf.
static Expression hideFuture(const Expression &scores) {
  Type indexType = withElement(scores.type(), IntegerType::get(scores.element().getContext(), 32));
  Expression query = scores.at().iota(indexType, scores.rank() - 2);
  Expression key = scores.at().iota(indexType, scores.rank() - 1);
  return select(key <= query, scores, -std::numeric_limits<double>::infinity());
}

/// What the queries give to each key, before the softmax.
static Expression scoresOf(Compose &at, ScaledDotProductAttentionOp op) {
  Expression scores = matmul(widen(at(op.getQuery())), widen(at(op.getKey())), false, true) *
                      op.getScale().convertToDouble();
  return op.getCausal() ? hideFuture(scores) : scores;
}

/// float16 and bfloat16 are widened before the products: the scores keep float32's precision.
SmallVector<Value> ScaledDotProductAttentionOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression scores = scoresOf(at, *this);
  Expression weights = at.create<SoftmaxOp>(scores, scores.rank() - 1);
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
  Expression weights = at.create<SoftmaxOp>(scores, axis);
  if (needed[2])
    gradients[2] = convert(matmul(weights, g, true, false), at(getValue()).type().getElementType());
  if (!needed[0] && !needed[1])
    return;
  Expression ofWeights = matmul(g, widen(at(getValue())), false, true);
  Expression mean = repeat(sum(ofWeights * weights, axis), weights.type().getShape(), axis);
  Expression ofScores = weights * (ofWeights - mean) * getScale().convertToDouble();
  if (needed[0])
    gradients[0] = convert(matmul(ofScores, widen(at(getKey())), false, false),
                           at(getQuery()).type().getElementType());
  if (needed[1])
    gradients[1] = convert(matmul(ofScores, widen(at(getQuery())), true, false),
                           at(getKey()).type().getElementType());
}

} // namespace weft
