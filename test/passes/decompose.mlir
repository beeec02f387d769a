// RUN: weft-opt %s --weft-decompose --cse | FileCheck %s
// RUN: weft-opt %s --weft-decompose=keep-kernels=true --cse | FileCheck %s --check-prefix=WHOLE

// Definitions may hold composites.
// CHECK-LABEL: func.func @silu(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK: %[[MINUS:.*]] = weft.negative %[[X]]
// CHECK: %[[E:.*]] = weft.exp %[[MINUS]]
// CHECK: %[[BELOW:.*]] = weft.add %{{.*}}, %[[E]]
// CHECK: %[[S:.*]] = weft.divide %{{.*}}, %[[BELOW]]
// CHECK: weft.multiply %[[X]], %[[S]]
func.func @silu(%x: tensor<3xf32>) -> tensor<3xf32> {
  %y = weft.silu %x : tensor<3xf32>
  return %y : tensor<3xf32>
}

// NaN is not at most 0, so it stays; the derivative at 0 is that of the constant.
// CHECK-LABEL: func.func @relu(
// CHECK-SAME: %[[X:.*]]: tensor<3xi32>
// CHECK: %[[ZERO:.*]] = weft.constant dense<0>
// CHECK: %[[LOST:.*]] = weft.less_equal %[[X]], %[[ZERO]]
// CHECK: weft.select %[[LOST]], %[[ZERO]], %[[X]]
func.func @relu(%x: tensor<3xi32>) -> tensor<3xi32> {
  %y = weft.relu %x : tensor<3xi32>
  return %y : tensor<3xi32>
}

// Computed in float32, with the largest element, which has no derivative, subtracted.
// CHECK-LABEL: func.func @softmax(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf16>
// CHECK: %[[WIDE:.*]] = weft.cast %[[X]] : tensor<2x3xf16> -> tensor<2x3xf32>
// CHECK: %[[MAX:.*]] = weft.max %[[WIDE]] [1]
// CHECK: %[[HELD:.*]] = weft.stop_gradient %[[MAX]]
// CHECK: %[[SPREAD:.*]] = weft.broadcast %[[HELD]] [0]
// CHECK: %[[SHIFTED:.*]] = weft.subtract %[[WIDE]], %[[SPREAD]]
// CHECK: %[[E:.*]] = weft.exp %[[SHIFTED]] {weft.nonpositive}
// CHECK: %[[TOTAL:.*]] = weft.sum %[[E]] [1]
// CHECK: %[[QUOTIENT:.*]] = weft.divide %{{.*}}, %[[TOTAL]]
// CHECK: %[[FACTOR:.*]] = weft.broadcast %[[QUOTIENT]] [0]
// CHECK: %[[Y:.*]] = weft.multiply %[[E]], %[[FACTOR]]
// CHECK: weft.cast %[[Y]] : tensor<2x3xf32> -> tensor<2x3xf16>
func.func @softmax(%x: tensor<2x3xf16>) -> tensor<2x3xf16> {
  %y = weft.softmax %x axis 1 : tensor<2x3xf16>
  return %y : tensor<2x3xf16>
}

// CHECK-LABEL: func.func @mean(
// CHECK-DAG: %[[COUNT:.*]] = weft.constant dense<6.000000e+00>
// CHECK-DAG: %[[SUM:.*]] = weft.sum %{{.*}} [0, 2]
// CHECK: weft.divide %[[SUM]], %[[COUNT]] : tensor<4xf32>
func.func @mean(%x: tensor<2x4x3xf32>) -> tensor<4xf32> {
  %y = weft.mean %x [0, 2] : tensor<2x4x3xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Two passes: first the mean, then the distances from it.
// CHECK-LABEL: func.func @variance(
// CHECK: weft.sum
// CHECK: %[[DISTANCE:.*]] = weft.subtract
// CHECK: %[[SQUARE:.*]] = weft.multiply %[[DISTANCE]], %[[DISTANCE]]
// CHECK: %[[SUM:.*]] = weft.sum %[[SQUARE]] [0]
// CHECK: %[[COUNT:.*]] = weft.constant dense<4.000000e+00>
// CHECK: weft.divide %[[SUM]], %[[COUNT]]
func.func @variance(%x: tensor<5xf32>) -> tensor<f32> {
  %y = weft.variance %x [0] {correction = 1.0 : f64} : tensor<5xf32> -> tensor<f32>
  return %y : tensor<f32>
}

// A fourth of the 2^32 patterns is dropped.
// CHECK-LABEL: func.func @dropout(
// CHECK-DAG: %[[THRESHOLD:.*]] = weft.constant dense<-1073741824>
// CHECK-DAG: %[[BITS:.*]] = weft.random_bits
// CHECK-DAG: %[[KEPT:.*]] = weft.greater_equal %[[BITS]], %[[THRESHOLD]]
// CHECK-DAG: %[[CHANCE:.*]] = weft.constant dense<7.500000e-01>
// CHECK-DAG: %[[SCALED:.*]] = weft.divide %{{.*}}, %[[CHANCE]]
// CHECK: weft.select %[[KEPT]], %[[SCALED]],
func.func @dropout(%x: tensor<8xf32>, %key: tensor<2xi32>) -> tensor<8xf32> {
  %y = weft.dropout %x, %key {probability = 0.25 : f64} : tensor<8xf32>, tensor<2xi32>
  return %y : tensor<8xf32>
}

// A target may have kernels for a composite: it stays whole then.
// WHOLE-LABEL: func.func @attention(
// WHOLE-NEXT: weft.scaled_dot_product_attention
// WHOLE-NEXT: return

// CHECK-LABEL: func.func @attention(
// CHECK: weft.matmul %{{.*}} {transpose_rhs = true} : tensor<2x4x3xf32>, tensor<2x5x3xf32> -> tensor<2x4x5xf32>
// CHECK-DAG: %[[QUERY:.*]] = weft.iota 1 : tensor<2x4x5xi32>
// CHECK-DAG: %[[KEY:.*]] = weft.iota 2 : tensor<2x4x5xi32>
// CHECK-DAG: %[[SEEN:.*]] = weft.less_equal %[[KEY]], %[[QUERY]]
// CHECK-DAG: %[[HIDDEN:.*]] = weft.constant dense<0xFF800000>
// CHECK: weft.select %[[SEEN]], %{{.*}}, %[[HIDDEN]]
// CHECK: weft.matmul %{{.*}} : tensor<2x4x5xf32>, tensor<2x5x6xf32> -> tensor<2x4x6xf32>
func.func @attention(%q: tensor<2x4x3xf32>, %k: tensor<2x5x3xf32>, %v: tensor<2x5x6xf32>) -> tensor<2x4x6xf32> {
  %y = weft.scaled_dot_product_attention %q, %k, %v {scale = 0.5 : f64, causal = true}
      : tensor<2x4x3xf32>, tensor<2x5x3xf32>, tensor<2x5x6xf32> -> tensor<2x4x6xf32>
  return %y : tensor<2x4x6xf32>
}

// One transpose of the image on each side.
// CHECK-LABEL: func.func @conv2d(
// CHECK-SAME: %[[X:.*]]: tensor<1x4x5x6xf32>, %[[W:.*]]: tensor<6x2x3x3xf32>
// CHECK-DAG: %[[LAST:.*]] = weft.transpose %[[X]] [0, 2, 3, 1]
// CHECK-DAG: %[[PADDED:.*]] = weft.pad %[[LAST]], %{{.*}} low [0, 1, 1, 0] interior [0, 0, 0, 0] {{.*}} -> tensor<1x7x8x4xf32>
// CHECK-DAG: %[[IMAGE:.*]] = weft.reshape %[[PADDED]] : tensor<1x7x8x4xf32> -> tensor<1x7x8x2x2xf32>
// CHECK-DAG: %[[APART:.*]] = weft.reshape %[[W]] : tensor<6x2x3x3xf32> -> tensor<2x3x2x3x3xf32>
// CHECK-DAG: %[[WEIGHT:.*]] = weft.transpose %[[APART]] [3, 4, 2, 0, 1]
// CHECK: %[[Y:.*]] = weft.convolution %[[IMAGE]], %[[WEIGHT]] {{.*}} -> tensor<1x5x6x2x3xf32>
// CHECK: %[[JOINED:.*]] = weft.reshape %[[Y]] : tensor<1x5x6x2x3xf32> -> tensor<1x5x6x6xf32>
// CHECK: weft.transpose %[[JOINED]] [0, 3, 1, 2]
func.func @conv2d(%x: tensor<1x4x5x6xf32>, %w: tensor<6x2x3x3xf32>) -> tensor<1x6x5x6xf32> {
  %y = weft.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64}
      : tensor<1x4x5x6xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x5x6xf32>
  return %y : tensor<1x6x5x6xf32>
}

// A window of one pixel is a product of matrices.
// CHECK-LABEL: func.func @conv2d_of_pixels(
// CHECK-DAG: %[[ROWS:.*]] = weft.reshape %{{.*}} : tensor<2x5x6x4xf32> -> tensor<60x4xf32>
// CHECK-DAG: %[[COLUMNS:.*]] = weft.reshape %{{.*}} : tensor<6x4x1x1xf32> -> tensor<6x4xf32>
// CHECK: weft.matmul %[[ROWS]], %[[COLUMNS]] {transpose_rhs = true} : tensor<60x4xf32>, tensor<6x4xf32> -> tensor<60x6xf32>
func.func @conv2d_of_pixels(%x: tensor<2x4x5x6xf32>, %w: tensor<6x4x1x1xf32>) -> tensor<2x6x5x6xf32> {
  %y = weft.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64}
      : tensor<2x4x5x6xf32>, tensor<6x4x1x1xf32> -> tensor<2x6x5x6xf32>
  return %y : tensor<2x6x5x6xf32>
}

// With strides, of the pixels that are met.
// CHECK-LABEL: func.func @conv2d_of_some_pixels(
// CHECK: %[[MET:.*]] = weft.slice %{{.*}} starts [0, 0, 0, 0] steps [1, 2, 3, 1] : tensor<2x5x6x4xf32> -> tensor<2x3x2x4xf32>
// CHECK: weft.reshape %[[MET]] : tensor<2x3x2x4xf32> -> tensor<12x4xf32>
// CHECK: weft.matmul
func.func @conv2d_of_some_pixels(%x: tensor<2x4x5x6xf32>, %w: tensor<6x4x1x1xf32>) -> tensor<2x6x3x2xf32> {
  %y = weft.conv2d %x, %w {strides = array<i64: 2, 3>, padding = array<i64: 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64}
      : tensor<2x4x5x6xf32>, tensor<6x4x1x1xf32> -> tensor<2x6x3x2xf32>
  return %y : tensor<2x6x3x2xf32>
}

// CHECK-LABEL: func.func @max_pool2d(
// CHECK-NOT: weft.pad
// CHECK: %[[LAST:.*]] = weft.transpose %{{.*}} [0, 2, 3, 1]
// CHECK: %[[WHERE:.*]] = weft.window_max_index %[[LAST]] window [2, 2] strides [2, 2]
// CHECK: %[[Y:.*]] = weft.window_gather %[[LAST]], %[[WHERE]]
// CHECK: weft.transpose %[[Y]] [0, 3, 1, 2]
func.func @max_pool2d(%x: tensor<1x3x4x5xf32>) -> tensor<1x3x2x2xf32> {
  %y = weft.max_pool2d %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>}
      : tensor<1x3x4x5xf32> -> tensor<1x3x2x2xf32>
  return %y : tensor<1x3x2x2xf32>
}
