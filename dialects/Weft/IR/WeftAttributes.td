// Attributes of the dialect.
#ifndef WEFT_ATTRIBUTES_TD
#define WEFT_ATTRIBUTES_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/TensorEncoding.td"
include "dialects/Weft/IR/WeftBase.td"
include "dialects/Weft/IR/WeftInterfaces.td"

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

class Weft_Schedule<string name, string attrMnemonic>
    : Weft_Attr<name # "Schedule", attrMnemonic, [ScheduleAttrInterface]> {
  let assemblyFormat = "`<` struct(params) `>`";
}

def Weft_ElementwiseScheduleAttr : Weft_Schedule<"Elementwise", "elementwise"> {
  let summary = "Elements one by one";
  let description = [{
    - `lanes`: elements in a vector.
    - `grain`: of a kernel of rank 1, how many elements make one task; on a GPU, of any.
    - `across`: vectors lie along the dimension before the innermost one, which is shorter than a
      vector, as the colours of an image; `grain` of these make a task.
    - `framed`: elements are computed where there are any, and stored at their places in the frame
      that the kernel's one result has around them (`weft.pad`), which is filled beside.
    - `jam`: on a processor, so many neighbours along the dimension before the innermost one are
      computed side by side, which load once what they share, as the weights of a window.
  }];
  let parameters = (ins "int64_t":$lanes, DefaultValuedParameter<"int64_t", "1">:$grain,
                        DefaultValuedParameter<"bool", "false">:$across,
                        DefaultValuedParameter<"bool", "false">:$framed,
                        DefaultValuedParameter<"int64_t", "1">:$jam);
}

def Weft_TranspositionScheduleAttr : Weft_Schedule<"Transposition", "transposition"> {
  let summary = "Elements one by one, with an operand that lies the other way round";
  let description = [{
    - `tile`: so many rows are turned at once; on a GPU so many rows and columns, in shared memory.
    - `lanes`: elements in a vector.
  }];
  let parameters = (ins "int64_t":$tile, DefaultValuedParameter<"int64_t", "1">:$lanes);
}

def Weft_RowsScheduleAttr : Weft_Schedule<"Rows", "rows"> {
  let summary = "Reductions along the innermost dimensions, and what is around them";
  let description = [{
    - `lanes`: elements in a vector.
    - `kept`: on a GPU, how many vectors of the row each thread keeps in registers; 0: none. On a
      processor, how many vectors there is room for on the stack, for each value along the row that
      is dear and needed in several passes over it; of a longer row these are computed again, block
      by block, and with 0 wherever they are needed.
    - `chains`: on a processor, so many rows, or blocks of one, are reduced side by side in a pass
      that would else wait for one sum to be added to.
    - `blocks`: on a processor, each pass over a row is cut into tasks of so many blocks, whose sums
      are combined afterwards; 0: a row is one task.
    - `across`: on a processor, vectors lie along the last dimension that is kept, as rows lie across
      memory; a vector of rows is a task.
  }];
  let parameters = (ins "int64_t":$lanes, DefaultValuedParameter<"int64_t", "0">:$kept,
                    DefaultValuedParameter<"int64_t", "1">:$chains,
                    DefaultValuedParameter<"int64_t", "0">:$blocks,
                    DefaultValuedParameter<"bool", "false">:$across);
}

def Weft_ColumnsScheduleAttr : Weft_Schedule<"Columns", "columns"> {
  let summary = "A reduction along outer dimensions, and what is around it";
  let description = [{
    - `lanes`: elements in a vector.
  }];
  let parameters = (ins "int64_t":$lanes);
}

def Weft_UpdateScheduleAttr : Weft_Schedule<"Update", "update"> {
  let summary = "A copy of a value, of which some elements are changed";
  let description = [{
    - `lanes`: elements in a vector.
  }];
  let parameters = (ins "int64_t":$lanes);
}

def Weft_ScanScheduleAttr : Weft_Schedule<"Scan", "scan"> {
  let summary = "Elements combined along an axis, step by step";
  let description = [{
    - `lanes`: elements in a vector across the axis; 1 where the axis is the innermost one.
  }];
  let parameters = (ins "int64_t":$lanes);
}

def Weft_SortScheduleAttr : Weft_Schedule<"Sort", "sort"> {
  let summary = "Elements put in order by merging";
  let description = [{
    - `block`: so many elements are sorted by one thread before blocks are merged, or more, where
      more than 2^`merges` blocks would be left.
    - `merges`: how often blocks are merged two by two.
    - `lanes`: elements in a vector, of their keys; 1: elements are compared one by one.
  }];
  let parameters = (ins "int64_t":$block, "int64_t":$merges,
                        DefaultValuedParameter<"int64_t", "1">:$lanes);
}

def Weft_LibraryScheduleAttr : Weft_Attr<"LibrarySchedule", "library", [ScheduleAttrInterface]> {
  let summary = "Calls of a library's function, one for each matrix";
}

def Weft_ProgramScheduleAttr : Weft_Schedule<"Program", "program"> {
  let summary = "A program over blocks that a user wrote, once for each place of its grid";
  let description = [{
    - `lanes`: elements in a vector.
    - `rows`, `columns`: the register tile of products of blocks: rows, and vectors of columns.
  }];
  let parameters = (ins "int64_t":$lanes, DefaultValuedParameter<"int64_t", "4">:$rows,
                        DefaultValuedParameter<"int64_t", "1">:$columns);
}

def Weft_AttentionScheduleAttr : Weft_Schedule<"Attention", "attention"> {
  let summary = "Attention on a processor, block of keys by block of keys";
  let description = [{
    - `lanes`: elements in a vector.
    - `rows`, `columns`: the register tile: queries, and vectors of keys or of columns of the values.
    - `single`: the vectors of a tile of one query.
    - `block`: the queries of a task.
    - `width`: the elements of a head that there is room for on the stack; 0: a task has its own part of a
      temporary buffer.
  }];
  let parameters = (ins "int64_t":$lanes, "int64_t":$rows, "int64_t":$columns, "int64_t":$single,
                        "int64_t":$block, DefaultValuedParameter<"int64_t", "0">:$width);
}

def Weft_ContractionScheduleAttr : Weft_Schedule<"Contraction", "contraction"> {
  let summary = "A sum of products on a processor, with elementwise ops on its result";
  let description = [{
    - `lanes`: elements in a vector.
    - `rows`, `columns`: the register tile: rows, and vectors of columns.
    - `depth`: how much of the outermost contracted loop is done before the next tile; 0: all.
    - `pack_lhs`, `pack_rhs`: copy an operand into the order in which it is read.
    - `pack_block`: each task copies the right operand for itself, a block of the depth at a time,
      instead of a stage of its own that copies all; how many steps of all contracted loops are in
      such a block.
    - `outer_rows`: how many steps of the row loops around the innermost one make a block of rows.
    - `vector_lhs`: vectors run along the batch, as groups of one channel allow; there is one column.
    - `row_stride`: the distance of the left operand's rows, in elements, if it is fixed; 0: it is
      computed from the sizes.
    - `direct_rows`: with at most so many rows in a call, `pack_rhs` copies nothing, and the right
      operand is read where it is, if its columns are neighbours and fill whole blocks: too few
      would read the copy. 0: it is always copied, as where the copy outlives the call.
    - `steps`: how many steps of the depth an instruction adds to a sum: 1, a multiply-add; 2, the dot
      product of two neighbouring integers of 16 bits, as integers of 32 bits; 4, of four bytes. Both
      operands are packed then.
    - `narrow`: the copy that `pack_rhs` makes of elements of 16 bits keeps them as they are; they are
      widened where they are read.
    - `flat`: tiles go on from the end of the innermost row loop to its next line, so that only the
      last one of a block of rows may be moved back; the distances of a tile's rows are computed then.
      The left operand is read where it is.
    - `single`: a block of one row is computed apart, by so many copied tiles of columns at once and
      over all of the depth: for a number of rows that calls decide. 0: it is a block like others.
  }];
  let parameters = (ins
    "int64_t":$lanes, "int64_t":$rows, "int64_t":$columns,
    DefaultValuedParameter<"int64_t", "0">:$depth,
    DefaultValuedParameter<"bool", "false">:$pack_lhs,
    DefaultValuedParameter<"bool", "false">:$pack_rhs,
    DefaultValuedParameter<"int64_t", "0">:$pack_block,
    DefaultValuedParameter<"int64_t", "1">:$outer_rows,
    DefaultValuedParameter<"bool", "false">:$vector_lhs,
    DefaultValuedParameter<"int64_t", "0">:$row_stride,
    DefaultValuedParameter<"int64_t", "64">:$direct_rows,
    DefaultValuedParameter<"int64_t", "1">:$steps,
    DefaultValuedParameter<"bool", "false">:$narrow,
    DefaultValuedParameter<"bool", "false">:$flat,
    DefaultValuedParameter<"int64_t", "0">:$single);
}

def Weft_BlockContractionScheduleAttr : Weft_Schedule<"BlockContraction", "block_contraction"> {
  let summary = "A sum of products on a GPU, by blocks of threads, each on its own or by warps";
  let description = [{
    - `rows`, `columns`: the tile of the result that a block of threads computes.
    - `depth`: how much of the contracted loops is in shared memory at once.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "int64_t":$depth);
}

def Weft_WarpgroupContractionScheduleAttr
    : Weft_Schedule<"WarpgroupContraction", "warpgroup_contraction"> {
  let summary = "A product of matrices by warpgroups of a GPU, with TMA and wgmma";
  let description = [{
    - `columns`: those of the tile of the result that a block computes; it has 128 rows.
  }];
  let parameters = (ins "int64_t":$columns);
}

#endif
