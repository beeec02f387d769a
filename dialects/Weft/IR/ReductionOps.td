// Ops that combine the elements along axes.
#ifndef WEFT_REDUCTION_OPS_TD
#define WEFT_REDUCTION_OPS_TD

include "dialects/Weft/IR/MovementOps.td"

class Weft_ReductionOp<string mnemonic, string rule, list<Trait> traits>
    : Weft_InferredOp<mnemonic, traits # [Dimensions,
        DeclareOpInterfaceMethods<ReductionOpInterface,
            ["emitIdentity", "emitElement", "emitCombine"]>]> {
  let arguments = (ins Weft_NumericTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = "$x $axes attr-dict `:` type($x) `->` type($result)";
  let pythonName = "";
  let inference = "::weft::" # rule;
}

class Weft_ArithmeticReductionOp<string mnemonic, list<Trait> traits>
    : Weft_ReductionOp<mnemonic, "inferReduction", [Gradient] # traits> {
  let autocast = AutocastWide;
  let arguments = (ins Weft_ArithmeticTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Weft_ArithmeticTensor:$result);
}
def Weft_SumOp : Weft_ArithmeticReductionOp<"sum", [Linear, EachPart]> {
  let summary = "The sum along `axes`, which the result lacks; 0 over no elements.";
  let description = [{
    In one order, a function of the shape alone. float16 and bfloat16 are summed in float32.
  }];
}
def Weft_ProdOp : Weft_ArithmeticReductionOp<"prod", [ByParts]> {
  let summary = "The product along `axes`, which the result lacks; 1 over no elements.";
  let description = [{
    Complex elements are multiplied in a tree of halves along each axis.
  }];
}
def Weft_MaxOp : Weft_ReductionOp<"max", "inferReduction", [Gradient]> {
  let summary = "The largest element along `axes`, which the result lacks; NaN if any is.";
  let arguments = (ins Weft_OrderedTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Weft_OrderedTensor:$result);
}
def Weft_MinOp : Weft_ReductionOp<"min", "inferReduction", [Gradient]> {
  let summary = "The smallest element along `axes`, which the result lacks; NaN if any is.";
  let arguments = (ins Weft_OrderedTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Weft_OrderedTensor:$result);
}

class Weft_ArgReductionOp<string mnemonic> : Weft_ReductionOp<mnemonic, "inferArgReduction", [DiscreteResult]> {
  let results = (outs RankedTensorOf<[I64]>:$result);
  let declarations = [{
    bool usesPosition() { return true; }
    unsigned getResultIndex() { return 1; }
  }];
}
def Weft_ArgmaxOp : Weft_ArgReductionOp<"argmax"> {
  let summary = "Where the largest element along the one axis is, the first of equals; the first NaN if any.";
}
def Weft_ArgminOp : Weft_ArgReductionOp<"argmin"> {
  let summary = "Where the smallest element along the one axis is, the first of equals; the first NaN if any.";
}

#endif
