// Ops that put elements in order.
#ifndef WEFT_SORT_OPS_TD
#define WEFT_SORT_OPS_TD

include "dialects/Weft/IR/ReductionOps.td"

def Weft_SortOp : Weft_InferredOp<"sort", [Gradient, Dimensions,
    DeclareOpInterfaceMethods<SortOpInterface,
                              ["emitKey", "emitElement", "getSharedKeys"]>]> {
  let summary = "The elements along `axis` in order, and where each was.";
  let description = [{
    Ascending, or `descending`; NaN comes last in both. Equal elements, zeros of both signs among
    them, stay in their order.
  }];
  let arguments = (ins Weft_OrderedTensor:$x, I64Attr:$axis,
                       DefaultValuedAttr<BoolAttr, "false">:$descending);
  let results = (outs Weft_OrderedTensor:$sorted, RankedTensorOf<[I64]>:$indices);
  let assemblyFormat = [{
    $x `axis` $axis attr-dict `:` custom<OneType>(type($x), type($sorted)) `,` type($indices)
  }];
  let pythonName = "";
  let inference = "::weft::inferSort";
}

#endif
