// RUN: not weft-opt %s 2>&1 | FileCheck %s --implicit-check-not=PLEASE

// CHECK: unknown-dialect.mlir:[[@LINE+2]]:{{[0-9]+}}: error: Dialect `linalg' not found for custom op 'linalg.exp'
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = linalg.exp ins(%x : tensor<3xf32>) outs(%x : tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
