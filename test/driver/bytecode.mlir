// Bytecode goes in and out of every phase, and is the same as text.
// RUN: weft-opt %s --emit-bytecode -o %t.mlirbc
// RUN: weft-opt %t.mlirbc --weft-pipeline=cpu --until=schedule --emit-bytecode -o %t.scheduled
// RUN: weft-opt %t.scheduled --weft-pipeline=cpu --from=plan --until=plan > %t.plan
// RUN: weft-opt %s --weft-pipeline=cpu --until=plan | diff %t.plan -
// RUN: weft-opt - < %t.mlirbc | FileCheck %s
// RUN: weft-opt %s --verify-roundtrip -o /dev/null

// Bytes that are no longer whole are one clear error, and no output.
// RUN: head -c 120 %t.mlirbc > %t.cut
// RUN: rm -f %t.none && not weft-opt %t.cut -o %t.none 2>&1 | FileCheck %s --check-prefix=CUT
// RUN: not ls %t.none

// CHECK: weft.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>
// CHECK: weft.softmax %{{.*}} axis 0
// CUT: error:
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32> : tensor<3xf32>
  %1 = weft.add %0, %x : tensor<3xf32>
  %2 = weft.softmax %1 axis 0 : tensor<3xf32>
  return %2 : tensor<3xf32>
}
