// RUN: weft-opt %s --weft-outline-regions | FileCheck %s
// RUN: weft-opt %s --weft-resolve-sizes --weft-outline-regions --weft-name-sizes | FileCheck %s --check-prefix=NAMED

// What a region requires (weft.require) is said by its function, what is left of the function by it.
// CHECK-LABEL: func.func @chosen(
// CHECK-SAME: attributes {weft.required = [{error = "outside"}]}
// NAMED-LABEL: func.func @chosen(
func.func @chosen(%index: tensor<i64>, %x: tensor<?xf32, #weft.shape<["n"]>>) -> tensor<f32> {
  weft.require "outside"
  %0 = weft.case %index with(%x) : (tensor<i64>, tensor<?xf32, #weft.shape<["n"]>>) -> tensor<f32> {
  ^bb0(%y: tensor<?xf32, #weft.shape<["n"]>>):
    weft.require size ["n - 1"] "no element"
    weft.require size [3] "holds"
    %1 = weft.max %y [0] : tensor<?xf32, #weft.shape<["n"]>> -> tensor<f32>
    weft.yield %1 : tensor<f32>
  }, {
  ^bb0(%y: tensor<?xf32, #weft.shape<["n"]>>):
    %1 = weft.sum %y [0] : tensor<?xf32, #weft.shape<["n"]>> -> tensor<f32>
    weft.yield %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// CHECK: func.func private @chosen_branch_0(
// CHECK-SAME: weft.required = [{error = "no element", size = #weft.shape<["n - 1"]>}, {error = "holds", size = #weft.shape<[3]>}]
// CHECK-NOT: weft.require
// CHECK: func.func private @chosen_branch_1(
// CHECK-NOT: weft.required
// NAMED: func.func private @chosen_branch_0(
// NAMED-SAME: {error = "no element", size = #weft.shape<["n - 1"]>}
