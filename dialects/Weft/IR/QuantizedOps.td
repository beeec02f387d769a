// Weights that are kept as whole numbers of few bits. Their names begin with quantized_: they are in
// a header of their own (Quantized.h).
#ifndef WEFT_QUANTIZED_OPS_TD
#define WEFT_QUANTIZED_OPS_TD

include "dialects/Weft/IR/CompositeOps.td"

def Weft_QuantizedTensor : RankedTensorOf<[I8, UI8, F8E4M3FN, F8E5M2]>;
def Weft_ScaleTensor : RankedTensorOf<[F32]>;

def Weft_QuantizedValuesOp : Weft_CompositeOp<"quantized_values", "inferQuantizedValues"> {
  let summary = "The weight that numbers of few bits stand for: (numbers - zero) * scale.";
  let description = [{
    numbers [N, G, S] of int8 for `bits` = 8; [N, G, S / 2] of uint8 for `bits` = 4, two of 0 to 15 in a byte, the
    first in its lower half. scale and zero are [N, G], for each group of S numbers one; without zero it is 0 for
    8 bits, and 8 for 4. Of 8 bits numbers may be floats as well, without zero. The result is [N, G, S], float32: the
    difference is exact, the product is rounded once.
  }];
  let arguments = (ins Weft_QuantizedTensor:$numbers, Weft_ScaleTensor:$scale,
                       Optional<Weft_QuantizedTensor>:$zero, I64Attr:$bits);
  let results = (outs Weft_ScaleTensor:$result);
  let assemblyFormat = [{
    $numbers `,` $scale (`,` $zero^)? attr-dict `:` type($numbers) `,` type($scale) (`,` type($zero)^)?
    `->` type($result)
  }];
}

def Weft_QuantizedMatmulOp
    : Weft_CompositeOp<"quantized_matmul", "inferQuantizedMatmul", [FixedDimensions]> {
  let summary = "The product of x and the transpose of a weight of few bits: x [M, G, S], result [M, N].";
  let description = [{
    numbers, scale and zero are those of weft.quantized_values, whose result is the weight. By definition the
    product of matrices [M, G * S] and [G * S, N]: each element is one chain of fused multiply-adds in the order of
    the groups, and of the numbers in each. Processors run it as one kernel, which reads the numbers as they are.
  }];
  let arguments = (ins Weft_ScaleTensor:$x, Weft_QuantizedTensor:$numbers, Weft_ScaleTensor:$scale,
                       Optional<Weft_QuantizedTensor>:$zero, I64Attr:$bits);
  let results = (outs Weft_ScaleTensor:$result);
  let assemblyFormat = [{
    $x `,` $numbers `,` $scale (`,` $zero^)? attr-dict `:` type($x) `,` type($numbers) `,` type($scale)
    (`,` type($zero)^)? `->` type($result)
  }];
}

def Weft_BytesTensor : RankedTensorOf<[I8]>;

def Weft_QuantizedDotOp
    : Weft_CompositeOp<"quantized_dot", "inferQuantizedDot", [FixedDimensions]> {
  let summary = "The product of x of int8 and the transpose of a weight of few bits: x [M, G, S], result [M, N].";
  let description = [{
    numbers, scale and zero are those of weft.quantized_values. In each group the products of x and of numbers - zero
    are summed as int32, which is exact, and the same in any order. Each element of the result, float32, is one chain
    of fused multiply-adds of these sums, as float32, by the scales, in the order of the groups. Processors run it as
    one kernel, by instructions for dot products of bytes where there are such.
  }];
  let arguments = (ins Weft_BytesTensor:$x, Weft_QuantizedTensor:$numbers, Weft_ScaleTensor:$scale,
                       Optional<Weft_QuantizedTensor>:$zero, I64Attr:$bits);
  let results = (outs Weft_ScaleTensor:$result);
  let assemblyFormat = [{
    $x `,` $numbers `,` $scale (`,` $zero^)? attr-dict `:` type($x) `,` type($numbers) `,` type($scale)
    (`,` type($zero)^)? `->` type($result)
  }];
}

def Weft_QuantizedStepsOp
    : Weft_CompositeOp<"quantized_steps", "inferQuantizedSteps",
                       [NotDifferentiable<"the result is an integer">]> {
  let summary = "x as whole steps of a scale: x / scale, rounded to even, within int8; x [M, K].";
  let description = [{
    x [M, K] and scale, of shape [] or [M] for each row one, are float32. What is beyond -128 or 127 is that.
  }];
  let arguments = (ins Weft_ScaleTensor:$x, Weft_ScaleTensor:$scale);
  let results = (outs Weft_BytesTensor:$result);
  let assemblyFormat = "$x `,` $scale attr-dict `:` type($x) `,` type($scale) `->` type($result)";
}

#endif
