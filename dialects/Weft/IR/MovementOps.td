// Ops that make, move and rearrange elements.
#ifndef WEFT_MOVEMENT_OPS_TD
#define WEFT_MOVEMENT_OPS_TD

include "dialects/Weft/IR/ComplexOps.td"
include "dialects/Weft/IR/WeftAttributes.td"

defvar WithoutOperands = NotDifferentiable<"it has no operand to differentiate for">;
defvar Dimensions = DeclareOpInterfaceMethods<DimensionOpInterface, ["rebuildWithLabels"]>;
defvar FixedDimensions = DeclareOpInterfaceMethods<DimensionOpInterface>;
defvar Indexed = DeclareOpInterfaceMethods<IndexedOpInterface>;
defvar LaunchNumbers = DeclareOpInterfaceMethods<LaunchNumberOpInterface>;
defvar Batching = DeclareOpInterfaceMethods<BatchOpInterface>;
defvar Conditions = DeclareOpInterfaceMethods<SizeConditionOpInterface>;

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

def Weft_ConstantOp : Weft_Op<"constant", [ConstantLike, WithoutOperands,
    Dimensions, Indexed]> {
  let summary = "A tensor known at compile time.";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "attr-dict $value `:` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Weft_SizeOp : Weft_Op<"size", [ConstantLike, WithoutOperands]> {
  let summary = "A tensor filled with the number of a size, as in \"2*n + 1\".";
  let description = [{
    What a mean along a symbolic dimension divides by. A negative number counts as 0; an integer
    wraps as a cast does, a float is the nearest one. With a known size it is a constant.
  }];
  let arguments = (ins Weft_SymbolicSizeAttr:$size);
  let results = (outs RankedTensorOf<[F32, F64, I32, I64]>:$result);
  let assemblyFormat = "custom<FillingSize>($size, type($result)) attr-dict";
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "int64_t":$size)>];
  let pythonName = "";
  let explicitResult = 1;
  let computedBy = "a parameter of the launch";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Weft_IotaOp : Weft_Op<"iota", [WithoutOperands, Dimensions, Indexed]> {
  let summary = "The index along `axis`, as the element type of the result.";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = "$axis attr-dict `:` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let hasVerifier = 1;
}
def Weft_RandomBitsOp : Weft_Op<"random_bits", [DiscreteResult, Dimensions, Indexed]> {
  let summary = "Independent random bits, a fixed function of the key and each element's position.";
  let description = [{
    Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
    2011) of the element's row-major position under a key of two 32-bit words; an element is the
    first word, or both for 64 bits. With keys [B..., 2] the leading dimensions of the result are
    those of the keys: each draws what is behind them for itself.
  }];
  let arguments = (ins RankedTensorOf<[I32]>:$key);
  let results = (outs RankedTensorOf<[I32, I64]>:$result);
  let extraClassDeclaration = "int64_t getInstructionCount() { return 120; }";
  let assemblyFormat = "$key attr-dict `:` type($key) `->` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Rearrangement
//===----------------------------------------------------------------------===//

def Weft_ReshapeOp : Weft_Op<"reshape", [Gradient, Linear, EachPart, Batching]> {
  let summary = "The same elements, in row-major order, in another shape.";
  let arguments = (ins Weft_Tensor:$x);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let computedBy = "a view of x";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Weft_BarrierOp : Weft_Op<"barrier", [Gradient, Linear, EachPart, Batching,
                                        SameOperandsAndResultType]> {
  let summary = "x itself, but what is computed from it is not merged with what is computed from x.";
  let description = [{
    What a checkpoint computes again would else be merged with what it computed before. By its
    `name`, if it has one, a checkpoint can be told to keep the value. It is gone where plans are
    made.
  }];
  let arguments = (ins Weft_Tensor:$x, OptionalAttr<StrAttr>:$name);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$x (`named` $name^)? attr-dict `:` type($x)";
  let pythonName = "";
  let computedBy = "nobody: `weft-remove-barriers` removes it";
}

/// What one example of a mapped function asks of all: `index` is its number among them, which
/// depends on the examples of one axis and on nothing else, and so says which axis is meant. They
/// are gone once that axis is batched.
class Weft_AcrossExamplesOp<string mnemonic>
    : Weft_Op<mnemonic, [Gradient, Linear, EachPart, Batching]> {
  let arguments = (ins Weft_Tensor:$x, RankedTensorOf<[I64]>:$index);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$x `at` $index attr-dict `:` type($x) `,` type($index) `->` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let computedBy = "nobody: it is gone where the examples are batched";
}
def Weft_SumExamplesOp : Weft_AcrossExamplesOp<"sum_examples"> {
  let summary = "The sum of x over all examples of a mapped function, the same for each.";
  let hasVerifier = 1;
}
def Weft_GatherExamplesOp : Weft_AcrossExamplesOp<"gather_examples"> {
  let summary = "The x of all examples of a mapped function, [count, ...], the same for each.";
  let hasVerifier = 1;
}
def Weft_ScatterExamplesOp : Weft_AcrossExamplesOp<"scatter_examples"> {
  let summary = "For example i the sum of x[i] over all examples of a mapped function.";
  let hasVerifier = 1;
}
def Weft_TransposeOp : Weft_InferredOp<"transpose", [Gradient, Linear, EachPart, Dimensions,
                                                    Indexed]> {
  let summary = "Dimension d of the result is dimension permutation[d] of x.";
  let arguments = (ins Weft_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$x $permutation attr-dict `:` type($x) `->` type($result)";
  let pythonName = "";
  let inference = "::weft::inferTranspose";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
  let declarations = "bool readsOnce(unsigned operand) { return true; }";
}
def Weft_BroadcastOp : Weft_Op<"broadcast", [Gradient, Linear, EachPart, Batching, Dimensions,
                                            Indexed]> {
  let summary = "x repeated along new dimensions and along its dimensions of size 1.";
  let description = [{
    Dimension d of x is dimension dimensions[d] of the result. The canonical form repeats along new
    dimensions only: dimensions of size 1 are removed by a reshape before.
  }];
  let arguments = (ins Weft_Tensor:$x, DenseI64ArrayAttr:$dimensions);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$x $dimensions attr-dict `:` type($x) `->` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// True if dimension `d` of x is repeated along its dimension of the result.
    bool isExpanded(int64_t d);
    int64_t getInstructionCount() { return 0; }
  }];
}
def Weft_SliceOp
    : Weft_Op<"slice",
              [Gradient, Linear, EachPart, Batching, FixedDimensions, Indexed, Conditions,
               LaunchNumbers]> {
  let summary = "The elements at starts + i * steps, i below the result's shape; steps may be negative.";
  let arguments = (ins Weft_Tensor:$x, DenseI64ArrayAttr:$starts, DenseI64ArrayAttr:$steps);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = [{
    $x `starts` custom<Numbers>($starts) `steps` custom<Numbers>($steps) attr-dict `:` type($x) `->`
    type($result)
  }];
  let pythonName = "";
  let explicitResult = 1;
  let hasFolder = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool readsOnce(unsigned operand) { return true; }
    std::optional<int64_t> getRunStart();
  }];
}
def Weft_PadOp
    : Weft_Op<"pad",
              [Gradient, Linear, EachPart, Batching, FixedDimensions, Indexed, Conditions,
               LaunchNumbers]> {
  let summary = "x placed at `low`, `interior` elements apart, in a tensor filled with `value`.";
  let description = [{
    Element i of x is at low + i * (interior + 1) of the result in each dimension. `low` may not be
    negative; the result may not be too small.
  }];
  let arguments = (ins Weft_Tensor:$x, Weft_Tensor:$value, DenseI64ArrayAttr:$low,
                       DenseI64ArrayAttr:$interior);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = [{
    $x `,` $value `low` custom<Numbers>($low) `interior` custom<Numbers>($interior) attr-dict `:`
    type($x) `,` type($value) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$x, "double":$value,
                             "::llvm::ArrayRef<int64_t>":$low, "::llvm::ArrayRef<int64_t>":$interior)>];
  let pythonName = "";
  let explicitResult = 1;
  let hasFolder = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool readsOnce(unsigned operand) { return operand == 0; }
    int64_t getInstructionCount() { return 8; }
    bool isFramed() { return ::llvm::all_of(getInterior(), [](int64_t gap) { return gap == 0; }); }
  }];
}
def Weft_UpdateOp
    : Weft_InferredOp<"update", [Gradient, Linear, EachPart, Batching, FixedDimensions,
                                 UpdateOpInterface, Conditions, LaunchNumbers]> {
  let summary = "x with `value` in the place of the elements at starts + i * steps.";
  let description = [{
    The inverse of slice: i is below the shape of `value` in each dimension. Starts may not be
    negative, steps are positive; `value` may not reach beyond x.
  }];
  let arguments = (ins Weft_Tensor:$x, Weft_Tensor:$value, DenseI64ArrayAttr:$starts,
                       DenseI64ArrayAttr:$steps);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = [{
    $x `,` $value `starts` custom<Numbers>($starts) `steps` custom<Numbers>($steps) attr-dict `:`
    type($x) `,` type($value) `->` type($result)
  }];
  let pythonName = "";
  let inference = "::weft::inferUpdate";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
  let declarations = [{
    ::mlir::OpOperand &getUpdatesMutable() { return getValueMutable(); }
    ::llvm::SmallVector<::weft::ElementIndex>
    emitPlace(::weft::ElementEmitter &emitter, ::llvm::ArrayRef<::weft::ElementIndex> indices);
  }];
}
def Weft_ConcatenateOp : Weft_InferredOp<"concatenate",
                                        [Gradient, Linear, EachPart, Batching, FixedDimensions,
                                         Indexed]> {
  let summary = "The operands one after the other along `axis`.";
  let arguments = (ins Variadic<Weft_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($result)";
  let pythonName = "";
  let inference = "::weft::inferConcatenate";
  let declarations = [{
    bool readsOnce(unsigned operand) { return true; }
    int64_t getInstructionCount() { return 8 * getInputs().size(); }
    std::optional<int64_t> getJoinedAxis() { return getAxis(); }
  }];
}
def Weft_GatherOp : Weft_InferredOp<"gather", [Gradient, Linear, EachPart, Batching, FixedDimensions,
                                             Indexed, Conditions]> {
  let summary = "The slices of x at `indices` along `axis`.";
  let description = [{
    The shape of the result is that of x with dimension `axis` replaced by the shape of `indices`. A
    negative index counts from the end; an index out of range gives NaN, of integers 0 and of bools
    false.
  }];
  let arguments = (ins Weft_Tensor:$x, Weft_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = [{
    $x `,` $indices `axis` $axis attr-dict `:` type($x) `,` type($indices) `->` type($result)
  }];
  let pythonName = "";
  let inference = "::weft::inferGather";
  let declarations = "bool readsOnce(unsigned operand) { return operand == 1; }";
}
/// x changed at `indices` along `axis`, in the order of the indices.
class Weft_ScatterOpBase<string mnemonic, TypeConstraint Tensor, string updated = "">
    : Weft_InferredOp<mnemonic,
                      [Gradient, Linear, EachPart, Batching, FixedDimensions, UpdateOpInterface]> {
  let arguments = (ins Tensor:$x, Weft_IndexTensor:$indices, Tensor:$updates, I64Attr:$axis);
  let results = (outs Tensor:$result);
  let assemblyFormat = [{
    $x `,` $indices `,` $updates `axis` $axis attr-dict `:`
    custom<OneType>(type($x), type($result)) `,` type($indices) `,` type($updates)
  }];
  let pythonName = "";
  let inference = "::weft::inferScatter";
  let declarations = [{
    std::pair<int64_t, int64_t> getOrderedDimensions() {
      int64_t axis = getAxis();
      return {axis, axis + getIndices().getType().getRank()};
    }
    ::llvm::SmallVector<::weft::ElementIndex>
    emitPlace(::weft::ElementEmitter &emitter, ::llvm::ArrayRef<::weft::ElementIndex> indices);
    ::mlir::Value emitIsMade(::weft::ElementEmitter &emitter,
                             ::llvm::ArrayRef<::weft::ElementIndex> indices);
  }] # updated;
}
def Weft_ScatterAddOp : Weft_ScatterOpBase<"scatter_add", Weft_ArithmeticTensor, [{
    ::mlir::Value emitUpdated(::mlir::OpBuilder &builder, ::mlir::Location location,
                              ::llvm::function_ref<::mlir::Value()> before, ::mlir::Value update) {
      return ::weft::emitSum(builder, location, before(), update);
    }
  }]> {
  let summary = "x with `updates` added at `indices` along `axis`, in the order of the indices.";
  let description = [{
    The inverse of gather: the shape of `updates` is that of x with dimension `axis` replaced by the
    shape of `indices`. A negative index counts from the end; an index out of range is dropped.
  }];
}
def Weft_ScatterOp : Weft_ScatterOpBase<"scatter", Weft_Tensor> {
  let summary = "x with `updates` in the place of the slices at `indices` along `axis`.";
  let description = [{
    The shape of `updates` is that of x with dimension `axis` replaced by the shape of `indices`. Of
    equal indices the last one counts, in row-major order. A negative index counts from the end; an
    index out of range is dropped.
  }];
}

#endif
