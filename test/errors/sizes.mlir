// Sizes that numbers can't hold, and unknown ones that nothing decides.
// RUN: not weft-opt %s --split-input-file --weft-pipeline=cpu --until=plan 2>&1 | FileCheck %s --implicit-check-not=PLEASE

// CHECK: error: 'weft.exp' op has a result of shape [4611686018427387904, 4] and dtype 'f32'; its bytes overflow 64 bits
func.func @f(%x: tensor<4611686018427387904x4xf32>) -> tensor<4611686018427387904x4xf32> {
  %0 = weft.exp %x : tensor<4611686018427387904x4xf32>
  %1 = weft.exp %0 : tensor<4611686018427387904x4xf32>
  return %1 : tensor<4611686018427387904x4xf32>
}

// -----

// CHECK: error: 'weft.iota' op has a result of shape [?, 4], which does not follow from its operands; write the sizes, as in tensor<?x4xf32, #weft.shape<["n", 4]>>
func.func @f() -> tensor<?x4xf32> {
  %0 = weft.iota 0 : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
