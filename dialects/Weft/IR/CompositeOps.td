// Composites: ops that decompose into others before anything else is done with them.
#ifndef WEFT_COMPOSITE_OPS_TD
#define WEFT_COMPOSITE_OPS_TD

include "dialects/Weft/IR/ContractionOps.td"

defvar Composite = DeclareOpInterfaceMethods<DecompositionOpInterface>;

/// A composite with a gradient rule of its own is differentiated as a whole, the others by their
/// definitions.
class Weft_CompositeOp<string mnemonic, string rule, list<Trait> traits = []>
    : Weft_InferredOp<mnemonic, [Composite] # traits> {
  let inference = "::weft::" # rule;
  let pythonName = "";
}

/// Of complex numbers, whose parts are ops of ComplexOps.td.
def Weft_ConjOp : Weft_CompositeOp<"conj", "inferFromFirst"> {
  let summary = "x with its imaginary part negated.";
  let arguments = (ins Weft_ComplexTensor:$x);
  let results = (outs Weft_ComplexTensor:$result);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($result))";
}
def Weft_MagnitudeOp : Weft_CompositeOp<"magnitude", "inferPart", [Gradient]> {
  let summary = "The distance of x from 0, without overflow on the way; its derivative at 0 is 0.";
  let arguments = (ins Weft_ComplexTensor:$x);
  let results = (outs Weft_PartTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}

class Weft_ActivationOp<string mnemonic, list<Trait> traits = []>
    : Weft_CompositeOp<mnemonic, "inferFromFirst", traits> {
  let arguments = (ins Weft_FloatTensor:$x);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($result))";
  let pythonName = mnemonic;
  let promotion = PromoteFloat;
}
def Weft_SigmoidOp : Weft_ActivationOp<"sigmoid", [Gradient]> {
  let summary = "1 / (1 + exp(-x)).";
  let reference = "sp.expit(x)";
  let maxUlp = 4;
}
def Weft_SiluOp : Weft_ActivationOp<"silu"> {
  let summary = "x * sigmoid(x).";
  let reference = "x * sp.expit(x)";
  let maxUlp = 5;
}
def Weft_GeluOp : Weft_ActivationOp<"gelu"> {
  let summary = "x * (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel, 2016).";
  let reference = "x * sp.ndtr(x)";
  // The sum cancels for negative x: beyond -2.5 the error is of the size of an ulp of x.
  let domain = "positive";
  let maxUlp = 64;
}
def Weft_ReluOp : Weft_CompositeOp<"relu", "inferFromFirst"> {
  let summary = "max(x, 0), with derivative 0 at 0.";
  let arguments = (ins Weft_NumericTensor:$x);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($result))";
  let pythonName = "relu";
  let promotion = PromoteCommon;
  let reference = "np.maximum(x, 0)";
}
def Weft_SoftplusOp : Weft_ActivationOp<"softplus", [Gradient]> {
  let summary = "log(1 + exp(x)), without overflow.";
  let reference = "np.logaddexp(x, 0)";
  let maxUlp = 8;
}

class Weft_AxisOp<string mnemonic> : Weft_CompositeOp<mnemonic, "inferAlongAxis", [Gradient]> {
  let autocast = AutocastWide;
  let arguments = (ins Weft_FloatTensor:$x, I64Attr:$axis);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = "$x `axis` $axis attr-dict `:` custom<OneType>(type($x), type($result))";
}
def Weft_SoftmaxOp : Weft_AxisOp<"softmax"> {
  let summary = "exp(x - max(x)) over its sum, along `axis`.";
}
def Weft_LogSoftmaxOp : Weft_AxisOp<"log_softmax"> {
  let summary = "x - max(x) - log(sum(exp(x - max(x)))), along `axis`.";
}
def Weft_MeanOp : Weft_CompositeOp<"mean", "inferReduction", [EachPart]> {
  let autocast = AutocastWide;
  let summary = "The sum along `axes` over the number of elements summed.";
  let arguments = (ins Weft_InexactTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Weft_InexactTensor:$result);
  let assemblyFormat = "$x $axes attr-dict `:` type($x) `->` type($result)";
}
def Weft_VarianceOp : Weft_CompositeOp<"variance", "inferReduction"> {
  let autocast = AutocastWide;
  let summary = "The mean squared distance from the mean along `axes`, over n - correction.";
  let arguments = (ins Weft_FloatTensor:$x, DenseI64ArrayAttr:$axes, F64Attr:$correction);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = "$x $axes attr-dict `:` type($x) `->` type($result)";
}
def Weft_LayerNormOp : Weft_CompositeOp<"layer_norm", "inferLayerNorm"> {
  let autocast = AutocastWide;
  let summary = "x over its last dimensions brought to mean 0 and variance 1, times weight plus bias.";
  let description = "weight and bias have the shape of x's last dimensions, which are normalised over.";
  let arguments = (ins Weft_FloatTensor:$x, Weft_FloatTensor:$weight, Weft_FloatTensor:$bias,
                       F64Attr:$epsilon);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight `,` $bias attr-dict `:` custom<OneType>(type($x), type($result)) `,`
    custom<OneType>(type($weight), type($bias))
  }];
}
def Weft_BatchNormOp : Weft_CompositeOp<"batch_norm", "inferBatchNorm"> {
  let autocast = AutocastWide;
  let summary = "(x - mean) / sqrt(variance + epsilon) * weight + bias, statistics per channel (axis 1).";
  let arguments = (ins Weft_FloatTensor:$x, Weft_FloatTensor:$mean, Weft_FloatTensor:$variance,
                       Weft_FloatTensor:$weight, Weft_FloatTensor:$bias, F64Attr:$epsilon);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $mean `,` $variance `,` $weight `,` $bias attr-dict `:`
    custom<OneType>(type($x), type($result)) `,`
    custom<OneType>(type($mean), type($variance), type($weight), type($bias))
  }];
}
def Weft_CrossEntropyOp : Weft_CompositeOp<"cross_entropy", "inferCrossEntropy"> {
  let autocast = AutocastWide;
  let summary = "-log_softmax(logits)[row, label] for each row: logits [N, C], labels [N], result [N].";
  let arguments = (ins Weft_FloatTensor:$logits, Weft_IndexTensor:$labels);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = "$logits `,` $labels attr-dict `:` type($logits) `,` type($labels) `->` type($result)";
}
def Weft_DropoutOp : Weft_CompositeOp<"dropout", "inferDropout"> {
  let summary = "x / (1 - probability) where the random bits of `key` allow, else 0.";
  let arguments = (ins Weft_FloatTensor:$x, RankedTensorOf<[I32]>:$key, F64Attr:$probability);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $key attr-dict `:` custom<OneType>(type($x), type($result)) `,` type($key)
  }];
}
def Weft_ScaledDotProductAttentionOp : Weft_CompositeOp<"scaled_dot_product_attention", "inferAttention",
                                                        [Gradient, Batching, FixedDimensions]> {
  let autocast = AutocastLow;
  let summary = "softmax(query key^T * scale + mask) value: query [B..., L, E], key [B..., S, E], value [B..., S, V].";
  let description = [{
    The mask [B..., L, S] says what may be seen, or is added to the scores; a query that sees nothing then gets 0. With
    `causal` set, position i of the query sees the keys up to i only. The queries are `groups` runs of equal length,
    one behind the other, and positions are those in a run: heads that share their keys. Processors run it as one
    kernel, which never holds the scores of all keys (Milakov and Gimelshein, 2018; Rabe and Staats, 2021).
  }];
  let arguments = (ins Weft_FloatTensor:$query, Weft_FloatTensor:$key, Weft_FloatTensor:$value,
                       Optional<Weft_Tensor>:$mask, F64Attr:$scale, BoolAttr:$causal,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`,` $mask^)? attr-dict `:` type($query) `,` type($key) `,` type($value)
    (`,` type($mask)^)? `->` type($result)
  }];
}
def Weft_Conv2dOp : Weft_CompositeOp<"conv2d", "inferConv2d"> {
  let autocast = AutocastLow;
  let summary = "A convolution, channels first: x [N, C, H, W], weight [O, C / groups, KH, KW], bias [O].";
  let arguments = (ins Weft_FloatTensor:$x, Weft_FloatTensor:$weight,
                       Optional<Weft_FloatTensor>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$padding, DenseI64ArrayAttr:$dilations, I64Attr:$groups);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight (`,` $bias^)? attr-dict `:` type($x) `,` type($weight) (`,` type($bias)^)? `->`
    type($result)
  }];
}
class Weft_PoolOp<string mnemonic> : Weft_CompositeOp<mnemonic, "inferPool2d"> {
  let arguments = (ins Weft_FloatTensor:$x, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$padding);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}
def Weft_MaxPool2dOp : Weft_PoolOp<"max_pool2d"> {
  let summary = "The largest element of each window, channels first; the border counts as -inf.";
}
def Weft_AvgPool2dOp : Weft_PoolOp<"avg_pool2d"> {
  let summary = "The mean of each window, channels first; the border counts as 0.";
}

#endif
