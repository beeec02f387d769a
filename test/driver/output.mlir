// An output file is written whole or not at all: what was there stays when something fails.
// RUN: printf before > %t.out
// RUN: not weft-opt %s --weft-pipeline=cpu -o %t.out
// RUN: printf before | diff %t.out -
// RUN: weft-opt %s --canonicalize -o %t.out
// RUN: FileCheck %s --input-file=%t.out
// RUN: not weft-opt %s -o %t.missing/out.mlir 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: not weft-opt %t.missing.mlir 2>&1 | FileCheck %s --check-prefix=INPUT

// CHECK: weft.exp
// FOLDER: weft-opt: {{.*}}missing/out.mlir: {{.*}}No such file
// INPUT: weft-opt: {{.*}}missing.mlir{{.*}}No such file
func.func @f(%x: tensor<4611686018427387904x4xf32>) -> tensor<4611686018427387904x4xf32> {
  %0 = weft.exp %x : tensor<4611686018427387904x4xf32>
  return %0 : tensor<4611686018427387904x4xf32>
}
