// Operands and results that do not fit are told at the op, in one error each.
// RUN: not weft-opt %s --split-input-file 2>&1 | FileCheck %s --implicit-check-not=PLEASE

// CHECK: :[[@LINE+2]]:17: error: use of value '%x' expects different type than prior uses: 'tensor<4xf32>' vs 'tensor<3xf32>'
func.func @f(%x: tensor<3xf32>) {
  %0 = weft.exp %x : tensor<4xf32>
  return
}

// -----

// CHECK: error: 'weft.exp' op operand #0 must be ranked tensor of {{.*}}, but got 'vector<3xf32>'
func.func @f(%x: vector<3xf32>) {
  %0 = weft.exp %x : vector<3xf32>
  return
}

// -----

// CHECK: error: matmul: the contracted dimensions differ: the operands have shapes [2, 3] and [4, 5]
func.func @f(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) {
  %0 = weft.matmul %x, %y : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

// CHECK: error: use of undeclared SSA value name
func.func @f() {
  %0 = weft.exp %missing : tensor<3xf32>
  return
}
