// Matrix products, convolutions, pooling windows.
#ifndef WEFT_CONTRACTION_OPS_TD
#define WEFT_CONTRACTION_OPS_TD

include "dialects/Weft/IR/LibraryOps.td"

defvar Contracted = DeclareOpInterfaceMethods<ContractionOpInterface>;

def Weft_MatmulOp : Weft_InferredOp<"matmul", [Gradient, ByParts, Batching,
    DeclareOpInterfaceMethods<ContractionOpInterface, ["arrangeRightOperand"]>, FixedDimensions]> {
  let autocast = AutocastLow;
  let summary = "The product of matrices: lhs [B..., M, K], rhs [B..., K, N], result [B..., M, N].";
  let description = [{
    `transpose_lhs` and `transpose_rhs` say that the last two dimensions of an operand are stored
    the other way round. Each element of the result is one chain of fused multiply-adds in the order
    of K; float16 and bfloat16 are accumulated in float32. The rhs may be of a narrower dtype, all of
    whose numbers the lhs's has too: an int8 or uint8 with float16, bfloat16 or float32, a float16 or bfloat16 with float32.
    It is read as if it had been converted.
  }];
  let arguments = (ins Weft_ArithmeticTensor:$lhs, Weft_ArithmeticTensor:$rhs,
                       DefaultValuedAttr<BoolAttr, "false">:$transpose_lhs,
                       DefaultValuedAttr<BoolAttr, "false">:$transpose_rhs);
  let results = (outs Weft_ArithmeticTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let pythonName = "";
  let inference = "::weft::inferMatmul";
  let hasCanonicalizer = 1;
}

def Weft_ConvolutionOp : Weft_InferredOp<"convolution", [Gradient, Contracted, FixedDimensions]> {
  let autocast = AutocastLow;
  let summary = "A convolution without borders, channels last.";
  let description = [{
    x [N, H, W, C], weight [KH, KW, C, O], result [N, Ho, Wo, O]; or with groups apart
    x [N, H, W, G, C], weight [KH, KW, C, G, O], result [N, Ho, Wo, G, O].
    Ho = (H - dilation * (KH - 1) - 1) / stride + 1, rounded down. The sum runs over (kh, kw, c) in
    order, as fused multiply-adds. With `channels_first` set, which is for images without groups, the
    result is [N, O, Ho, Wo].
  }];
  let arguments = (ins Weft_FloatTensor:$x, Weft_FloatTensor:$weight, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DefaultValuedAttr<BoolAttr, "false">:$channels_first);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight `strides` $strides `dilations` $dilations attr-dict `:` type($x) `,`
    type($weight) `->` type($result)
  }];
  let pythonName = "";
  let inference = "::weft::inferConvolution";
}

def Weft_ConvolutionWeightGradientOp : Weft_Op<"convolution_weight_gradient",
    [Gradient, Contracted, FixedDimensions]> {
  let summary = "The gradient of a convolution for its weight.";
  let description = [{
    x [N, H, W, C], cotangent [N, Ho, Wo, O], result [KH, KW, C, O]; or with groups apart
    x [N, H, W, G, C], cotangent [N, Ho, Wo, G, O], result [KH, KW, C, G, O]. The sum runs over
    (n, ho, wo) in order, as fused multiply-adds.
  }];
  let arguments = (ins Weft_FloatTensor:$x, Weft_FloatTensor:$cotangent, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations);
  let results = (outs Weft_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $cotangent `strides` $strides `dilations` $dilations attr-dict `:` type($x) `,`
    type($cotangent) `->` type($result)
  }];
  let pythonName = "";
  let explicitResult = 1;
  let hasVerifier = 1;
}

/// Floats that are computed in their own dtype.
def Weft_WholeFloatTensor : RankedTensorOf<[F32, F64]>;

def Weft_DepthwiseConvolutionOp
    : Weft_InferredOp<"depthwise_convolution",
          [NotDifferentiable<"it is made where convolutions are differentiated already">,
           FixedDimensions, Indexed]> {
  let summary = "A convolution of each channel for itself, channels first, in a border of zeros.";
  let description = [{
    x [N, C, H, W], weight [C, KH, KW], result [N, C, Ho, Wo]. `window` is [KH, KW]; `low` and `high`
    say how wide the border is in front of and behind H and W. The sum runs over (kh, kw) in order, as
    fused multiply-adds: the bits are those of weft.convolution of a padded image, channels last.
    Half precision has no vectors that are read in part. With `joined` set, the result is
    [N, C, H * W]: vectors lie across the ends of rows, which are shorter than some vectors. It takes
    strides of 1, and a border for which Ho is H and Wo is W. With `channels_last` set instead,
    x is [N, H, W, C], weight [KH, KW, C], result [N, Ho, Wo, C].
  }];
  let arguments = (ins Weft_WholeFloatTensor:$x, Weft_WholeFloatTensor:$weight, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high,
                       DefaultValuedAttr<BoolAttr, "false">:$joined,
                       DefaultValuedAttr<BoolAttr, "false">:$channels_last);
  let results = (outs Weft_WholeFloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight `window` $window `strides` $strides `dilations` $dilations `low` $low `high` $high
    attr-dict `:` type($x) `,` type($weight) `->` type($result)
  }];
  let pythonName = "";
  let inference = "::weft::inferDepthwiseConvolution";
  let declarations = [{
    int64_t getInstructionCount() { return 6 * getWindow()[0] * getWindow()[1]; }
    /// Which dimension of the image its channels are, and which one H; W is behind that.
    int64_t getChannelDimension() { return getChannelsLast() ? 3 : 1; }
    int64_t getHeightDimension() { return getChannelsLast() ? 1 : 2; }
    /// True if windows may reach beyond the image.
    bool hasBorder();
    ::mlir::Value emitAreInside(::weft::ElementEmitter &emitter,
                                ::llvm::ArrayRef<::weft::ElementIndex> indices);
  }];
}

//===----------------------------------------------------------------------===//
// Windows over [N, H, W, C]
//===----------------------------------------------------------------------===//

/// uint8 where the window has at most 256 elements.
def Weft_WindowIndex : RankedTensorOf<[UI8, I32]>;

class Weft_WindowOp<string mnemonic, list<Trait> traits> : Weft_Op<mnemonic, traits # [FixedDimensions, Indexed]> {
  code declarations = "";
  let extraClassDeclaration = declarations # [{
    int64_t getInstructionCount() { return 4 * getWindow()[0] * getWindow()[1]; }
  }];
  let pythonName = "";
  let explicitResult = 1;
  let hasVerifier = 1;
}

def Weft_WindowMaxIndexOp : Weft_WindowOp<"window_max_index", [DiscreteResult]> {
  let summary = "Where in each window the largest element is: kh * KW + kw, the first of equals.";
  let arguments = (ins Weft_NumericTensor:$x, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides);
  let results = (outs Weft_WindowIndex:$index);
  let assemblyFormat = [{
    $x `window` $window `strides` $strides attr-dict `:` type($x) `->` type($index)
  }];
}
def Weft_WindowGatherOp : Weft_WindowOp<"window_gather", [Gradient, Linear]> {
  let summary = "The element of each window that `index` names.";
  let arguments = (ins Weft_NumericTensor:$x, Weft_WindowIndex:$index, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$strides);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = [{
    $x `,` $index `window` $window `strides` $strides attr-dict `:` type($x) `,` type($index) `->`
    type($result)
  }];
  let declarations = "bool readsOnce(unsigned operand) { return operand == 1; }";
}
def Weft_WindowScatterOp : Weft_WindowOp<"window_scatter", [Gradient, Linear]> {
  let summary = "The transpose of window_gather: each x added at the place that `index` names.";
  let arguments = (ins Weft_NumericTensor:$x, Weft_WindowIndex:$index, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$strides);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = [{
    $x `,` $index `window` $window `strides` $strides attr-dict `:` type($x) `,` type($index) `->`
    type($result)
  }];
}
def Weft_WindowSumOp : Weft_WindowOp<"window_sum", [Gradient, Linear]> {
  let summary = "The sum of the elements of each window, row by row.";
  let arguments = (ins Weft_NumericTensor:$x, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = [{
    $x `window` $window `strides` $strides attr-dict `:` type($x) `->` type($result)
  }];
}
def Weft_WindowSpreadOp : Weft_WindowOp<"window_spread", [Gradient, Linear]> {
  let summary = "The transpose of window_sum: each x added to every element of its window.";
  let arguments = (ins Weft_NumericTensor:$x, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = [{
    $x `window` $window `strides` $strides attr-dict `:` type($x) `->` type($result)
  }];
}

#endif
