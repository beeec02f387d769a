// An op that does not exist is named.
// RUN: not weft-opt %s 2>&1 | FileCheck %s --implicit-check-not=PLEASE

// CHECK: unknown-op.mlir:[[@LINE+2]]:8: error: custom op 'weft.exponential' is unknown
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exponential %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
