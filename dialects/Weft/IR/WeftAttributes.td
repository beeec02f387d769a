// Attributes of the dialect.
#ifndef WEFT_ATTRIBUTES_TD
#define WEFT_ATTRIBUTES_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"
include "dialects/Weft/IR/WeftBase.td"

class Weft_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Weft_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Weft_SizesAttr : Weft_Attr<"Sizes", "sizes"> {
  let summary = "The symbolic size of each dimension of a tensor inside a kernel";
  let description = [{
    The encoding of a kernel's tensor types: entry d is the number of the kernel's size that
    dimension d has. `tensor<?x?xf32, #weft.sizes<[0, 1]>>` has sizes 0 and 1.
  }];
  let parameters = (ins OptionalArrayRefParameter<"int64_t">:$symbols);
  let assemblyFormat = "`<` (`[` $symbols^ `]`)? `>`";
}

def Weft_ShapeAttr
    : Weft_Attr<"Shape", "shape", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "Sizes, known or symbolic";
  let description = [{
    A list of sizes: numbers, and expressions over named symbols in quotes. As the encoding of a
    tensor type it says what the dynamic dimensions are: `tensor<?x784xf32, #weft.shape<["n", 784]>>`.
    Such types are for files and people; `weft-resolve-sizes` replaces them by types whose sizes are
    handles (lib/Support/SymbolicSize.h), `weft-name-sizes` does the inverse.

    An expression is a sum of products of names and numbers, and of floors of quotients by a number:
    `"2*n + 1"`, `"floor((h - 3) / 2) + 1"`.
  }];
  let parameters = (ins OptionalArrayRefParameter<"int64_t">:$sizes);
  let assemblyFormat = "`<` custom<SizeList>($sizes) `>`";
  let returnType = "::llvm::ArrayRef<int64_t>";
  let convertFromStorage = "$_self.getSizes()";
  let constBuilderCall = "::weft::ShapeAttr::get($_builder.getContext(), $0)";
}

def Weft_SymbolicSizeAttr : Weft_Attr<"SymbolicSize", "symbolic_size"> {
  let summary = "The number that a size is, as an element of a tensor";
  let description = [{
    `#weft.symbolic_size<"2*n", f32>` is the number 2 n as float32. A negative number counts as 0.
    It is what a `weft.size` holds, and a launch among its parameters.
  }];
  let parameters = (ins "int64_t":$size, "::mlir::Type":$element);
  let assemblyFormat = "`<` custom<Size>($size) `,` $element `>`";
}

def Weft_Template : I32EnumAttr<"Template", "how a kernel runs", [
    I32EnumAttrCase<"elementwise", 0>, I32EnumAttrCase<"row_reduction", 1>,
    I32EnumAttrCase<"column_reduction", 2>, I32EnumAttrCase<"contraction", 3>,
    I32EnumAttrCase<"update", 4>]> {
  let cppNamespace = "::weft";
  let genSpecializedAttr = 0;
}

def Weft_ScheduleAttr : Weft_Attr<"Schedule", "schedule"> {
  let summary = "How a kernel runs: template, tiles, lanes, packing, split over threads";
  let description = [{
    Chosen by `weft-schedule`, read by the templates; can be edited in the IR.

    - `kind`: the template.
    - `lanes`: elements in a vector.
    - `rows`, `columns`: the register tile of a contraction: rows, and vectors of columns.
    - `depth`: how much of the innermost contracted loop is done before the next tile; 0: all.
    - `pack_lhs`, `pack_rhs`: copy an operand into the order in which it is read.
    - `row_stride`: the distance of the left operand's rows, in elements, if it is fixed; 0: it is
      computed from the sizes.
    - `grain`: how many of the outermost iterations make one task.
  }];
  let parameters = (ins
    EnumParameter<Weft_Template>:$kind,
    "int64_t":$lanes,
    DefaultValuedParameter<"int64_t", "0">:$rows,
    DefaultValuedParameter<"int64_t", "0">:$columns,
    DefaultValuedParameter<"int64_t", "0">:$depth,
    DefaultValuedParameter<"bool", "false">:$pack_lhs,
    DefaultValuedParameter<"bool", "false">:$pack_rhs,
    DefaultValuedParameter<"int64_t", "0">:$row_stride,
    DefaultValuedParameter<"int64_t", "1">:$grain);
  let assemblyFormat = "`<` struct(params) `>`";
}

#endif
