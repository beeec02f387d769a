// Control flow: ops with regions, as programs are traced and transformed, and the steps of a plan
// that their regions, outlined into functions, become.
#ifndef WEFT_CONTROL_FLOW_OPS_TD
#define WEFT_CONTROL_FLOW_OPS_TD

include "dialects/Weft/IR/KernelOps.td"

//===----------------------------------------------------------------------===//
// With regions
//===----------------------------------------------------------------------===//

/// A region reads nothing but its arguments: what it needs from around is an operand (`captured`),
/// so that whoever follows operands, as differentiation, batching and fusion do, sees all there is.
class Weft_RegionOp<string mnemonic, list<Trait> traits = []>
    : Op<Weft_Dialect, mnemonic, traits # [Pure, IsolatedFromAbove, SingleBlock]> {
  let results = (outs Variadic<Weft_Tensor>:$outputs);
  let hasVerifier = 1;
}

def Weft_CaseOp : Weft_RegionOp<"case"> {
  let summary = "Computes one of several regions, chosen by a number";
  let description = [{
    `index` counts the regions; a smaller or larger number means the first or the last one. All get
    `captured` as arguments, and yield values of the same types.
  }];
  let arguments = (ins RankedTensorOf<[I64]>:$index, Variadic<Weft_Tensor>:$captured);
  let regions = (region VariadicRegion<SizedRegion<1>>:$branches);
  let assemblyFormat = [{
    $index (`with` `(` $captured^ `)`)? attr-dict `:` functional-type(operands, $outputs) $branches
  }];
}

def Weft_WhileOp : Weft_RegionOp<"while", [AttrSizedOperandSegments]> {
  let summary = "Computes a region again and again, while another one says so";
  let description = [{
    Both regions get the carried values, then `captured`. The condition yields a bool without
    dimensions, the body the next carried values; the results are the last ones.
  }];
  let arguments = (ins Variadic<Weft_Tensor>:$init, Variadic<Weft_Tensor>:$captured);
  let regions = (region SizedRegion<1>:$condition, SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`init` `(` $init^ `)`)? (`with` `(` $captured^ `)`)? attr-dict
    `:` functional-type(operands, $outputs) $condition `do` $body
  }];
}

def Weft_ScanOp : Weft_RegionOp<"scan", [AttrSizedOperandSegments]> {
  let summary = "Computes a region for each slice of some tensors, carrying values along";
  let description = [{
    The body gets the carried values, one slice of each of `scanned` along its first dimension, then
    `captured`; it yields the next carried values, and slices of results. The results of the op are
    the last carried values, and the slices, stacked along a first dimension. There are `count`
    slices, one size, known or symbolic; `reverse` begins with the last one.
  }];
  let arguments = (ins Variadic<Weft_Tensor>:$init, Variadic<Weft_Tensor>:$scanned,
                       Variadic<Weft_Tensor>:$captured, Weft_ShapeAttr:$count, UnitAttr:$reverse);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    custom<Sizes>($count) (`init` `(` $init^ `)`)? (`over` `(` $scanned^ `)`)?
    (`with` `(` $captured^ `)`)? (`reverse` $reverse^)? attr-dict
    `:` functional-type(operands, $outputs) $body
  }];
  let extraClassDeclaration = [{
    /// The results that are carried values, and those that are stacked.
    ::mlir::ResultRange getCarried() { return getOutputs().take_front(getInit().size()); }
    ::mlir::ResultRange getStacked() { return getOutputs().drop_front(getInit().size()); }
  }];
}

//===----------------------------------------------------------------------===//
// Functions with derivatives of their own
//===----------------------------------------------------------------------===//

def Weft_CheckpointOp : Weft_RegionOp<"checkpoint"> {
  let summary = "Computes a region, and computes it again where gradients need its values";
  let description = [{
    The region gets `captured` as arguments, and its results are what it yields. Differentiation
    keeps none of the values in it: the backward pass begins with computing them again, behind
    barriers. `saves` says which values are kept nevertheless: "everything", "contractions",
    "unbatched_contractions" (those without batch dimensions), "names" (barriers that have one of
    `names`), "other_names" (those that have a name that is not among them) or "all_but_names". With
    a `budget` of bytes those are kept that spare the most work for each byte, as far as it reaches.
    `weft-inline-functions` puts the region in its place.
  }];
  let arguments = (ins Variadic<Weft_Tensor>:$captured, OptionalAttr<StrAttr>:$saves,
                       OptionalAttr<StrArrayAttr>:$names, OptionalAttr<I64Attr>:$budget);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`with` `(` $captured^ `)`)? attr-dict `:` functional-type(operands, $outputs) $body
  }];
}

def Weft_CustomDerivativeOp : Weft_RegionOp<"custom_derivative", [AttrSizedOperandSegments]> {
  let summary = "Computes a region that has a rule for its derivative";
  let description = [{
    The body gets `inputs`, then `captured`; the results are what it yields. One rule is that along
    tangents: it gets `inputs`, a tangent for each floating or complex one, then `captured`, and
    yields the results and a tangent for each that is floating or complex. Two are a forward and a
    backward pass: the first takes what the body takes, and yields the results and what it keeps;
    the second gets that, a cotangent for each floating or complex result, then `captured`, and
    yields a gradient for each floating or complex input. None are in an op that is part of its own
    rules, several times over; it can't be differentiated. `name` is the function's in errors.
    `weft-inline-functions` puts the body in its place.
  }];
  let arguments = (ins StrAttr:$name, Variadic<Weft_Tensor>:$inputs,
                       Variadic<Weft_Tensor>:$captured);
  let regions = (region SizedRegion<1>:$body, VariadicRegion<SizedRegion<1>>:$rules);
  let assemblyFormat = [{
    $name (`of` `(` $inputs^ `)`)? (`with` `(` $captured^ `)`)? attr-dict
    `:` functional-type(operands, $outputs) $body `by` $rules
  }];
  let extraClassDeclaration = [{
    bool isAlongTangents() { return getRules().size() == 1; }
  }];
}

//===----------------------------------------------------------------------===//
// With functions
//===----------------------------------------------------------------------===//

/// A step of a plan that runs functions of the module.
class Weft_FunctionStepOp<string mnemonic, list<Trait> traits = []>
    : Op<Weft_Dialect, mnemonic,
         traits # [Pure, PlannedStep, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let results = (outs Variadic<Weft_Tensor>:$outputs);
}

def Weft_BranchOp : Weft_FunctionStepOp<"branch"> {
  let summary = "Runs one of several functions, chosen by a number";
  let description = [{
    What a `weft.case` becomes once its regions are functions, which are called with `inputs`.
  }];
  let arguments = (ins FlatSymbolRefArrayAttr:$functions, RankedTensorOf<[I64]>:$index,
                       Variadic<Weft_Tensor>:$inputs);
  let assemblyFormat = [{
    $functions $index `(` $inputs `)` attr-dict `:` functional-type(operands, $outputs)
  }];
}

def Weft_LoopOp : Weft_FunctionStepOp<"loop", [AttrSizedOperandSegments]> {
  let summary = "Runs a function again and again";
  let description = [{
    What a `weft.while` and a `weft.scan` become once their regions are functions: the first has a
    `condition`, the second a `count`. The functions are called with what the regions had as
    arguments.
  }];
  let arguments = (ins FlatSymbolRefAttr:$body, OptionalAttr<FlatSymbolRefAttr>:$condition,
                       OptionalAttr<Weft_ShapeAttr>:$count, Variadic<Weft_Tensor>:$init,
                       Variadic<Weft_Tensor>:$scanned, Variadic<Weft_Tensor>:$captured,
                       UnitAttr:$reverse);
  let assemblyFormat = [{
    $body (`while` $condition^)? (`count` custom<Sizes>($count)^)? (`init` `(` $init^ `)`)?
    (`over` `(` $scanned^ `)`)? (`with` `(` $captured^ `)`)? (`reverse` $reverse^)? attr-dict
    `:` functional-type(operands, $outputs)
  }];
}

#endif
