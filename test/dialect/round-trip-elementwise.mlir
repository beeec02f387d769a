// Every elementwise op reads back what it prints, in its own form and in the generic one.
// RUN: weft-opt %s > %t.once
// RUN: weft-opt %t.once | diff %t.once -
// RUN: weft-opt %s --mlir-print-op-generic | weft-opt | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @unary(
func.func @unary(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>) {
  // CHECK: weft.negative %{{[a-z0-9]+}} : tensor<2x3xf32>
  %0 = weft.negative %x : tensor<2x3xf32>
  // CHECK: weft.abs %{{[a-z0-9]+}} : tensor<2x3xf32>
  %1 = weft.abs %x : tensor<2x3xf32>
  // CHECK: weft.sign %{{[a-z0-9]+}} : tensor<2x3xf32>
  %2 = weft.sign %x : tensor<2x3xf32>
  // CHECK: weft.floor %{{[a-z0-9]+}} : tensor<2x3xf32>
  %3 = weft.floor %x : tensor<2x3xf32>
  // CHECK: weft.ceil %{{[a-z0-9]+}} : tensor<2x3xf32>
  %4 = weft.ceil %x : tensor<2x3xf32>
  // CHECK: weft.trunc %{{[a-z0-9]+}} : tensor<2x3xf32>
  %5 = weft.trunc %x : tensor<2x3xf32>
  // CHECK: weft.round %{{[a-z0-9]+}} : tensor<2x3xf32>
  %6 = weft.round %x : tensor<2x3xf32>
  // CHECK: weft.relu %{{[a-z0-9]+}} : tensor<2x3xf32>
  %7 = weft.relu %x : tensor<2x3xf32>
  // CHECK: weft.sqrt %{{[a-z0-9]+}} : tensor<2x3xf32>
  %8 = weft.sqrt %x : tensor<2x3xf32>
  // CHECK: weft.rsqrt %{{[a-z0-9]+}} : tensor<2x3xf32>
  %9 = weft.rsqrt %x : tensor<2x3xf32>
  // CHECK: weft.cbrt %{{[a-z0-9]+}} : tensor<2x3xf32>
  %10 = weft.cbrt %x : tensor<2x3xf32>
  // CHECK: weft.reciprocal %{{[a-z0-9]+}} : tensor<2x3xf32>
  %11 = weft.reciprocal %x : tensor<2x3xf32>
  // CHECK: weft.exp %{{[a-z0-9]+}} : tensor<2x3xf32>
  %12 = weft.exp %x : tensor<2x3xf32>
  // CHECK: weft.exp2 %{{[a-z0-9]+}} : tensor<2x3xf32>
  %13 = weft.exp2 %x : tensor<2x3xf32>
  // CHECK: weft.expm1 %{{[a-z0-9]+}} : tensor<2x3xf32>
  %14 = weft.expm1 %x : tensor<2x3xf32>
  // CHECK: weft.log %{{[a-z0-9]+}} : tensor<2x3xf32>
  %15 = weft.log %x : tensor<2x3xf32>
  // CHECK: weft.log2 %{{[a-z0-9]+}} : tensor<2x3xf32>
  %16 = weft.log2 %x : tensor<2x3xf32>
  // CHECK: weft.log10 %{{[a-z0-9]+}} : tensor<2x3xf32>
  %17 = weft.log10 %x : tensor<2x3xf32>
  // CHECK: weft.log1p %{{[a-z0-9]+}} : tensor<2x3xf32>
  %18 = weft.log1p %x : tensor<2x3xf32>
  // CHECK: weft.sin %{{[a-z0-9]+}} : tensor<2x3xf32>
  %19 = weft.sin %x : tensor<2x3xf32>
  // CHECK: weft.cos %{{[a-z0-9]+}} : tensor<2x3xf32>
  %20 = weft.cos %x : tensor<2x3xf32>
  // CHECK: weft.tan %{{[a-z0-9]+}} : tensor<2x3xf32>
  %21 = weft.tan %x : tensor<2x3xf32>
  // CHECK: weft.asin %{{[a-z0-9]+}} : tensor<2x3xf32>
  %22 = weft.asin %x : tensor<2x3xf32>
  // CHECK: weft.acos %{{[a-z0-9]+}} : tensor<2x3xf32>
  %23 = weft.acos %x : tensor<2x3xf32>
  // CHECK: weft.atan %{{[a-z0-9]+}} : tensor<2x3xf32>
  %24 = weft.atan %x : tensor<2x3xf32>
  // CHECK: weft.sinh %{{[a-z0-9]+}} : tensor<2x3xf32>
  %25 = weft.sinh %x : tensor<2x3xf32>
  // CHECK: weft.cosh %{{[a-z0-9]+}} : tensor<2x3xf32>
  %26 = weft.cosh %x : tensor<2x3xf32>
  // CHECK: weft.tanh %{{[a-z0-9]+}} : tensor<2x3xf32>
  %27 = weft.tanh %x : tensor<2x3xf32>
  // CHECK: weft.asinh %{{[a-z0-9]+}} : tensor<2x3xf32>
  %28 = weft.asinh %x : tensor<2x3xf32>
  // CHECK: weft.acosh %{{[a-z0-9]+}} : tensor<2x3xf32>
  %29 = weft.acosh %x : tensor<2x3xf32>
  // CHECK: weft.atanh %{{[a-z0-9]+}} : tensor<2x3xf32>
  %30 = weft.atanh %x : tensor<2x3xf32>
  // CHECK: weft.erf %{{[a-z0-9]+}} : tensor<2x3xf32>
  %31 = weft.erf %x : tensor<2x3xf32>
  // CHECK: weft.sigmoid %{{[a-z0-9]+}} : tensor<2x3xf32>
  %32 = weft.sigmoid %x : tensor<2x3xf32>
  // CHECK: weft.silu %{{[a-z0-9]+}} : tensor<2x3xf32>
  %33 = weft.silu %x : tensor<2x3xf32>
  // CHECK: weft.gelu %{{[a-z0-9]+}} : tensor<2x3xf32>
  %34 = weft.gelu %x : tensor<2x3xf32>
  // CHECK: weft.softplus %{{[a-z0-9]+}} : tensor<2x3xf32>
  %35 = weft.softplus %x : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @unary_integer(
func.func @unary_integer(%x: tensor<4xi32>, %b: tensor<4xi1>) -> (tensor<4xi32>) {
  // CHECK: weft.negative %{{[a-z0-9]+}} : tensor<4xi32>
  %0 = weft.negative %x : tensor<4xi32>
  // CHECK: weft.abs %{{[a-z0-9]+}} : tensor<4xi32>
  %1 = weft.abs %x : tensor<4xi32>
  // CHECK: weft.sign %{{[a-z0-9]+}} : tensor<4xi32>
  %2 = weft.sign %x : tensor<4xi32>
  // CHECK: weft.floor %{{[a-z0-9]+}} : tensor<4xi32>
  %3 = weft.floor %x : tensor<4xi32>
  // CHECK: weft.ceil %{{[a-z0-9]+}} : tensor<4xi32>
  %4 = weft.ceil %x : tensor<4xi32>
  // CHECK: weft.trunc %{{[a-z0-9]+}} : tensor<4xi32>
  %5 = weft.trunc %x : tensor<4xi32>
  // CHECK: weft.round %{{[a-z0-9]+}} : tensor<4xi32>
  %6 = weft.round %x : tensor<4xi32>
  // CHECK: weft.relu %{{[a-z0-9]+}} : tensor<4xi32>
  %7 = weft.relu %x : tensor<4xi32>
  // CHECK: weft.bitwise_invert %{{[a-z0-9]+}} : tensor<4xi32>
  %8 = weft.bitwise_invert %x : tensor<4xi32>
  // CHECK: weft.logical_not %{{[a-z0-9]+}} : tensor<4xi1>
  %n = weft.logical_not %b : tensor<4xi1>
  // CHECK: weft.bitwise_invert %{{[a-z0-9]+}} : tensor<4xi1>
  %i = weft.bitwise_invert %b : tensor<4xi1>
  // CHECK: weft.stop_gradient %{{[a-z0-9]+}} : tensor<4xi1>
  %s = weft.stop_gradient %b : tensor<4xi1>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @predicate(
func.func @predicate(%x: tensor<f16>) -> (tensor<i1>) {
  // CHECK: weft.isnan %{{[a-z0-9]+}} : tensor<f16> -> tensor<i1>
  %0 = weft.isnan %x : tensor<f16> -> tensor<i1>
  // CHECK: weft.isinf %{{[a-z0-9]+}} : tensor<f16> -> tensor<i1>
  %1 = weft.isinf %x : tensor<f16> -> tensor<i1>
  // CHECK: weft.isfinite %{{[a-z0-9]+}} : tensor<f16> -> tensor<i1>
  %2 = weft.isfinite %x : tensor<f16> -> tensor<i1>
  return %0 : tensor<i1>
}

// CHECK-LABEL: func.func @binary(
func.func @binary(%x: tensor<?x0xf64>, %y: tensor<?x0xf64>) -> (tensor<?x0xf64>) {
  // CHECK: weft.add %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %0 = weft.add %x, %y : tensor<?x0xf64>
  // CHECK: weft.subtract %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %1 = weft.subtract %x, %y : tensor<?x0xf64>
  // CHECK: weft.multiply %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %2 = weft.multiply %x, %y : tensor<?x0xf64>
  // CHECK: weft.floor_divide %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %3 = weft.floor_divide %x, %y : tensor<?x0xf64>
  // CHECK: weft.remainder %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %4 = weft.remainder %x, %y : tensor<?x0xf64>
  // CHECK: weft.pow %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %5 = weft.pow %x, %y : tensor<?x0xf64>
  // CHECK: weft.maximum %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %6 = weft.maximum %x, %y : tensor<?x0xf64>
  // CHECK: weft.minimum %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %7 = weft.minimum %x, %y : tensor<?x0xf64>
  // CHECK: weft.divide %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %8 = weft.divide %x, %y : tensor<?x0xf64>
  // CHECK: weft.atan2 %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<?x0xf64>
  %9 = weft.atan2 %x, %y : tensor<?x0xf64>
  return %0 : tensor<?x0xf64>
}

// CHECK-LABEL: func.func @binary_integer(
func.func @binary_integer(%x: tensor<3xui8>, %y: tensor<3xui8>) -> (tensor<3xui8>) {
  // CHECK: weft.add %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %0 = weft.add %x, %y : tensor<3xui8>
  // CHECK: weft.subtract %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %1 = weft.subtract %x, %y : tensor<3xui8>
  // CHECK: weft.multiply %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %2 = weft.multiply %x, %y : tensor<3xui8>
  // CHECK: weft.floor_divide %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %3 = weft.floor_divide %x, %y : tensor<3xui8>
  // CHECK: weft.remainder %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %4 = weft.remainder %x, %y : tensor<3xui8>
  // CHECK: weft.fixed_pow %{{[a-z0-9]+}} exponent 3.000000e+00 : tensor<3xui8>
  %fixed = weft.fixed_pow %x exponent 3.0 : tensor<3xui8>
  // CHECK: weft.pow %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %5 = weft.pow %x, %y : tensor<3xui8>
  // CHECK: weft.maximum %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %6 = weft.maximum %x, %y : tensor<3xui8>
  // CHECK: weft.minimum %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %7 = weft.minimum %x, %y : tensor<3xui8>
  // CHECK: weft.bitwise_and %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %8 = weft.bitwise_and %x, %y : tensor<3xui8>
  // CHECK: weft.bitwise_or %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %9 = weft.bitwise_or %x, %y : tensor<3xui8>
  // CHECK: weft.bitwise_xor %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %10 = weft.bitwise_xor %x, %y : tensor<3xui8>
  // CHECK: weft.bitwise_left_shift %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %11 = weft.bitwise_left_shift %x, %y : tensor<3xui8>
  // CHECK: weft.bitwise_right_shift %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xui8>
  %12 = weft.bitwise_right_shift %x, %y : tensor<3xui8>
  return %0 : tensor<3xui8>
}

// CHECK-LABEL: func.func @logical(
func.func @logical(%x: tensor<3xi1>, %y: tensor<3xi1>) -> (tensor<3xi1>) {
  // CHECK: weft.logical_and %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xi1>
  %0 = weft.logical_and %x, %y : tensor<3xi1>
  // CHECK: weft.logical_or %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xi1>
  %1 = weft.logical_or %x, %y : tensor<3xi1>
  // CHECK: weft.logical_xor %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xi1>
  %2 = weft.logical_xor %x, %y : tensor<3xi1>
  // CHECK: weft.bitwise_and %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xi1>
  %3 = weft.bitwise_and %x, %y : tensor<3xi1>
  return %0 : tensor<3xi1>
}

// CHECK-LABEL: func.func @comparison(
func.func @comparison(%x: tensor<3xbf16>, %y: tensor<3xbf16>) -> (tensor<3xi1>) {
  // CHECK: weft.equal %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xi1>
  %0 = weft.equal %x, %y : tensor<3xbf16> -> tensor<3xi1>
  // CHECK: weft.not_equal %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xi1>
  %1 = weft.not_equal %x, %y : tensor<3xbf16> -> tensor<3xi1>
  // CHECK: weft.less %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xi1>
  %2 = weft.less %x, %y : tensor<3xbf16> -> tensor<3xi1>
  // CHECK: weft.less_equal %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xi1>
  %3 = weft.less_equal %x, %y : tensor<3xbf16> -> tensor<3xi1>
  // CHECK: weft.greater %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xi1>
  %4 = weft.greater %x, %y : tensor<3xbf16> -> tensor<3xi1>
  // CHECK: weft.greater_equal %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xi1>
  %5 = weft.greater_equal %x, %y : tensor<3xbf16> -> tensor<3xi1>
  return %0 : tensor<3xi1>
}

// CHECK-LABEL: func.func @select_and_cast(
func.func @select_and_cast(%c: tensor<3xi1>, %x: tensor<3xi8>, %y: tensor<3xi8>) -> (tensor<3xi1>) {
  // CHECK: weft.select %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<3xi1>, tensor<3xi8>
  %0 = weft.select %c, %x, %y : tensor<3xi1>, tensor<3xi8>
  // CHECK: weft.cast %{{[a-z0-9]+}} : tensor<3xi8> -> tensor<3xf16>
  %1 = weft.cast %0 : tensor<3xi8> -> tensor<3xf16>
  // CHECK: weft.cast %{{[a-z0-9]+}} : tensor<3xf16> -> tensor<3xi64>
  %2 = weft.cast %1 : tensor<3xf16> -> tensor<3xi64>
  // CHECK: weft.cast %{{[a-z0-9]+}} : tensor<3xi64> -> tensor<3xi1>
  %3 = weft.cast %2 : tensor<3xi64> -> tensor<3xi1>
  return %3 : tensor<3xi1>
}

// CHECK-LABEL: func.func @bits(
func.func @bits(%x: tensor<3xbf16>) -> tensor<3xui16> {
  // CHECK: weft.bitcast %{{[a-z0-9]+}} : tensor<3xbf16> -> tensor<3xui16>
  %0 = weft.bitcast %x : tensor<3xbf16> -> tensor<3xui16>
  return %0 : tensor<3xui16>
}

// Attributes that the op does not know stay with it.
// CHECK-LABEL: func.func @more_attributes(
func.func @more_attributes(%x: tensor<3xf32>) -> tensor<3xf32> {
  // CHECK: weft.exp %{{[a-z0-9]+}} {note = "kept"} : tensor<3xf32>
  %0 = weft.exp %x {note = "kept"} : tensor<3xf32>
  return %0 : tensor<3xf32>
}
