// RUN: weft-opt %s | weft-opt | FileCheck %s
// RUN: weft-opt %s --emit-bytecode | weft-opt | FileCheck %s

// CHECK-LABEL: func.func @choose(
// CHECK: weft.case %{{.*}} with(%{{.*}}) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32> {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<3xf32>):
// CHECK-NEXT: weft.yield %[[X]] : tensor<3xf32>
// CHECK-NEXT: }, {
// CHECK: weft.negative
func.func @choose(%index: tensor<i64>, %x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.case %index with(%x) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%y: tensor<3xf32>):
    weft.yield %y : tensor<3xf32>
  }, {
  ^bb0(%y: tensor<3xf32>):
    %1 = weft.negative %y : tensor<3xf32>
    weft.yield %1 : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// CHECK-LABEL: func.func @count(
// CHECK: weft.while init(%{{.*}}) with(%{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64> {
// CHECK: weft.yield %{{.*}} : tensor<i1>
// CHECK: } do {
func.func @count(%first: tensor<i64>, %last: tensor<i64>) -> tensor<i64> {
  %0 = weft.while init(%first) with(%last) : (tensor<i64>, tensor<i64>) -> tensor<i64> {
  ^bb0(%i: tensor<i64>, %n: tensor<i64>):
    %1 = weft.less %i, %n : tensor<i64> -> tensor<i1>
    weft.yield %1 : tensor<i1>
  } do {
  ^bb0(%i: tensor<i64>, %n: tensor<i64>):
    %1 = weft.constant dense<1> : tensor<i64> : tensor<i64>
    %2 = weft.add %i, %1 : tensor<i64>
    weft.yield %2 : tensor<i64>
  }
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @sums(
// CHECK: weft.scan [5] init(%{{.*}}) over(%{{.*}}) reverse : (tensor<f32>, tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>) {
func.func @sums(%x: tensor<f32>, %s: tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>) {
  %0:2 = weft.scan [5] init(%x) over(%s) reverse : (tensor<f32>, tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>) {
  ^bb0(%sum: tensor<f32>, %slice: tensor<f32>):
    %1 = weft.add %sum, %slice : tensor<f32>
    weft.yield %1, %1 : tensor<f32>, tensor<f32>
  }
  return %0#0, %0#1 : tensor<f32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @steps(
// CHECK: weft.loop @body count [5] init(%{{.*}}) over(%{{.*}}) reverse : (tensor<f32>, tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>)
// CHECK: weft.loop @next while @goes_on init(%{{.*}}) : (tensor<f32>) -> tensor<f32>
// CHECK: weft.branch [@next, @next] %{{.*}}(%{{.*}}) : (tensor<i64>, tensor<f32>) -> tensor<f32>
func.func @steps(%x: tensor<f32>, %s: tensor<5xf32>, %i: tensor<i64>) -> (tensor<f32>, tensor<5xf32>, tensor<f32>, tensor<f32>) {
  %0:2 = weft.loop @body count [5] init(%x) over(%s) reverse : (tensor<f32>, tensor<5xf32>) -> (tensor<f32>, tensor<5xf32>)
  %1 = weft.loop @next while @goes_on init(%x) : (tensor<f32>) -> tensor<f32>
  %2 = weft.branch [@next, @next] %i(%x) : (tensor<i64>, tensor<f32>) -> tensor<f32>
  return %0#0, %0#1, %1, %2 : tensor<f32>, tensor<5xf32>, tensor<f32>, tensor<f32>
}
func.func private @body(%x: tensor<f32>, %s: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  return %s, %x : tensor<f32>, tensor<f32>
}
func.func private @next(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func private @goes_on(%x: tensor<f32>) -> tensor<i1> {
  %0 = weft.less %x, %x : tensor<f32> -> tensor<i1>
  return %0 : tensor<i1>
}
