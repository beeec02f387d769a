// What the phases make of symbolic sizes.
// RUN: weft-opt %s --weft-resolve-sizes --weft-decompose --weft-name-sizes | FileCheck %s --check-prefix=DECOMPOSE
// RUN: weft-opt %s --weft-pipeline=x86-64-v4 --until=simplify | FileCheck %s --check-prefix=SIMPLIFY
// RUN: weft-opt %s --weft-pipeline=x86-64-v4 --until=plan | FileCheck %s

// A mean divides by the number of a size, which fills a tensor as a constant does.
// DECOMPOSE-LABEL: func.func @mean(
// DECOMPOSE: %[[SUM:.*]] = weft.sum
// DECOMPOSE: %[[COUNT:.*]] = weft.size "4*n" : tensor<3xf32>
// DECOMPOSE: weft.divide %[[SUM]], %[[COUNT]]
// CHECK-LABEL: func.func @mean(
// CHECK: parameters = [#weft.symbolic_size<"4*n", f32>]
func.func @mean(%x: tensor<?x4x3xf32, #weft.shape<["n", 4, 3]>>) -> tensor<3xf32> {
  %0 = weft.mean %x [0, 1] : tensor<?x4x3xf32, #weft.shape<["n", 4, 3]>> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// A correction that is whole is part of the size; a fraction is subtracted in float64.
// DECOMPOSE-LABEL: func.func @variance(
// DECOMPOSE: weft.size "n - 1" : tensor<f32>
// DECOMPOSE: %[[COUNT:.*]] = weft.size "n" : tensor<f64>
// DECOMPOSE: %[[HALF:.*]] = weft.constant dense<5.000000e-01> : tensor<f64>
// DECOMPOSE: %[[REST:.*]] = weft.subtract %[[COUNT]], %[[HALF]] : tensor<f64>
// DECOMPOSE: weft.maximum %[[REST]], %{{.*}} : tensor<f64>
// CHECK-LABEL: func.func @variance(
func.func @variance(%x: tensor<?xf32, #weft.shape<["n"]>>) -> (tensor<f32>, tensor<f32>) {
  %0 = weft.variance %x [0] {correction = 1.0 : f64} : tensor<?xf32, #weft.shape<["n"]>> -> tensor<f32>
  %1 = weft.variance %x [0] {correction = 0.5 : f64} : tensor<?xf32, #weft.shape<["n"]>> -> tensor<f32>
  return %0, %1 : tensor<f32>, tensor<f32>
}

// Sizes fill what they are broadcast to; known ones are constants.
// SIMPLIFY-LABEL: func.func @fold(
// SIMPLIFY-DAG: %[[N:.*]] = weft.size "n" : tensor<?x4xf32, #weft.shape<["n", 4]>>
// SIMPLIFY-DAG: %[[FIVE:.*]] = weft.constant dense<5.000000e+00> : tensor<f32> : tensor<?x4xf32, #weft.shape<["n", 4]>>
// SIMPLIFY: return %[[N]], %[[FIVE]]
func.func @fold() -> (tensor<?x4xf32, #weft.shape<["n", 4]>>, tensor<?x4xf32, #weft.shape<["n", 4]>>) {
  %0 = weft.size "n" : tensor<f32>
  %1 = weft.broadcast %0 [] : tensor<f32> -> tensor<?x4xf32, #weft.shape<["n", 4]>>
  %2 = weft.size "n - n + 5" : tensor<f32>
  %3 = weft.broadcast %2 [] : tensor<f32> -> tensor<?x4xf32, #weft.shape<["n", 4]>>
  return %1, %3 : tensor<?x4xf32, #weft.shape<["n", 4]>>, tensor<?x4xf32, #weft.shape<["n", 4]>>
}

// A number from a size does not keep a reshape from sinking.
// SIMPLIFY-LABEL: func.func @sink(
// SIMPLIFY: weft.divide {{.*}} : tensor<?xf32, #weft.shape<["n"]>>
// SIMPLIFY-NEXT: weft.reshape
func.func @sink(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>) -> tensor<?x1xf32, #weft.shape<["n", 1]>> {
  %0 = weft.sum %x [1] : tensor<?x4xf32, #weft.shape<["n", 4]>> -> tensor<?xf32, #weft.shape<["n"]>>
  %1 = weft.reshape %0 : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?x1xf32, #weft.shape<["n", 1]>>
  %2 = weft.size "n" : tensor<?x1xf32, #weft.shape<["n", 1]>>
  %3 = weft.divide %1, %2 : tensor<?x1xf32, #weft.shape<["n", 1]>>
  return %3 : tensor<?x1xf32, #weft.shape<["n", 1]>>
}

// Sizes that collapse are multiplied.
// CHECK-LABEL: func.func @collapse(
// CHECK: sizes ["4*h*n"]
func.func @collapse(%x: tensor<?x4x?xf32, #weft.shape<["n", 4, "h"]>>) -> tensor<?x4x?xf32, #weft.shape<["n", 4, "h"]>> {
  %0 = weft.exp %x : tensor<?x4x?xf32, #weft.shape<["n", 4, "h"]>>
  return %0 : tensor<?x4x?xf32, #weft.shape<["n", 4, "h"]>>
}

// What must not be negative: sizes, and what is left behind the last element that is read.
// CHECK-LABEL: func.func @conditions(
// CHECK-SAME: weft.conditions = #weft.shape<["n - 2", "-n + 512", "n - 1"]>
func.func @conditions(%x: tensor<?xf32, #weft.shape<["n"]>>, %table: tensor<512xf32>,
                      %i: tensor<3xi64>) -> (tensor<?xf32, #weft.shape<["n - 2"]>>,
                                             tensor<?xf32, #weft.shape<["n"]>>, tensor<3xf32>) {
  %0 = weft.slice %x starts [2] steps [1]
      : tensor<?xf32, #weft.shape<["n"]>> -> tensor<?xf32, #weft.shape<["n - 2"]>>
  %1 = weft.slice %table starts [0] steps [1] : tensor<512xf32> -> tensor<?xf32, #weft.shape<["n"]>>
  %2 = weft.gather %x, %i axis 0 : tensor<?xf32, #weft.shape<["n"]>>, tensor<3xi64> -> tensor<3xf32>
  return %0, %1, %2 : tensor<?xf32, #weft.shape<["n - 2"]>>, tensor<?xf32, #weft.shape<["n"]>>, tensor<3xf32>
}

// An image of known width has a tile that suits it, whatever the batch; of an unknown width, one
// that suits any, and the distance of rows is not part of the kernel.
// CHECK-LABEL: func.func @known_image(
func.func @known_image(%x: tensor<?x8x8x3xf32, #weft.shape<["n", 8, 8, 3]>>, %w: tensor<3x3x3x8xf32>)
    -> tensor<?x6x6x8xf32, #weft.shape<["n", 6, 6, 8]>> {
  // CHECK: weft.launch @[[KNOWN:convolution_[0-9a-f]+]](
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1]
      : tensor<?x8x8x3xf32, #weft.shape<["n", 8, 8, 3]>>, tensor<3x3x3x8xf32> -> tensor<?x6x6x8xf32, #weft.shape<["n", 6, 6, 8]>>
  return %0 : tensor<?x6x6x8xf32, #weft.shape<["n", 6, 6, 8]>>
}
// CHECK-LABEL: func.func @unknown_image(
func.func @unknown_image(%x: tensor<4x8x?x?xf32, #weft.shape<[4, 8, "w", "c"]>>, %w: tensor<3x3x?x8xf32, #weft.shape<[3, 3, "c", 8]>>)
    -> tensor<4x6x?x8xf32, #weft.shape<[4, 6, "w - 2", 8]>> {
  // CHECK: weft.launch @[[UNKNOWN:convolution_[0-9a-f]+]](
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1]
      : tensor<4x8x?x?xf32, #weft.shape<[4, 8, "w", "c"]>>, tensor<3x3x?x8xf32, #weft.shape<[3, 3, "c", 8]>> -> tensor<4x6x?x8xf32, #weft.shape<[4, 6, "w - 2", 8]>>
  return %0 : tensor<4x6x?x8xf32, #weft.shape<[4, 6, "w - 2", 8]>>
}

// A slot is used again as soon as it is free, by a result of the same size if there is one, and is
// as large as the largest of its results.
// CHECK-LABEL: func.func @slots(
// CHECK-SAME: weft.slots = [#weft.shape<["8*n"]>, #weft.shape<["40*n"]>]
// CHECK: weft.launch @matmul_{{.*}}(%arg0, %arg1) {{.*}} {offsets = array<i64: 0>}
// CHECK: weft.launch @matmul_{{.*}} {offsets = array<i64: 1>}
// CHECK: weft.launch @matmul_{{.*}} {offsets = array<i64: 0>}
// CHECK: weft.launch @matmul_{{.*}} {offsets = array<i64: 1>}
// CHECK: weft.launch @matmul_{{.*}} {offsets = array<i64: -1>}
func.func @slots(%x: tensor<?x2xf32, #weft.shape<["n", 2]>>, %a: tensor<2x2xf32>, %b: tensor<2x10xf32>,
                 %c: tensor<10x2xf32>) -> tensor<?x10xf32, #weft.shape<["n", 10]>> {
  %0 = weft.matmul %x, %a : tensor<?x2xf32, #weft.shape<["n", 2]>>, tensor<2x2xf32> -> tensor<?x2xf32, #weft.shape<["n", 2]>>
  %1 = weft.matmul %0, %b : tensor<?x2xf32, #weft.shape<["n", 2]>>, tensor<2x10xf32> -> tensor<?x10xf32, #weft.shape<["n", 10]>>
  %2 = weft.matmul %1, %c : tensor<?x10xf32, #weft.shape<["n", 10]>>, tensor<10x2xf32> -> tensor<?x2xf32, #weft.shape<["n", 2]>>
  %3 = weft.matmul %2, %a : tensor<?x2xf32, #weft.shape<["n", 2]>>, tensor<2x2xf32> -> tensor<?x2xf32, #weft.shape<["n", 2]>>
  %4 = weft.matmul %3, %b : tensor<?x2xf32, #weft.shape<["n", 2]>>, tensor<2x10xf32> -> tensor<?x10xf32, #weft.shape<["n", 10]>>
  return %4 : tensor<?x10xf32, #weft.shape<["n", 10]>>
}

// CHECK: weft.kernel @[[KNOWN]](
// CHECK-SAME: rows = 6, {{.*}} row_stride = 3
// CHECK: weft.kernel @[[UNKNOWN]](
// CHECK-NOT: row_stride
// CHECK: weft.convolution
