// Symbolic sizes read back what they print, in text, in the generic form and in bytecode.
// RUN: weft-opt %s > %t.once
// RUN: weft-opt %t.once | diff %t.once -
// RUN: weft-opt %s --mlir-print-op-generic | weft-opt | diff %t.once -
// RUN: weft-opt %s --emit-bytecode | weft-opt | diff %t.once -
// RUN: FileCheck %s < %t.once

// Expressions have one form: sums of products, the longest products first.
// CHECK-LABEL: func.func @types(
// CHECK-SAME: tensor<?x784xf32, #weft.shape<["n", 784]>>
// CHECK-SAME: tensor<?x?xf32, #weft.shape<["2*n + 1", "b*n"]>>
// CHECK-SAME: tensor<?xf32, #weft.shape<["floor((h + 1) / 2) - 1"]>>
// CHECK-SAME: tensor<?xf32, #weft.shape<[12]>>
func.func @types(%a: tensor<?x784xf32, #weft.shape<["n", 784]>>,
                 %b: tensor<?x?xf32, #weft.shape<["1+n +n", "n * b"]>>,
                 %c: tensor<?xf32, #weft.shape<["floor((h - 1) / 2)"]>>,
                 %d: tensor<?xf32, #weft.shape<["n - n + 3*4"]>>) {
  return
}

// CHECK-LABEL: func.func @sizes(
func.func @sizes() {
  // CHECK: weft.size "2*n" : tensor<f32>
  %0 = weft.size "n + n" : tensor<f32>
  // CHECK: weft.size 7 : tensor<2x3xi64>
  %1 = weft.size 7 : tensor<2x3xi64>
  // CHECK: weft.size "n - 1" : tensor<?xf64, #weft.shape<["n"]>>
  %2 = weft.size "n - 1" : tensor<?xf64, #weft.shape<["n"]>>
  return
}

// CHECK-LABEL: func.func @constants(
func.func @constants() {
  // CHECK: weft.constant dense<2.000000e+00> : tensor<f32> : tensor<?x4xf32, #weft.shape<["n", 4]>>
  %0 = weft.constant dense<2.0> : tensor<f32> : tensor<?x4xf32, #weft.shape<["n", 4]>>
  // CHECK: weft.constant dense_resource<weights> : tensor<2xf32> : tensor<2xf32>
  %1 = weft.constant dense_resource<weights> : tensor<2xf32> : tensor<2xf32>
  return
}

// CHECK-LABEL: func.func @launches(
func.func @launches(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<?x4xf32, #weft.shape<["n", 4]>> {
  // CHECK: weft.launch @kernel(%{{.*}}) sizes ["4*n"] {parameters = [#weft.symbolic_size<"n", f32>]}
  %0 = weft.launch @kernel(%x) sizes ["4*n"] {parameters = [#weft.symbolic_size<"n", f32>]}
      : (tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<?x4xf32, #weft.shape<["n", 4]>>
  return %0 : tensor<?x4xf32, #weft.shape<["n", 4]>>
}
weft.kernel @kernel(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.constant {parameter = 0 : i64} dense<0.0> : tensor<f32> : tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.divide %x, %0 : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %1 : tensor<?xf32, #weft.sizes<[0]>>
}

{-#
  dialect_resources: {
    builtin: {
      weights: "0x040000000000803F00000040"
    }
  }
#-}
