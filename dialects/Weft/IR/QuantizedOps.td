// Weights that are kept as whole numbers of few bits. Their names begin with quantized_: they are in
// a header of their own (Quantized.h).
#ifndef WEFT_QUANTIZED_OPS_TD
#define WEFT_QUANTIZED_OPS_TD

include "dialects/Weft/IR/CompositeOps.td"

def Weft_QuantizedTensor : RankedTensorOf<[I8, UI8]>;
def Weft_ScaleTensor : RankedTensorOf<[F32]>;

def Weft_QuantizedValuesOp : Weft_CompositeOp<"quantized_values", "inferQuantizedValues"> {
  let summary = "The weight that whole numbers of few bits stand for: (numbers - zero) * scale.";
  let description = [{
    numbers [N, G, S] of int8 for `bits` = 8; [N, G, S / 2] of uint8 for `bits` = 4, two of 0 to 15 in a byte, the
    first in its lower half. scale and zero are [N, G], for each group of S numbers one; without zero it is 0 for
    8 bits, and 8 for 4. The result is [N, G, S], float32: the difference is exact, the product is rounded once.
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

#endif
