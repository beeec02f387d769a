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

/// float16 and bfloat16 are widened before the products: the scores keep float32's precision.
SmallVector<Value> ScaledDotProductAttentionOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression query = widen(at(getQuery())), key = widen(at(getKey())),
             value = widen(at(getValue()));
  Expression scores = matmul(query, key, false, true) * getScale().convertToDouble();
  if (getCausal())
    scores = hideFuture(scores);
  Expression weights = at.create<SoftmaxOp>(scores, scores.rank() - 1);
  return {convert(matmul(weights, value, false, false), getType().getElementType())};
}

} // namespace weft
