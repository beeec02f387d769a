// What a reshape is inside of a kernel. Compiled apart from the other records: Regroup.h has the
// class.
#ifndef WEFT_REGROUP_OPS_TD
#define WEFT_REGROUP_OPS_TD

include "dialects/Weft/IR/WeftBase.td"

def Weft_RegroupOp : Op<Weft_Dialect, "regroup",
    [Pure, DeclareOpInterfaceMethods<DimensionOpInterface, ["rebuildWithLabels"]>,
     DeclareOpInterfaceMethods<IndexedOpInterface>]> {
  let summary = "The same elements with some dimensions joined and others split";
  let description = [{
    A reshape is a view of memory, and so ends a kernel. This is what one is that stands between ops
    of a kernel. `from` has the number of a group for each dimension of x, `to` for each dimension of
    the result: the dimensions of a group, in row-major order, are the same elements in both. Groups
    ascend. One of a single dimension on both sides is that dimension, one that has none on the other
    side is of size 1. The last dimension is alone in its group: rows stay rows.
  }];
  let arguments = (ins Weft_Tensor:$x, DenseI64ArrayAttr:$from, DenseI64ArrayAttr:$to);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$x $from `to` $to attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool readsOnce(unsigned operand) { return true; }
    /// Where the elements of x at `indices` are in the result.
    ::llvm::SmallVector<::weft::ElementIndex>
    emitPlace(::weft::ElementEmitter &emitter, ::llvm::ArrayRef<::weft::ElementIndex> indices);
    /// Where the elements of the result at `indices` are in x. The last index is the same.
    ::llvm::SmallVector<::weft::ElementIndex>
    emitSource(::weft::ElementEmitter &emitter, ::llvm::ArrayRef<::weft::ElementIndex> indices);
  }];
}

#endif // WEFT_REGROUP_OPS_TD
