// Kernels: fused groups of ops, generic in their sizes, and the steps of a plan that run them.
#ifndef WEFT_KERNEL_OPS_TD
#define WEFT_KERNEL_OPS_TD

include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "dialects/Weft/IR/CompositeOps.td"
include "dialects/Weft/IR/WeftAttributes.td"

def Weft_KernelOp : Op<Weft_Dialect, "kernel",
    [IsolatedFromAbove, Symbol, FunctionOpInterface, SingleBlock]> {
  let summary = "A fused group of ops, the unit of compiling";
  let description = [{
    Its tensors have dynamic dimensions, each with the number of its size (`#weft.sizes`), so that
    one kernel serves all sizes. The schedule says how it runs.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs,
                       OptionalAttr<ScheduleAttrInterface>:$schedule);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    /// How many symbolic sizes its types name: one more than the largest number.
    int64_t getSizeCount();
    /// How many parameters its ops take from the launch: one more than the largest number.
    int64_t getParameterCount();
    YieldOp getYield();
  }];
}

/// Its results are written to memory by those who run the plan (PlanSteps.h).
def PlannedStep : NativeOpTrait<"PlannedStep"> {
  let cppNamespace = "::weft::trait";
}

def Weft_YieldOp
    : Op<Weft_Dialect, "yield",
         [Pure, Terminator, ParentOneOf<["KernelOp", "CaseOp", "WhileOp", "ScanOp",
                                         "CheckpointOp", "CustomDerivativeOp"]>]> {
  let summary = "The results of a kernel, or of a region of control flow";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Weft_LaunchOp : Op<Weft_Dialect, "launch",
    [Pure, AttrSizedOperandSegments, PlannedStep,
     DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a kernel";
  let description = [{
    `sizes` are the values of the kernel's sizes, known or symbolic. The operands and results may be shaped
    differently from the kernel's types, which count only the elements: dimensions that are walked
    together were collapsed into one.

    `prepared` are the bytes of some of the kernel's temporaries, those with the numbers
    `temporaries`, as the kernel's stages would fill them; these stages do not run. An input that
    no other stage reads may be `ub.poison`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Weft_Tensor>:$inputs,
                       Variadic<Weft_Tensor>:$prepared, Weft_ShapeAttr:$sizes,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$temporaries);
  let results = (outs Variadic<Weft_Tensor>:$outputs);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` (`prepared` `(` $prepared^ `:` type($prepared) `)`)? `sizes`
    custom<Sizes>($sizes) attr-dict `:` functional-type($inputs, $outputs)
  }];
  let builders = [OpBuilder<(ins "mlir::TypeRange":$outputs, "llvm::StringRef":$kernel,
                                 "mlir::ValueRange":$inputs, "llvm::ArrayRef<int64_t>":$sizes), [{
    build($_builder, $_state, outputs, kernel, inputs, /*prepared=*/mlir::ValueRange(), sizes,
          /*temporaries=*/llvm::ArrayRef<int64_t>());
  }]>];
  let hasVerifier = true;
}

def Weft_PrepareOp : Op<Weft_Dialect, "prepare",
    [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Values that are computed when their operands are first seen";
  let description = [{
    The results of `function`, which depend on nothing but the operands, tensors that hardly ever
    change, and on constants. Whoever runs the program keeps them with the memory of the operands
    (lib/Runtime/PreparedValues.h); a compiled object holds them as constants.
  }];
  let arguments = (ins FlatSymbolRefAttr:$function, Variadic<Weft_Tensor>:$inputs);
  let results = (outs Variadic<Weft_Tensor>:$outputs);
  let assemblyFormat = [{
    $function `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)
  }];
}

#endif
