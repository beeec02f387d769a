// The passes that are about what several processes compute together. Their declarations are in a
// header of their own, passes/CollectivePasses.h.
#ifndef WEFT_COLLECTIVE_PASSES_TD
#define WEFT_COLLECTIVE_PASSES_TD

include "mlir/Pass/PassBase.td"

def OverlapCollectives : Pass<"weft-overlap-collectives", "::mlir::ModuleOp"> {
  let summary = "Let large sums of processes be sent while other ops are computed";
  let description = [{
    A sum of all members' tensors becomes its two ends: one begins to send as soon as the operand is
    computed, the other waits where the sum is read first. What the operands need comes first in the
    function, in the order of the sums, and everything else behind. What is sent keeps its order,
    which the tokens say. Before:

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
      %1 = weft.start_all_reduce %0 after %t {group = 0 : i64, members = 2 : i64} : tensor<16384xf32>, tensor<i32> -> tensor<i32>
      %2 = weft.exp %y : tensor<8xf32>
      %3, %4 = weft.finish_all_reduce %0 started %1 after %1 {group = 0 : i64, members = 2 : i64} : tensor<16384xf32>, tensor<i32>, tensor<i32> -> tensor<16384xf32>, tensor<i32>
      return %3, %2, %4 : tensor<16384xf32>, tensor<8xf32>, tensor<i32>
    }
    ```

    Small ones stay as they are: to hand them to another thread takes longer than they do.
  }];
  let options = [Option<"leastBytes", "least-bytes", "int64_t", /*default=*/"64 * 1024",
                        "Sums of fewer bytes stay as they are">];
  let dependentDialects = ["::weft::WeftDialect"];
}

#endif
