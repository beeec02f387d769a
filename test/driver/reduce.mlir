// A module that fails shrinks to the operation that is to blame.
// RUN: weft-reduce %s --test=%S/Inputs/still-overflows.sh -o %t.mlir 2>&1 | FileCheck %s --check-prefix=COUNTS
// RUN: FileCheck %s --input-file=%t.mlir
// COUNTS: weft-reduce: {{[0-9]+}} operations became 3 in {{[0-9]+}} runs of the test

// CHECK: module {
// CHECK-NEXT: func.func @network({{.*}}) -> tensor<4611686018427387904x1xf32> {
// CHECK-NEXT: weft.add
// CHECK-NEXT: return
// CHECK-NEXT: }
// CHECK-NEXT: }

// The same from bytecode.
// RUN: weft-opt %s --emit-bytecode -o %t.mlirbc
// RUN: weft-reduce %t.mlirbc --test=%S/Inputs/still-overflows.sh | diff - %t.mlir

// A module that is not interesting, no such program, and input that is none.
// RUN: not weft-reduce %s --test=false 2>&1 | FileCheck %s --check-prefix=BORING
// RUN: not weft-reduce %s --test=%t.missing 2>&1 | FileCheck %s --check-prefix=PROGRAM
// RUN: not weft-reduce %t.none --test=true 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: printf 'func.func @f(' > %t.cut
// RUN: not weft-reduce %t.cut --test=true 2>&1 | FileCheck %s --check-prefix=PARSE
// BORING: weft-reduce: the test does not find {{.*}}reduce.mlir interesting as it is: false exits with 1
// PROGRAM: weft-reduce: --test={{.*}}.missing: there is no such program
// FILE: weft-reduce: {{.*}}No such file
// PARSE: :1:13: error: expected

func.func @unrelated(%x: tensor<8xf32>) -> tensor<8xf32> attributes {weft.note = "unrelated"} {
  return %x : tensor<8xf32>
}
func.func @network(%x: tensor<64x784xf32>, %w: tensor<784x10xf32>, %large: tensor<4611686018427387904x4xf32>)
    -> (tensor<64xf32>, tensor<4611686018427387904x4xf32>) {
  %bias = weft.constant dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]> : tensor<10xf32> : tensor<10xf32>
  %0 = weft.matmul %x, %w : tensor<64x784xf32>, tensor<784x10xf32> -> tensor<64x10xf32>
  %1 = weft.broadcast %bias [1] : tensor<10xf32> -> tensor<64x10xf32>
  %2 = weft.add %0, %1 : tensor<64x10xf32>
  %3 = weft.softmax %2 axis 1 : tensor<64x10xf32>
  %4 = weft.max %3 [1] : tensor<64x10xf32> -> tensor<64xf32>
  %5 = weft.negative %large : tensor<4611686018427387904x4xf32>
  %6 = weft.exp %5 : tensor<4611686018427387904x4xf32>
  %7 = weft.add %6, %large : tensor<4611686018427387904x4xf32>
  return %4, %7 : tensor<64xf32>, tensor<4611686018427387904x4xf32>
}
