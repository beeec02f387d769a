// The passes that are about what several processes compute together. Their declarations are in a
// header of their own, passes/CollectivePasses.h.
#ifndef WEFT_COLLECTIVE_PASSES_TD
#define WEFT_COLLECTIVE_PASSES_TD

include "mlir/Pass/PassBase.td"

def OverlapCollectives : Pass<"weft-overlap-collectives", "::mlir::ModuleOp"> {
  let summary = "Let what processes send go on while other ops are computed";
  let description = [{
    A `weft.all_reduce` that adds, a `weft.all_gather` and a `weft.reduce_scatter` become their two
    ends: one begins to send as soon as the operand is computed, the other waits where the result is
    read first. What the operands need comes first in the function, in the order of the collectives,
    and everything else behind. What is sent keeps its order, which the tokens say. Before:

    ```mlir
    func.func @f(%x: tensor<16384xf32>, %y: tensor<8xf32>, %t: tensor<i32>) -> (tensor<16384xf32>, tensor<8xf32>, tensor<i32>) {
      %0 = weft.exp %y : tensor<8xf32>
      %1 = weft.negative %x : tensor<16384xf32>
      %2, %3 = weft.all_reduce %1 after %t {group = 0 : i64, members = 2 : i64, reduction = 0 : i64} : tensor<16384xf32>, tensor<i32> -> tensor<16384xf32>, tensor<i32>
      return %2, %0, %3 : tensor<16384xf32>, tensor<8xf32>, tensor<i32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<16384xf32>, %y: tensor<8xf32>, %t: tensor<i32>) -> (tensor<16384xf32>, tensor<8xf32>, tensor<i32>) {
      %0 = weft.negative %x : tensor<16384xf32>
      %1 = weft.start_collective %0 after %t {group = 0 : i64, kind = 0 : i64, members = 2 : i64} : tensor<16384xf32>, tensor<i32> -> tensor<i32>
      %2 = weft.exp %y : tensor<8xf32>
      %3, %4 = weft.finish_collective %0 started %1 after %1 {group = 0 : i64, kind = 0 : i64, members = 2 : i64} : tensor<16384xf32>, tensor<i32>, tensor<i32> -> tensor<16384xf32>, tensor<i32>
      return %3, %2, %4 : tensor<16384xf32>, tensor<8xf32>, tensor<i32>
    }
    ```

    Gathers (parameters that are divided among the members) are all there at the start of a function:
    only so many are begun ahead of what reads them, and what is made of one alone, as another shape
    of it, goes to where that is read. What has nothing to be computed between its ends stays one op,
    and so do small ones: to hand them to another thread takes longer than they do.
  }];
  let options = [Option<"leastBytes", "least-bytes", "int64_t", /*default=*/"64 * 1024",
                        "What has fewer bytes stays as it is">,
                 Option<"mostAhead", "most-ahead", "int64_t", /*default=*/"2",
                        "How many gathers may have been begun that nothing reads yet">];
  let dependentDialects = ["::weft::WeftDialect"];
}

#endif
