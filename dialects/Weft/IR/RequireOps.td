// What a program refuses as it runs. Compiled apart from the other records: Require.h has the
// classes.
#ifndef WEFT_REQUIRE_OPS_TD
#define WEFT_REQUIRE_OPS_TD

include "dialects/Weft/IR/WeftBase.td"
include "dialects/Weft/IR/WeftAttributes.td"

def Weft_RequireOp : Op<Weft_Dialect, "require"> {
  let summary = "Ends the call with an error, where there is a size only if that is negative";
  let description = [{
    Says in a region what `weft.conditions` says of a function: the region is not defined for some
    sizes, as one with the maximum of no elements. It is an error only where the region is run, so
    an op that stays where it is. With regions it becomes part of the function that is made of it
    (`weft.required`), and whoever runs that refuses.
  }];
  let arguments = (ins OptionalAttr<Weft_ShapeAttr>:$size, StrAttr:$error);
  let assemblyFormat = "(`size` custom<Sizes>($size)^)? $error attr-dict";
}

#endif // WEFT_REQUIRE_OPS_TD
