// What passes and templates may ask of an op. Nothing outside the dialect knows ops by name.
#ifndef WEFT_INTERFACES_TD
#define WEFT_INTERFACES_TD

include "mlir/IR/OpBase.td"

/// An interface that says how an op is computed, in the documentation's words.
class ComputedAs<string words> {
  string computedAs = words;
}

def ScheduleAttrInterface : AttrInterface<"ScheduleAttrInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    How a kernel runs. Chosen by `weft-schedule`, read by the template that it belongs to; can be
    edited in the IR.
  }];
}

def GradientOpInterface : OpInterface<"GradientOpInterface"> {
  let cppNamespace = "::weft";
  let description = "An op with a reverse-mode derivative.";
  let methods = [InterfaceMethod<[{
      Builds the product of the cotangents with the op's Jacobian. `cotangents` has one value for
      each result, null where the result does not matter. `gradients` has one slot for each operand,
      null on entry; a slot left null means that the derivative is zero. Only operands for which
      `wanted` is set need a gradient. All shapes are static.
    }],
    "void", "buildGradient",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$cotangents,
         "::llvm::ArrayRef<bool>":$wanted,
         "::llvm::MutableArrayRef<::mlir::Value>":$gradients)>];
}

def DecompositionOpInterface : OpInterface<"DecompositionOpInterface">, ComputedAs<"composite"> {
  let cppNamespace = "::weft";
  let description = "A composite: an op that is defined by other ops.";
  let methods = [InterfaceMethod<
    [{
      Builds the definition before the op and returns a value for each result, of exactly its type;
      nothing after an error, which it has emitted.
    }],
    "::llvm::SmallVector<::mlir::Value>", "decompose", (ins "::mlir::OpBuilder &":$builder)>];
}

def ComplexOpInterface : OpInterface<"ComplexOpInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that is defined on complex tensors too. There it is a composite: no kernel computes with
    complex elements, but with real parts and imaginary parts. Its gradient rule, if it has one, is
    that of an analytic function: differentiation conjugates the cotangents, and what the rule gives.
  }];
  let methods = [InterfaceMethod<[{
      Builds the op on the parts of its operands before it, and returns the parts of each result;
      nothing after an error, which it has emitted. Unless the op has a rule of its own, it is
      applied to the real parts and to the imaginary parts.
    }],
    "::llvm::SmallVector<::weft::ComplexParts>", "buildOnParts",
    (ins "::mlir::OpBuilder &":$builder, "::llvm::ArrayRef<::weft::ComplexParts>":$operands),
    "", "return ::weft::buildOnEachPart($_op, builder, operands);">];
}

def DimensionOpInterface : OpInterface<"DimensionOpInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that can say which dimensions of its operands and results are walked together.
  }];
  let methods = [InterfaceMethod<[{
      One list for each operand, then one for each result: for each dimension the label of the loop
      that walks it, or -1 where it is not walked one to one by any loop. Dimensions of equal label
      have equal sizes.
    }],
    "::llvm::SmallVector<::llvm::SmallVector<int64_t>>", "getDimensionLabels">,
    InterfaceMethod<[{
      Rebuilds the op over operands whose dimensions were regrouped. `labels` are in the form of
      `getDimensionLabels`, after the change; null if the op can't be regrouped.
    }],
    "::mlir::Operation *", "rebuildWithLabels",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands,
         "::mlir::TypeRange":$resultTypes,
         "::llvm::ArrayRef<::llvm::SmallVector<int64_t>>":$labels),
    "", "return nullptr;">];
}

def BatchOpInterface : OpInterface<"BatchOpInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    An op with a batching rule of its own, which is better than what its dimension labels give.
  }];
  let methods = [InterfaceMethod<[{
      Builds the op over `count` examples and returns its result with a first dimension of that
      size. Operands that are `batched` have that dimension too, the others are those of the op.
      Null if this case has no rule; then nothing was built. All shapes are static.
    }],
    "::mlir::Value", "buildBatched",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands,
         "::llvm::ArrayRef<bool>":$batched, "int64_t":$count)>];
}

def SizeConditionOpInterface : OpInterface<"SizeConditionOpInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that is defined for some sizes of its operands and result only.
  }];
  let methods = [InterfaceMethod<[{
      The sizes, known or symbolic, that may not be negative: what is left of a tensor behind the
      last element that the op reads or writes.
    }],
    "::llvm::SmallVector<int64_t>", "getSizeConditions">];
}

def ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface", [DimensionOpInterface]>,
                             ComputedAs<"elementwise"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that computes each element of its result from the same elements of its operands, which
    all have the result's shape.
  }];
  let methods = [InterfaceMethod<[{
      Emits the computation of one element, or of one vector of them: `operands` are scalars or
      one-dimensional vectors of the signless counterparts of the operands' dtypes, with float16 and
      bfloat16 already widened to float32, all of one shape. The result is of the same shape.
    }],
    "::mlir::Value", "emitBody",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location,
         "::mlir::ValueRange":$operands)>,
    InterfaceMethod<"About how many instructions on vectors `emitBody` makes.",
      "int64_t", "getInstructionCount", (ins), "", "return 1;">];
}

def IndexedOpInterface : OpInterface<"IndexedOpInterface">, ComputedAs<"indexed"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that computes each element of its results on its own, from elements of its operands at
    indices that it derives from the result's index: data movement, windows, counters.
  }];
  let methods = [InterfaceMethod<
    "Emits the elements of result `number` at `indices` (one for each dimension of the result).",
    "::mlir::Value", "emitElements",
    (ins "::weft::ElementEmitter &":$emitter, "unsigned":$number,
         "::llvm::ArrayRef<::weft::ElementIndex>":$indices)>,
    InterfaceMethod<[{
      True if computing the whole result reads no element of operand `operand` twice, so that the
      operand may as well be computed where it is read.
    }],
    "bool", "readsOnce", (ins "unsigned":$operand), "", "return false;">,
    InterfaceMethod<[{
      About how many instructions on vectors `emitElements` makes, without those of the operands; 0:
      it only says where an element comes from.
    }],
    "int64_t", "getInstructionCount", (ins), "", "return 4;">,
    InterfaceMethod<[{
      The axis along which the result is the operands one after the other, if it is that. Where it
      is the one result of a kernel, each element is then copied without asking which operand it is
      of.
    }],
    "std::optional<int64_t>", "getJoinedAxis", (ins), "", "return std::nullopt;">,
    InterfaceMethod<[{
      True if the result is the first operand with other elements before and behind it: neighbours
      stay neighbours, at a distance from where they were that is the same for all.
    }],
    "bool", "isFramed", (ins), "", "return false;">,
    InterfaceMethod<[{
      Where the elements of the result begin in the first operand, in elements, if they are a run of
      its memory, all sizes are known and there are any: who has the operand in memory need not copy
      them.
    }],
    "std::optional<int64_t>", "getRunStart", (ins), "", "return std::nullopt;">,
    InterfaceMethod<[{
      An i1: whether all that `emitElements` would check before it is read for the elements at
      `indices` is there, whatever the innermost index is. Where that holds for two elements of a
      line, it holds for those between them. Null if it checks nothing, or what depends on the
      innermost index.
    }],
    "::mlir::Value", "emitAreInside",
    (ins "::weft::ElementEmitter &":$emitter, "::llvm::ArrayRef<::weft::ElementIndex>":$indices),
    "", "return {};">];
}

def LaunchNumberOpInterface : OpInterface<"LaunchNumberOpInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    An op with numbers that its kernel may get from the launch, so that kernels that differ in them
    only are one. In a kernel such a number is `?0`, `?1`, ...: which of the launch's parameters it
    is (LaunchNumbers.h).
  }];
  let methods = [InterfaceMethod<[{
      The numbers that code generation need not know: names of attributes, which are arrays of i64,
      and positions in them.
    }],
    "::llvm::SmallVector<::weft::LaunchNumber>", "getLaunchNumbers">];
}

def UpdateOpInterface : OpInterface<"UpdateOpInterface", [DimensionOpInterface]>,
                        ComputedAs<"update"> {
  let cppNamespace = "::weft";
  let description = [{
    An op whose result is x with some elements changed, one for each element of its `updates`. A
    kernel around it copies x, unless the result lies where x is, and then does the work of the
    updates alone.
  }];
  let methods = [
    InterfaceMethod<"", "::mlir::Value", "getX">,
    InterfaceMethod<"", "::mlir::OpOperand &", "getUpdatesMutable">,
    InterfaceMethod<[{
        Where the updates at `indices` go: an index for each dimension of x.
      }],
      "::llvm::SmallVector<::weft::ElementIndex>", "emitPlace",
      (ins "::weft::ElementEmitter &":$emitter, "::llvm::ArrayRef<::weft::ElementIndex>":$indices)>,
    InterfaceMethod<[{
        Whether the update at `indices`, uniform ones, is made: an i1; null if all are. It depends on
        the indices of the ordered dimensions alone.
      }],
      "::mlir::Value", "emitIsMade",
      (ins "::weft::ElementEmitter &":$emitter, "::llvm::ArrayRef<::weft::ElementIndex>":$indices),
      "", "return {};">,
    InterfaceMethod<[{
        The dimensions [first, second) of the updates that stand for dimension `first` of x, where
        several may go to one place. They are made in row-major order; those that differ in other
        dimensions, or in their place along dimension `first` of x, never meet.
      }],
      "std::pair<int64_t, int64_t>", "getOrderedDimensions", (ins), "", "return {0, 0};">,
    InterfaceMethod<"What an element that is `before()` becomes by `update`, in the compute type.",
      "::mlir::Value", "emitUpdated",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location,
           "::llvm::function_ref<::mlir::Value()>":$before, "::mlir::Value":$update),
      "", "return update;">];
  let extraClassDeclaration = "::mlir::Value getUpdates() { return getUpdatesMutable().get(); }";
}

def ReductionOpInterface : OpInterface<"ReductionOpInterface", [DimensionOpInterface]>,
                           ComputedAs<"reduction"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that combines the elements along some axes of its first operand, by an accumulator of one
    or more values: the identity, a combination of an accumulator with an element, and of two
    accumulators.
  }];
  let methods = [
    InterfaceMethod<"The reduced axes, ascending.", "::llvm::ArrayRef<int64_t>", "getReducedAxes">,
    InterfaceMethod<"The value to start from, of type `type` (scalar or vector).",
      "::llvm::SmallVector<::mlir::Value>", "emitIdentity",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::Type":$type)>,
    InterfaceMethod<[{
        The accumulator of one element each, found at position `position` (index vector or scalar of
        i64) along the reduced axis.
      }],
      "::llvm::SmallVector<::mlir::Value>", "emitElement",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::Value":$element,
           "::mlir::Value":$position)>,
    InterfaceMethod<"Combines two accumulators, in any order of their positions.",
      "::llvm::SmallVector<::mlir::Value>", "emitCombine",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::ValueRange":$left,
           "::mlir::ValueRange":$right)>,
    InterfaceMethod<"True if `emitElement` reads the position.", "bool", "usesPosition", (ins), "",
      "return false;">,
    InterfaceMethod<"Which value of the accumulator is the result.", "unsigned", "getResultIndex",
      (ins), "", "return 0;">];
}

def ScanOpInterface : OpInterface<"ScanOpInterface", [DimensionOpInterface]>, ComputedAs<"scan"> {
  let cppNamespace = "::weft";
  let description = [{
    An op whose element i along an axis combines those of its operand up to i, or, reversed, from i
    on.
  }];
  let methods = [
    InterfaceMethod<"", "::mlir::Value", "getX">,
    InterfaceMethod<"", "uint64_t", "getAxis">,
    InterfaceMethod<"", "bool", "getReversed">,
    InterfaceMethod<"What combined with any value gives that value, of type `type` (scalar or vector).",
      "::mlir::Value", "emitIdentity",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::Type":$type)>,
    InterfaceMethod<"Combines what came before with what comes next, both in the compute type.",
      "::mlir::Value", "emitCombine",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::Value":$before,
           "::mlir::Value":$next)>];
}

def SortOpInterface : OpInterface<"SortOpInterface", [DimensionOpInterface]>, ComputedAs<"sort"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that puts the elements of its operand along an axis in order. Its results are the elements
    and, as int64, where they were.
  }];
  let methods = [
    InterfaceMethod<"", "::mlir::Value", "getX">,
    InterfaceMethod<"", "uint64_t", "getAxis">,
    InterfaceMethod<[{
        The key of an element of the compute type, scalar or vector: a signed integer, i32 for elements
        of up to 32 bits, else i64. An element precedes those of greater keys, wherever they are;
        equal elements have one key.
      }],
      "::mlir::Value", "emitKey",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::Value":$element)>,
    InterfaceMethod<"An element that has a key, scalar or vector.", "::mlir::Value", "emitElement",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$location, "::mlir::Value":$key)>,
    InterfaceMethod<"The keys that elements of different bits have in common.",
      "::llvm::SmallVector<int64_t>", "getSharedKeys">];
}

def LibraryOpInterface : OpInterface<"LibraryOpInterface", [DimensionOpInterface]>,
                         ComputedAs<"library"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that a library on the host computes, from its operands in memory: for each place in the
    leading dimensions a call with the matrices in the last ones.
  }];
  let methods = [
    InterfaceMethod<[{
        Numbers that the library's function is called with, besides the sizes.
      }],
      "::llvm::SmallVector<int64_t>", "getOptions">,
    InterfaceMethod<"How many dimensions of operands a call works on: 2 of matrices, 1 of vectors.",
      "int64_t", "getMatrixRank", (ins), "", "return 2;">,
    InterfaceMethod<[{
        Whether what were complex tensors are pairs of real and imaginary parts.
      }],
      "bool", "getPairs">,
    InterfaceMethod<"", "void", "setPairs", (ins "bool":$pairs)>,
    InterfaceMethod<"Whether the operands are such pairs.", "bool", "takesPairs", (ins), "",
      "return $_op.getPairs();">];
  let extraClassDeclaration = [{
    /// "cholesky"
    ::llvm::StringRef getFunctionName() { return getOperation()->getName().stripDialect(); }
    /// How many leading dimensions all operands and results have.
    int64_t getBatchRank();
  }];
}

def ContractionOpInterface : OpInterface<"ContractionOpInterface", [DimensionOpInterface]>,
                             ComputedAs<"contraction"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that sums products of elements of two operands over a space of loops, each operand being
    read at positions that are linear in the loops: matmul, convolution and its weight gradient.
  }];
  let methods = [InterfaceMethod<
    "The loops, outermost first within each kind, and where each operand and the result is accessed.",
    "::weft::Contraction", "getContraction">,
    InterfaceMethod<[{
      The right operand in the order in which a processor reads it, its columns side by side: builds
      it and makes the op read that. False, and no change, if it is in that order already.
    }],
    "bool", "arrangeRightOperand", (ins "::mlir::OpBuilder &":$builder), "", "return false;">];
}

#endif
