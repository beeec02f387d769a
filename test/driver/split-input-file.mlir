// A file of several modules, with the errors that are expected of each.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

// An error that is not expected, and one that does not come, are errors.
// RUN: echo 'func.func @f(%x: tensor<3xf32>) { %0 = weft.exp %x : tensor<4xf32> }' > %t.mlir
// RUN: not weft-opt %t.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=UNEXPECTED
// RUN: printf '// expected-error@+1 {{none}}\nfunc.func private @f()\n' > %t.mlir
// RUN: not weft-opt %t.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=MISSING
// UNEXPECTED: error: unexpected error: use of value '%x' expects different type
// MISSING: error: expected error "none" was not produced

// Each part is printed, between the same marks.
// RUN: not weft-opt %s --split-input-file 2> %t.errors | FileCheck %s --check-prefix=PARTS
// RUN: FileCheck %s --check-prefix=ERRORS --input-file=%t.errors
// PARTS: func.func @good
// PARTS: {{/}}/ -----
// ERRORS: split-input-file.mlir:[[@LINE+8]]:8: error: matmul: the contracted dimensions differ

func.func @good(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
// -----
func.func @bad(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{matmul: the contracted dimensions differ: the operands have shapes [2, 3] and [2, 3]}}
  %0 = weft.matmul %x, %x : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return
}
