// Attributes of the wrong kind, missing, and of names that do not exist.
// RUN: not weft-opt %s --split-input-file 2>&1 | FileCheck %s --implicit-check-not=PLEASE

// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: expected '['
func.func @f(%x: tensor<3xf32>) {
  %0 = weft.sum %x 0 : tensor<3xf32> -> tensor<f32>
  return
}

// -----

// CHECK: error: 'weft.variance' op requires attribute 'correction'
func.func @f(%x: tensor<3xf32>) {
  %0 = weft.variance %x [0] : tensor<3xf32> -> tensor<f32>
  return
}

// -----

// CHECK: error: expected ::weft::Template to be one of: elementwise, row_reduction, column_reduction, contraction, update
weft.kernel @k(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>>
    attributes {schedule = #weft.schedule<kind = tiled, lanes = 16>} {
  weft.yield %x : tensor<f32, #weft.sizes<>>
}

// -----

// CHECK: error: expected integer value
func.func private @f(%x: tensor<?xf32, #weft.sizes<[a]>>)

// -----

// CHECK: error: elements literal type must have static shape
func.func @f() {
  %0 = weft.constant dense<1.0> : tensor<?xf32> : tensor<?xf32>
  return
}
