// Ops that combine elements along an axis, step by step.
#ifndef WEFT_SCAN_OPS_TD
#define WEFT_SCAN_OPS_TD

include "dialects/Weft/IR/SortOps.td"

class Weft_ScanOp<string mnemonic, list<Trait> traits>
    : Weft_InferredOp<mnemonic, traits # [Gradient, Dimensions,
        DeclareOpInterfaceMethods<ScanOpInterface, ["emitIdentity", "emitCombine"]>]> {
  let autocast = AutocastWide;
  let arguments = (ins Weft_ArithmeticTensor:$x, I64Attr:$axis,
                       DefaultValuedAttr<BoolAttr, "false">:$reversed);
  let results = (outs Weft_ArithmeticTensor:$result);
  let assemblyFormat = [{
    $x `axis` $axis attr-dict `:` custom<OneType>(type($x), type($result))
  }];
  let pythonName = "";
  let inference = "::weft::inferScan";
}

def Weft_CumulativeSumOp : Weft_ScanOp<"cumulative_sum", [Linear, EachPart]> {
  let summary = "Element i along `axis` is the sum of those up to i; `reversed`: of those from i on.";
  let description = [{
    In one order, a function of the size along the axis alone: in blocks of 2048 elements one after
    the other, then the sums of the blocks before are added. float16 and bfloat16 are summed in
    float32.
  }];
}
def Weft_CumulativeProdOp : Weft_ScanOp<"cumulative_prod", [ByParts]> {
  let summary = "Element i along `axis` is the product of those up to i; `reversed`: of those from i on.";
  let description = [{
    In the order of `cumulative_sum`. Of complex elements in steps of 1, 2, 4, ... along the axis
    (Hillis and Steele, "Data parallel algorithms", 1986).
  }];
}

#endif
