// RUN: not %tblgen -gen-op-info %s 2>&1 | FileCheck %s --implicit-check-not=error:
// RUN: not %tblgen -gen-python %s -o %t 2>&1 | FileCheck %s --implicit-check-not=error:
// RUN: not %tblgen -gen-reference %s -o %t 2>&1 | FileCheck %s --implicit-check-not=error:
// RUN: not %tblgen -gen-op-table %s -o %t 2>&1 | FileCheck %s --implicit-check-not=error:

include "dialects/Weft/IR/WeftBase.td"

defvar HasGradient = DeclareOpInterfaceMethods<GradientOpInterface>;
defvar HasBody = DeclareOpInterfaceMethods<ElementwiseOpInterface>;

class TestOp<string mnemonic, list<Trait> traits> : Weft_Op<mnemonic, traits> {
  let summary = "x.";
  let arguments = (ins Weft_Tensor:$x);
  let results = (outs Weft_Tensor:$result);
}

def CompleteOp : TestOp<"complete", [HasGradient, HasBody]>;

// CHECK: [[@LINE+1]]:5: error: op 'weft.no_gradient' lacks a gradient facet: implement GradientOpInterface or DecompositionOpInterface, or declare NotDifferentiable<"reason">
def NoGradientOp : TestOp<"no_gradient", [HasBody]>;

// CHECK: [[@LINE+1]]:5: error: op 'weft.no_computation' lacks a computation facet: implement an interface that is ComputedAs (those of WeftInterfaces.td), or say in `computedBy` who computes it
def NoComputationOp : TestOp<"no_computation", [HasGradient]>;

// CHECK: [[@LINE+1]]:5: error: op 'weft.no_summary' lacks a summary
def NoSummaryOp : TestOp<"no_summary", [HasGradient, HasBody]> {
  let summary = "";
}

// CHECK: [[@LINE+2]]:5: error: op 'weft.nothing' lacks a gradient facet
// CHECK: [[@LINE+1]]:5: error: op 'weft.nothing' lacks a computation facet
def NothingOp : TestOp<"nothing", []>;

// CHECK: [[@LINE+1]]:5: error: op 'weft.both_gradients' is declared NotDifferentiable but implements GradientOpInterface
def BothGradientsOp : TestOp<"both_gradients", [HasGradient, NotDifferentiable<"why">, HasBody]>;

// CHECK: [[@LINE+1]]:5: error: op 'weft.no_reason' is declared NotDifferentiable without a reason
def NoReasonOp : TestOp<"no_reason", [NotDifferentiable<"">, HasBody]>;

// CHECK: [[@LINE+1]]:5: error: op 'weft.both_computations' has `computedBy` although an interface says how it is computed
def BothComputationsOp : TestOp<"both_computations", [HasGradient, HasBody]> {
  let computedBy = "a template of its own";
}
