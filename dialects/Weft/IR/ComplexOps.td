// Ops between complex tensors and their parts.
#ifndef WEFT_COMPLEX_OPS_TD
#define WEFT_COMPLEX_OPS_TD

include "dialects/Weft/IR/ElementwiseOps.td"

/// What takes complex tensors apart and puts them together, element by element: the ops that are
/// left of them before `weft-split-complex`.
class Weft_PartsOp<string mnemonic, string rule>
    : Weft_InferredOp<mnemonic, [Gradient, Linear,
        DeclareOpInterfaceMethods<DimensionOpInterface, ["rebuildWithLabels"]>]> {
  let inference = "::weft::" # rule;
  let pythonName = "";
  let hasFolder = 1;
}

class Weft_PartOp<string mnemonic> : Weft_PartsOp<mnemonic, "inferPart"> {
  let arguments = (ins Weft_ComplexTensor:$x);
  let results = (outs Weft_PartTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let computedBy = "a view of one element of each pair";
}
def Weft_RealOp : Weft_PartOp<"real"> {
  let summary = "The real part of x.";
}
def Weft_ImagOp : Weft_PartOp<"imag"> {
  let summary = "The imaginary part of x.";
}
def Weft_ComplexOp : Weft_PartsOp<"complex", "inferComplex"> {
  let summary = "The complex numbers with the given parts.";
  let arguments = (ins Weft_PartTensor:$real, Weft_PartTensor:$imaginary);
  let results = (outs Weft_ComplexTensor:$result);
  let assemblyFormat = [{
    $real `,` $imaginary attr-dict `:` custom<OneType>(type($real), type($imaginary)) `->`
    type($result)
  }];
  let computedBy = "pairs of elements";
}

#endif
