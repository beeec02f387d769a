// Each op that folds, what it folds to, and where it must not.
// RUN: weft-opt %s --canonicalize | FileCheck %s

// The neutral element of a sum of floats is -0.0: adding 0.0 turns -0.0 into 0.0.
// CHECK-LABEL: func.func @add(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK: %[[SUM:.*]] = weft.add %[[X]], %{{.*}} : tensor<3xf32>
// CHECK: return %[[X]], %[[X]], %[[SUM]]
func.func @add(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %minus = weft.constant dense<-0.0> : tensor<3xf32> : tensor<3xf32>
  %zero = weft.constant dense<0.0> : tensor<3xf32> : tensor<3xf32>
  %0 = weft.add %x, %minus : tensor<3xf32>
  %1 = weft.add %minus, %x : tensor<3xf32>
  %2 = weft.add %x, %zero : tensor<3xf32>
  return %0, %1, %2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// CHECK-LABEL: func.func @add_integers(
// CHECK-SAME: %[[X:.*]]: tensor<3xi8>
// CHECK-NEXT: return %[[X]]
func.func @add_integers(%x: tensor<3xi8>) -> tensor<3xi8> {
  %zero = weft.constant dense<0> : tensor<3xi8> : tensor<3xi8>
  %0 = weft.add %zero, %x : tensor<3xi8>
  return %0 : tensor<3xi8>
}

// x - 0.0 is x; 0.0 - x is not -x for every x, and x - -0.0 would be wrong for x = -0.0.
// CHECK-LABEL: func.func @subtract(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK: %[[A:.*]] = weft.subtract %{{.*}}, %[[X]]
// CHECK: %[[B:.*]] = weft.subtract %[[X]], %{{.*}}
// CHECK: return %[[X]], %[[A]], %[[B]]
func.func @subtract(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %minus = weft.constant dense<-0.0> : tensor<3xf32> : tensor<3xf32>
  %zero = weft.constant dense<0.0> : tensor<3xf32> : tensor<3xf32>
  %0 = weft.subtract %x, %zero : tensor<3xf32>
  %1 = weft.subtract %zero, %x : tensor<3xf32>
  %2 = weft.subtract %x, %minus : tensor<3xf32>
  return %0, %1, %2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// A product with 0.0 stays: it is NaN for infinities.
// CHECK-LABEL: func.func @multiply(
// CHECK-SAME: %[[X:.*]]: tensor<3xf64>
// CHECK: %[[P:.*]] = weft.multiply %[[X]], %{{.*}}
// CHECK: return %[[X]], %[[X]], %[[P]]
func.func @multiply(%x: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
  %one = weft.constant dense<1.0> : tensor<3xf64> : tensor<3xf64>
  %zero = weft.constant dense<0.0> : tensor<3xf64> : tensor<3xf64>
  %0 = weft.multiply %x, %one : tensor<3xf64>
  %1 = weft.multiply %one, %x : tensor<3xf64>
  %2 = weft.multiply %x, %zero : tensor<3xf64>
  return %0, %1, %2 : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
}

// CHECK-LABEL: func.func @divide(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK: %[[Q:.*]] = weft.divide %{{.*}}, %[[X]]
// CHECK: return %[[X]], %[[Q]]
func.func @divide(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %one = weft.constant dense<1.0> : tensor<3xf32> : tensor<3xf32>
  %0 = weft.divide %x, %one : tensor<3xf32>
  %1 = weft.divide %one, %x : tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}

// CHECK-LABEL: func.func @select(
// CHECK-SAME: %[[C:.*]]: tensor<2xi1>, %[[X:.*]]: tensor<2xf32>, %[[Y:.*]]: tensor<2xf32>
// CHECK: return %[[X]], %[[X]], %[[Y]]
func.func @select(%c: tensor<2xi1>, %x: tensor<2xf32>, %y: tensor<2xf32>)
    -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %yes = weft.constant dense<true> : tensor<2xi1> : tensor<2xi1>
  %no = weft.constant dense<false> : tensor<2xi1> : tensor<2xi1>
  %0 = weft.select %c, %x, %x : tensor<2xi1>, tensor<2xf32>
  %1 = weft.select %yes, %x, %y : tensor<2xi1>, tensor<2xf32>
  %2 = weft.select %no, %x, %y : tensor<2xi1>, tensor<2xf32>
  return %0, %1, %2 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// A mixed condition is kept.
// CHECK-LABEL: func.func @select_mixed(
// CHECK: weft.select
func.func @select_mixed(%x: tensor<2xf32>, %y: tensor<2xf32>) -> tensor<2xf32> {
  %c = weft.constant dense<[true, false]> : tensor<2xi1> : tensor<2xi1>
  %0 = weft.select %c, %x, %y : tensor<2xi1>, tensor<2xf32>
  return %0 : tensor<2xf32>
}

// A cast to the same type is nothing; one of a constant is a constant, where that is exact to say.
// CHECK-LABEL: func.func @cast(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK-DAG: %[[HALF:.*]] = weft.constant dense<1.500000e+00> : tensor<3xf16>
// CHECK-DAG: %[[FLOAT:.*]] = weft.constant dense<2.000000e+02> : tensor<3xf32>
// CHECK-DAG: %[[WRAPPED:.*]] = weft.constant dense<-56> : tensor<3xi8>
// CHECK-DAG: %[[ROUNDED:.*]] = weft.cast %{{.*}} : tensor<3xf32> -> tensor<3xi32>
// CHECK: return %[[X]], %[[HALF]], %[[FLOAT]], %[[WRAPPED]], %[[ROUNDED]]
func.func @cast(%x: tensor<3xf32>)
    -> (tensor<3xf32>, tensor<3xf16>, tensor<3xf32>, tensor<3xi8>, tensor<3xi32>) {
  %float = weft.constant dense<1.5> : tensor<3xf32> : tensor<3xf32>
  %byte = weft.constant dense<200> : tensor<3xui8> : tensor<3xui8>
  %0 = weft.cast %x : tensor<3xf32> -> tensor<3xf32>
  %1 = weft.cast %float : tensor<3xf32> -> tensor<3xf16>
  %2 = weft.cast %byte : tensor<3xui8> -> tensor<3xf32>
  %3 = weft.cast %byte : tensor<3xui8> -> tensor<3xi8>
  %4 = weft.cast %float : tensor<3xf32> -> tensor<3xi32>
  return %0, %1, %2, %3, %4
      : tensor<3xf32>, tensor<3xf16>, tensor<3xf32>, tensor<3xi8>, tensor<3xi32>
}

// A reshape of a reshape is one; one back is none; one of equal elements is a constant.
// CHECK-LABEL: func.func @reshape(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>
// CHECK-DAG: %[[SPLAT:.*]] = weft.constant dense<1.000000e+00> : tensor<3x2xf32>
// CHECK-DAG: %[[ONE:.*]] = weft.reshape %[[X]] : tensor<2x3xf32> -> tensor<3x2xf32>
// CHECK: return %[[ONE]], %[[X]], %[[SPLAT]]
func.func @reshape(%x: tensor<2x3xf32>) -> (tensor<3x2xf32>, tensor<2x3xf32>, tensor<3x2xf32>) {
  %ones = weft.constant dense<1.0> : tensor<6xf32> : tensor<6xf32>
  %0 = weft.reshape %x : tensor<2x3xf32> -> tensor<6xf32>
  %1 = weft.reshape %0 : tensor<6xf32> -> tensor<3x2xf32>
  %2 = weft.reshape %0 : tensor<6xf32> -> tensor<2x3xf32>
  %3 = weft.reshape %ones : tensor<6xf32> -> tensor<3x2xf32>
  return %1, %2, %3 : tensor<3x2xf32>, tensor<2x3xf32>, tensor<3x2xf32>
}

// Unknown sizes may differ: a reshape between equal types of unknown sizes is still one.
// CHECK-LABEL: func.func @reshape_unknown(
// CHECK: weft.reshape
func.func @reshape_unknown(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %0 = weft.reshape %x : tensor<?x?xf32> -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @transpose(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>, %[[U:.*]]: tensor<?x?xf32>
// CHECK-DAG: %[[SPLAT:.*]] = weft.constant dense<1.000000e+00> : tensor<3x2xf32>
// CHECK: return %[[X]], %[[SPLAT]], %[[U]]
func.func @transpose(%x: tensor<2x3xf32>, %u: tensor<?x?xf32>)
    -> (tensor<2x3xf32>, tensor<3x2xf32>, tensor<?x?xf32>) {
  %ones = weft.constant dense<1.0> : tensor<2x3xf32> : tensor<2x3xf32>
  %0 = weft.transpose %x [0, 1] : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = weft.transpose %ones [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %2 = weft.transpose %u [0, 1] : tensor<?x?xf32> -> tensor<?x?xf32>
  return %0, %1, %2 : tensor<2x3xf32>, tensor<3x2xf32>, tensor<?x?xf32>
}

// CHECK-LABEL: func.func @broadcast(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK-DAG: %[[SPLAT:.*]] = weft.constant dense<1.000000e+00> : tensor<2x3xf32>
// CHECK: return %[[X]], %[[SPLAT]]
func.func @broadcast(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<2x3xf32>) {
  %one = weft.constant dense<1.0> : tensor<f32> : tensor<f32>
  %0 = weft.broadcast %x [0] : tensor<3xf32> -> tensor<3xf32>
  %1 = weft.broadcast %one [] : tensor<f32> -> tensor<2x3xf32>
  return %0, %1 : tensor<3xf32>, tensor<2x3xf32>
}

// Repeating unknown sizes is not nothing: the one may be 1, the other not.
// CHECK-LABEL: func.func @broadcast_unknown(
// CHECK: weft.broadcast
func.func @broadcast_unknown(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = weft.broadcast %x [0] : tensor<?xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// The whole tensor in its order is no slice; reversed it is one.
// CHECK-LABEL: func.func @slice(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
// CHECK-DAG: %[[SPLAT:.*]] = weft.constant dense<1.000000e+00> : tensor<2xf32>
// CHECK-DAG: %[[BACK:.*]] = weft.slice %[[X]] starts [2] steps [-1]
// CHECK: return %[[X]], %[[BACK]], %[[SPLAT]]
func.func @slice(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<2xf32>) {
  %ones = weft.constant dense<1.0> : tensor<3xf32> : tensor<3xf32>
  %0 = weft.slice %x starts [0] steps [1] : tensor<3xf32> -> tensor<3xf32>
  %1 = weft.slice %x starts [2] steps [-1] : tensor<3xf32> -> tensor<3xf32>
  %2 = weft.slice %ones starts [1] steps [1] : tensor<3xf32> -> tensor<2xf32>
  return %0, %1, %2 : tensor<3xf32>, tensor<3xf32>, tensor<2xf32>
}

// Padding by nothing is nothing; padding nothing gives the filling.
// CHECK-LABEL: func.func @pad(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[E:.*]]: tensor<0xf32>
// CHECK-DAG: %[[SPLAT:.*]] = weft.constant dense<7.000000e+00> : tensor<2xf32>
// CHECK: return %[[X]], %[[SPLAT]]
func.func @pad(%x: tensor<3xf32>, %e: tensor<0xf32>) -> (tensor<3xf32>, tensor<2xf32>) {
  %seven = weft.constant dense<7.0> : tensor<f32> : tensor<f32>
  %0 = weft.pad %x, %seven low [0] interior [0] : tensor<3xf32>, tensor<f32> -> tensor<3xf32>
  %1 = weft.pad %e, %seven low [0] interior [0] : tensor<0xf32>, tensor<f32> -> tensor<2xf32>
  return %0, %1 : tensor<3xf32>, tensor<2xf32>
}

// Replacing nothing is nothing. The value in the place of everything stays a copy of it.
// CHECK-LABEL: func.func @update(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[V:.*]]: tensor<3xf32>
// CHECK: %[[COPY:.*]] = weft.update %[[X]], %[[V]]
// CHECK: return %[[X]], %[[COPY]]
func.func @update(%x: tensor<3xf32>, %v: tensor<3xf32>, %e: tensor<0xf32>)
    -> (tensor<3xf32>, tensor<3xf32>) {
  %0 = weft.update %x, %e starts [0] steps [1] : tensor<3xf32>, tensor<0xf32> -> tensor<3xf32>
  %1 = weft.update %x, %v starts [0] steps [1] : tensor<3xf32>, tensor<3xf32> -> tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}
