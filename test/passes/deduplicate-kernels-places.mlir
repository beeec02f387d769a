// RUN: weft-opt %s --weft-fuse --weft-deduplicate-kernels | FileCheck %s

// Places of slices and updates are numbers of the launch: three kernels in place of seven.
// CHECK-LABEL: func.func @places(
// CHECK: weft.launch @[[SLICE:slice_[0-9a-f]+]](%{{.*}}) sizes [512, 64] {parameters = [0]}
// CHECK: weft.launch @[[SLICE]](%{{.*}}) sizes [512, 32] {parameters = [64]}
// CHECK: weft.launch @[[STEPS:slice_[0-9a-f]+]](%{{.*}}) sizes [512, 9] {parameters = [1, 3]}
// CHECK: weft.launch @[[STEPS]](%{{.*}}) sizes [512, 9] {parameters = [500, -7]}
// CHECK: weft.launch @[[UPDATE:update_[0-9a-f]+]](%{{.*}}) {{.*}}{parameters = [3]}
// CHECK: weft.launch @[[UPDATE]](%{{.*}}) {{.*}}{parameters = [4]}
func.func @places(%x: tensor<512xf32>, %r: tensor<2xf32>)
    -> (tensor<64xf32>, tensor<32xf32>, tensor<9xf32>, tensor<9xf32>, tensor<512xf32>, tensor<512xf32>) {
  %0 = weft.slice %x starts [0] steps [1] : tensor<512xf32> -> tensor<64xf32>
  %1 = weft.slice %x starts [64] steps [1] : tensor<512xf32> -> tensor<32xf32>
  %2 = weft.slice %x starts [1] steps [3] : tensor<512xf32> -> tensor<9xf32>
  %3 = weft.slice %x starts [500] steps [-7] : tensor<512xf32> -> tensor<9xf32>
  %4 = weft.update %x, %r starts [3] steps [1] : tensor<512xf32>, tensor<2xf32> -> tensor<512xf32>
  %5 = weft.update %x, %r starts [4] steps [1] : tensor<512xf32>, tensor<2xf32> -> tensor<512xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<64xf32>, tensor<32xf32>, tensor<9xf32>, tensor<9xf32>, tensor<512xf32>, tensor<512xf32>
}
