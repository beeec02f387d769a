// What is wrong is shown with its line and a caret under it, and the exit status is 1.
// RUN: not weft-opt %s 2>&1 | FileCheck %s --match-full-lines --strict-whitespace --implicit-check-not=PLEASE

func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %x tensor<3xf32>
  return %0 : tensor<3xf32>
}
//      CHECK:{{.*}}syntax.mlir:5:19: error: expected ':'
// CHECK-NEXT:  %0 = weft.exp %x tensor<3xf32>
// CHECK-NEXT:                  ^
