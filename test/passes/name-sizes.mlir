// What the pipeline leaves for people holds names, and reads back.
// RUN: weft-opt %s --weft-pipeline=x86-64-v4 --until=plan > %t.plan
// RUN: weft-opt %t.plan --weft-resolve-sizes --weft-name-sizes | diff %t.plan -
// RUN: FileCheck %s --implicit-check-not=11529215 < %t.plan

// CHECK-LABEL: func.func @mean(
// CHECK-SAME: -> tensor<4xf32>
// CHECK: weft.launch @{{.*}} sizes ["n", 4] {offsets = array<i64: -1>, parameters = [#weft.symbolic_size<"n", f32>]}
// CHECK-SAME: : (tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<4xf32>
func.func @mean(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<4xf32> {
  %0 = weft.mean %x [0] : tensor<?x4xf32, #weft.shape<["n", 4]>> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A phase may begin where another one ended.
// RUN: weft-opt %s --weft-pipeline=x86-64-v4 --until=fuse | weft-opt --weft-pipeline=x86-64-v4 --from=schedule --until=plan | diff %t.plan -
