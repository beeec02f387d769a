// RUN: %tblgen -gen-python %s | FileCheck %s --check-prefix=PYTHON
// RUN: %tblgen -gen-reference %s | FileCheck %s --check-prefix=REFERENCE
// RUN: %tblgen -gen-op-table %s | FileCheck %s --check-prefix=TABLE
// RUN: %tblgen -gen-op-info %s | FileCheck %s --check-prefix=INFO

include "dialects/Weft/IR/WeftBase.td"

defvar HasGradient = DeclareOpInterfaceMethods<GradientOpInterface>;
defvar HasBody = DeclareOpInterfaceMethods<ElementwiseOpInterface>;

def MixOp : Weft_Op<"mix", [HasGradient, HasBody]> {
  let summary = "x where \"condition\", else y.";
  let description = [{
    The first line,
      and one further in.
  }];
  let arguments = (ins Weft_BoolTensor:$condition, Weft_FloatTensor:$x, Weft_FloatTensor:$y);
  let results = (outs Weft_FloatTensor:$result);
  let promotion = PromoteFloat;
  let reference = "np.where(condition, x, y)";
  let domain = "unit";
  let maxUlp = 1;
}
def JoinOp : Weft_Op<"join", [NotDifferentiable<"it is a test">]> {
  let summary = "All inputs.";
  let arguments = (ins Variadic<Weft_Tensor>:$inputs, RankedTensorOf<[I32, F64]>:$order,
                       I64Attr:$axis, DenseI64ArrayAttr:$sizes,
                       DefaultValuedAttr<F64Attr, "1e-5">:$epsilon,
                       DefaultValuedAttr<BoolAttr, "false">:$keep);
  let results = (outs RankedTensorOf<[I64]>:$result);
  let pythonName = "concat";
  let computedBy = "the join template";
}
def HiddenOp : Weft_Op<"hidden", [DeclareOpInterfaceMethods<DecompositionOpInterface>]> {
  let summary = "No function in Python.";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Weft_Tensor:$result);
  let pythonName = "";
  let explicitResult = 1;
}

// PYTHON:      from collections.abc import Sequence
// PYTHON-NEXT: from typing import TypeAlias
// PYTHON:      __all__ = [
// PYTHON-NEXT:     "concat",
// PYTHON-NEXT:     "mix",
// PYTHON-NEXT: ]
// PYTHON:      def mix(condition: Operand, x: Operand, y: Operand, /) -> Tensor:
// PYTHON-NEXT:     """x where \"condition\", else y.
// PYTHON:          The first line, and one further in.
// PYTHON:          x and y are converted to float32 if of integer or bool dtype. x and y are converted to their
// PYTHON-NEXT:     common dtype. The operands are broadcast to their common shape, which is the result's.
// PYTHON:          condition: bool.
// PYTHON-NEXT:     x: float, integer or bool.
// PYTHON:          Value: `np.where(condition, x, y)`, within 1 unit in the last place.
// PYTHON-NEXT:     """
// PYTHON-NEXT:     return _core.apply("weft.mix", (condition, x, y))
// PYTHON:      def concat(
// PYTHON-NEXT:     inputs: Sequence[Operand],
// PYTHON-NEXT:     order: Operand,
// PYTHON-NEXT:     /,
// PYTHON-NEXT:     *,
// PYTHON-NEXT:     axis: int,
// PYTHON-NEXT:     sizes: Sequence[int],
// PYTHON-NEXT:     epsilon: float = 1e-5,
// PYTHON-NEXT:     keep: bool = False,
// PYTHON-NEXT: ) -> Tensor:
// PYTHON:              order: float64 or int32.
// PYTHON:              A tensor of dtype int64.
// PYTHON:          Not differentiable: it is a test.
// PYTHON:          return _core.apply(
// PYTHON-NEXT:         "weft.join",
// PYTHON-NEXT:         (*inputs, order),
// PYTHON-NEXT:         {"axis": axis, "sizes": sizes, "epsilon": epsilon, "keep": keep},
// PYTHON-NEXT:     )
// PYTHON-NOT:  hidden

// REFERENCE:      ## Output
// REFERENCE:      [mix](#weftmix), [join](#weftjoin), [hidden](#wefthidden)
// REFERENCE:      ### `weft.mix`
// REFERENCE:      The first line,
// REFERENCE-NEXT: {{^  and one further in\.$}}
// REFERENCE:      %condition: tensor<bool>
// REFERENCE:      -> %result: tensor<float>
// REFERENCE:      - Python: `weft.mix(condition, x, y)`. x and y are converted
// REFERENCE:      - Computed as: elementwise
// REFERENCE-NEXT: - Differentiable: yes
// REFERENCE-NEXT: - Value: `np.where(condition, x, y)`, within 1 unit in the last place
// REFERENCE:      ### `weft.join`
// REFERENCE:      %inputs...: tensor<float | complex | integer | bool | float8>
// REFERENCE-NEXT: %order: tensor<float64 | int32>
// REFERENCE-NEXT: axis: int
// REFERENCE-NEXT: sizes: list of int
// REFERENCE-NEXT: epsilon: float = 1e-5
// REFERENCE-NEXT: keep: bool = False
// REFERENCE:      - Computed as: the join template
// REFERENCE-NEXT: - Differentiable: no: it is a test
// REFERENCE:      ### `weft.hidden`
// REFERENCE-NOT:  - Python:
// REFERENCE:      - Computed as: composite
// REFERENCE-NEXT: - Differentiable: yes, through its decomposition
// REFERENCE-NEXT: - The result's type is given by whoever builds the op.

// TABLE:      from op_row import Attribute, Operand, OpRecord, OpRow
// TABLE:      name="weft.mix",
// TABLE-NEXT: python="mix",
// TABLE-NEXT: operands=(
// TABLE-NEXT:     Operand("condition", ("bool",)),
// TABLE-NEXT:     Operand("x", ("float",)),
// TABLE-NEXT:     Operand("y", ("float",)),
// TABLE-NEXT: ),
// TABLE-NEXT: attributes=(),
// TABLE-NEXT: reference="lambda condition, x, y: np.where(condition, x, y)",
// TABLE-NEXT: domain="unit",
// TABLE-NEXT: max_ulp=1,
// TABLE-NEXT: differentiable=True,
// TABLE-NEXT: not_differentiable_reason="",
// TABLE:      Operand("inputs", ("float", "complex", "integer", "bool", "float8"), variadic=True),
// TABLE-NEXT: Operand("order", ("float64", "int32")),
// TABLE:      Attribute("axis", "int"),
// TABLE-NEXT: Attribute("sizes", "ints"),
// TABLE-NEXT: Attribute("epsilon", "float"),
// TABLE-NEXT: Attribute("keep", "bool"),
// TABLE:      differentiable=False,
// TABLE-NEXT: not_differentiable_reason="it is a test",
// TABLE:      RECORDS: list[OpRecord] = [
// TABLE:      name="weft.hidden",
// TABLE-NEXT: python="",
// TABLE-NEXT: computed_by=("composite",),
// TABLE-NEXT: not_differentiable_reason="",

// INFO:      WEFT_OP("weft.mix", "mix", 3, Promotion::Float, Autocast::None, false, true, false, acceptsBool, acceptsFloat, acceptsFloat)
// INFO-NEXT: WEFT_OP("weft.join", "concat", -1, Promotion::None, Autocast::None, false, false, false, acceptsFloat | acceptsInteger | acceptsBool | acceptsComplex | acceptsFloat8, acceptsFloat | acceptsInteger)
// INFO-NEXT: WEFT_OP("weft.hidden", "", 0, Promotion::None, Autocast::None, true, true, false)
