// RUN: not %tblgen -gen-python %s 2>&1 | FileCheck %s --implicit-check-not=error:

include "dialects/Weft/IR/WeftBase.td"

class TestOp<string mnemonic> : Weft_Op<mnemonic, [
    DeclareOpInterfaceMethods<GradientOpInterface>,
    DeclareOpInterfaceMethods<ElementwiseOpInterface>]> {
  let summary = "x.";
  let arguments = (ins Weft_Tensor:$x);
  let results = (outs Weft_Tensor:$result);
}

// CHECK: [[@LINE+1]]:5: error: op 'weft.explicit' has a generated Python function but its result type is not inferred: set `pythonName` to "" and write the function by hand
def ExplicitOp : TestOp<"explicit"> {
  let explicitResult = 1;
}

// CHECK: [[@LINE+1]]:5: error: op 'weft.attribute' has a generated Python function but attribute 'value' is no integer, list of integers, float or bool
def AttributeOp : TestOp<"attribute"> {
  let arguments = (ins Weft_Tensor:$x, ElementsAttr:$value);
}

// CHECK: [[@LINE+1]]:5: error: op 'weft.unpromoted' has a promotion that is not none, common or float
def UnpromotedOp : TestOp<"unpromoted"> {
  let promotion = Promotion<"other">;
}

def FirstOp : TestOp<"first">;
// CHECK: [[@LINE+1]]:5: error: op 'weft.second' has the Python name 'first' of 'weft.first'
def SecondOp : TestOp<"second"> {
  let pythonName = "first";
}
