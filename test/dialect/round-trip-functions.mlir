// RUN: weft-opt %s | weft-opt | FileCheck %s

// CHECK-LABEL: func.func @functions(
// CHECK: weft.barrier %{{.*}} : tensor<2xf32>
// CHECK: weft.checkpoint with(%{{.*}}) : (tensor<2xf32>) -> tensor<2xf32> {
// CHECK: weft.checkpoint : () -> tensor<2xf32> {
// CHECK: weft.custom_derivative "f" of(%{{.*}}) with(%{{.*}}) : (tensor<2xf32>, tensor<i64>) -> tensor<2xf32> {
// CHECK: } by {
// CHECK: weft.custom_derivative "g" of(%{{.*}}) : (tensor<2xf32>) -> tensor<2xf32> {
// CHECK: } by {
// CHECK: }, {
// CHECK: weft.custom_derivative "h" : () -> tensor<2xf32> {
func.func @functions(%x: tensor<2xf32>, %n: tensor<i64>) -> tensor<2xf32> {
  %0 = weft.barrier %x : tensor<2xf32>
  %1 = weft.checkpoint with(%0) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  }
  %2 = weft.checkpoint : () -> tensor<2xf32> {
    %a = weft.constant dense<1.0> : tensor<2xf32> : tensor<2xf32>
    weft.yield %a : tensor<2xf32>
  }
  %3 = weft.custom_derivative "f" of(%1) with(%n) : (tensor<2xf32>, tensor<i64>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>, %m: tensor<i64>):
    weft.yield %a : tensor<2xf32>
  } by {
  ^bb0(%a: tensor<2xf32>, %t: tensor<2xf32>, %m: tensor<i64>):
    weft.yield %a, %t : tensor<2xf32>, tensor<2xf32>
  }
  %4 = weft.custom_derivative "g" of(%3) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  } by {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a, %a : tensor<2xf32>, tensor<2xf32>
  }, {
  ^bb0(%a: tensor<2xf32>, %g: tensor<2xf32>):
    weft.yield %g : tensor<2xf32>
  }
  %5 = weft.custom_derivative "h" : () -> tensor<2xf32> {
    %a = weft.constant dense<1.0> : tensor<2xf32> : tensor<2xf32>
    weft.yield %a : tensor<2xf32>
  } by
  return %4 : tensor<2xf32>
}

// CHECK-LABEL: func.func @kept(
// CHECK: weft.barrier %{{.*}} named "n" : tensor<2xf32>
// CHECK: weft.checkpoint with(%{{.*}}) {budget = 8 : i64, names = ["n"], saves = "names"} : (tensor<2xf32>) -> tensor<2xf32> {
func.func @kept(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = weft.barrier %x named "n" : tensor<2xf32>
  %1 = weft.checkpoint with(%0) {saves = "names", names = ["n"], budget = 8 : i64} : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    weft.yield %a : tensor<2xf32>
  }
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: func.func @examples(
// CHECK: weft.sum_examples %{{.*}} at %{{.*}} : tensor<2xf32>, tensor<i64> -> tensor<2xf32>
// CHECK: weft.gather_examples %{{.*}} at %{{.*}} : tensor<2xf32>, tensor<i64> -> tensor<5x2xf32>
// CHECK: weft.scatter_examples %{{.*}} at %{{.*}} : tensor<5x2xf32>, tensor<i64> -> tensor<2xf32>
func.func @examples(%x: tensor<2xf32>, %i: tensor<i64>) -> tensor<2xf32> {
  %0 = weft.sum_examples %x at %i : tensor<2xf32>, tensor<i64> -> tensor<2xf32>
  %1 = weft.gather_examples %0 at %i : tensor<2xf32>, tensor<i64> -> tensor<5x2xf32>
  %2 = weft.scatter_examples %1 at %i : tensor<5x2xf32>, tensor<i64> -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
