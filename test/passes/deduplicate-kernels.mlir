// RUN: weft-opt %s --weft-deduplicate-kernels | FileCheck %s
// RUN: weft-opt %s --weft-deduplicate-kernels > %t.once
// RUN: weft-opt %t.once --weft-deduplicate-kernels | diff %t.once -

// The documented example: two calls of equal kernels, of two sizes, become calls of one, whose name
// ends in the hash of its text.
// CHECK-LABEL: func.func @example(
// CHECK-NEXT: weft.launch @[[EXP:exp_[0-9a-f]{32}]](%{{.*}}) sizes [4]
// CHECK-NEXT: weft.launch @[[EXP]](%{{.*}}) sizes [5]
func.func @example(%x: tensor<4xf32>, %y: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0 = weft.launch @kernel_0(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %1 = weft.launch @kernel_1(%y) sizes [5] : (tensor<5xf32>) -> tensor<5xf32>
  return %0, %1 : tensor<4xf32>, tensor<5xf32>
}

// What differs: the dtype, an attribute, the schedule, which dimensions have one size.
// CHECK-LABEL: func.func @different(
// CHECK-NOT: @[[EXP]](
// CHECK: weft.launch @exp_
// CHECK-NOT: @[[EXP]](
// CHECK: weft.launch @exp_
// CHECK-NOT: @[[EXP]](
// CHECK: return
func.func @different(%x: tensor<4xf64>, %y: tensor<4xf32>) -> (tensor<4xf64>, tensor<4xf32>) {
  %0 = weft.launch @double(%x) sizes [4] : (tensor<4xf64>) -> tensor<4xf64>
  %1 = weft.launch @scheduled(%y) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf64>, tensor<4xf32>
}

// Constants and broadcasts are part of the name where there is nothing else; no more than the last
// four ops are.
// CHECK-LABEL: func.func @names(
// CHECK-NEXT: weft.launch @log_negative_sqrt_add_{{[0-9a-f]+}}(
// CHECK-NEXT: weft.launch @constant_{{[0-9a-f]+}}(
func.func @names(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = weft.launch @long(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  %1 = weft.launch @fill() sizes [4] : () -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK: weft.kernel @[[EXP]](
// CHECK-NOT: weft.kernel @[[EXP]](
// CHECK-NOT: @kernel_
weft.kernel @kernel_0(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
// The names of values and the user's lines do not matter.
weft.kernel @kernel_1(%y: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %exp = weft.exp %y : tensor<?xf32, #weft.sizes<[0]>> loc("elsewhere.py":3:0)
  weft.yield %exp : tensor<?xf32, #weft.sizes<[0]>>
}
weft.kernel @double(%x: tensor<?xf64, #weft.sizes<[0]>>) -> tensor<?xf64, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf64, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf64, #weft.sizes<[0]>>
}
weft.kernel @scheduled(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 8>} {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
weft.kernel @long(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.log %0 : tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.negative %1 : tensor<?xf32, #weft.sizes<[0]>>
  %3 = weft.sqrt %2 : tensor<?xf32, #weft.sizes<[0]>>
  %two = weft.constant dense<2.0> : tensor<f32> : tensor<?xf32, #weft.sizes<[0]>>
  %4 = weft.add %3, %two : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %4 : tensor<?xf32, #weft.sizes<[0]>>
}
weft.kernel @fill() -> tensor<?xf32, #weft.sizes<[0]>> {
  %0 = weft.constant dense<2.0> : tensor<f32> : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
