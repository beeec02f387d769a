// Programs over blocks that users write (python/weft/kernels), and what is in them beside the ops of
// all functions. Compiled apart from the other records: Program.h has the classes.
#ifndef WEFT_PROGRAM_OPS_TD
#define WEFT_PROGRAM_OPS_TD

include "dialects/Weft/IR/WeftBase.td"

class Weft_ProgramPart<string mnemonic, list<Trait> traits = []>
    : Op<Weft_Dialect, mnemonic, traits>;

def Weft_Number : 0DTensorOf<[I64]>;

def Weft_ProgramOp : Weft_ProgramPart<"program",
    [Pure, IsolatedFromAbove, SingleBlock, DeclareOpInterfaceMethods<BatchOpInterface>,
     DeclareOpInterfaceMethods<LaunchNumberOpInterface>]> {
  let summary = "Runs a region once for each place of a grid, on blocks of tensors";
  let description = [{
    The region computes with tensors of known sizes, the blocks, by the ops that functions have. It
    names operands by their numbers, so that it is the same for all their sizes: `weft.program_load`
    reads some of their elements, `weft.program_store` writes some of the results. What no program
    writes are the elements of an operand, `initial` (-1: zeros).

    A load or store takes an index for each leading dimension of a tensor, all of the block's shape;
    the last index counts the elements of all dimensions from its own on. Elements that are not there
    are an error at run time, which names the op's `site`: the first of several, and nothing beyond
    the tensor is read or written.

    A store takes and gives the state of the results, an integer that says which stores come before;
    the region ends with the last one.
  }];
  let arguments = (ins Variadic<Weft_Tensor>:$inputs, StrAttr:$name, DenseI64ArrayAttr:$grid,
                       DenseI64ArrayAttr:$initial);
  let results = (outs Variadic<Weft_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name `grid` custom<Numbers>($grid) `initial` $initial `(` $inputs `)` attr-dict
    `:` functional-type($inputs, $outputs) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether programs run one after the other, in the order of the grid.
    bool isOrdered();
  }];
}

def Weft_ProgramEndOp
    : Weft_ProgramPart<"program_end", [Pure, Terminator, HasParent<"ProgramOp">]> {
  let summary = "The end of a program, after the stores that its state stands for";
  let arguments = (ins Weft_Number:$state);
  let assemblyFormat = "$state attr-dict `:` type($state)";
}

def Weft_ProgramIdOp : Weft_ProgramPart<"program_id", [Pure]> {
  let summary = "Where a program is in the grid, along an axis.";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Weft_Number:$result);
  let assemblyFormat = "$axis attr-dict `:` type($result)";
}

def Weft_ProgramCountOp : Weft_ProgramPart<"program_count", [Pure]> {
  let summary = "How many programs there are along an axis of the grid.";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Weft_Number:$result);
  let assemblyFormat = "$axis attr-dict `:` type($result)";
}

def Weft_ProgramSizeOp : Weft_ProgramPart<"program_size", [Pure]> {
  let summary = "A size of an operand of the program, or of a result: these are counted behind.";
  let arguments = (ins I64Attr:$number, I64Attr:$dimension);
  let results = (outs Weft_Number:$result);
  let assemblyFormat = "$number `,` $dimension attr-dict `:` type($result)";
}

def Weft_ProgramLoadOp
    : Weft_ProgramPart<"program_load", [Pure, AttrSizedOperandSegments]> {
  let summary = "A block of elements of an operand of the program.";
  let description = [{
    Where `mask` is false nothing is read, and the element is that of `other`, or zero.
  }];
  let arguments = (ins I64Attr:$number, StrAttr:$site, Variadic<RankedTensorOf<[I64]>>:$indices,
                       Optional<Weft_BoolTensor>:$mask, Optional<Weft_Tensor>:$other);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = [{
    $number `[` $indices `]` (`if` $mask^)? (`else` $other^)? `at` $site attr-dict
    `:` functional-type(operands, $result)
  }];
}

def Weft_ProgramStoreOp
    : Weft_ProgramPart<"program_store", [Pure, AttrSizedOperandSegments]> {
  let summary = "Writes a block of elements of a result of the program.";
  let description = [{
    Where `mask` is false nothing is written. With `combine` ("add", "max" or "min") what is written
    is made of the element that is there and the value, as by the op of this name: of whole numbers
    at once, so that programs of several threads lose nothing; of floats, whose sums depend on their
    order, one element after the other in programs that run in the order of the grid
    (`ProgramOp::isOrdered`).
  }];
  let arguments = (ins Weft_Number:$state, Weft_Tensor:$value, I64Attr:$number, StrAttr:$site,
                       Variadic<RankedTensorOf<[I64]>>:$indices,
                       Optional<Weft_BoolTensor>:$mask, OptionalAttr<StrAttr>:$combine);
  let results = (outs Weft_Number:$result);
  let assemblyFormat = [{
    $value (`by` $combine^)? `to` $number `[` $indices `]` (`if` $mask^)? `after` $state `at` $site
    attr-dict
    `:` functional-type(operands, $result)
  }];
}

#endif
