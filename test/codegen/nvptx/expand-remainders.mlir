// RUN: weft-opt %s --weft-expand-remainders | FileCheck %s
// RUN: weft-opt %s --weft-expand-remainders | weft-opt --weft-expand-remainders | FileCheck %s

// A long division of significands of 24 bits, 40 bits at a time.
// CHECK-LABEL: func.func @single(
// CHECK-NOT: arith.remf
// CHECK: %[[FIRST:.*]] = arith.remui %{{.*}}, %[[DIVISOR:.*]] : i64
// CHECK: scf.while (%{{.*}} = %[[FIRST]], %{{.*}} = %{{.*}}) : (i64, i64) -> (i64, i64)
// CHECK: %[[BITS:.*]] = arith.constant 40 : i64
// CHECK: %[[STEP:.*]] = arith.minui %{{.*}}, %[[BITS]] : i64
// CHECK: %[[SHIFTED:.*]] = arith.shli %{{.*}}, %[[STEP]] : i64
// CHECK: arith.remui %[[SHIFTED]], %[[DIVISOR]] : i64
// CHECK: llvm.intr.ctlz
// CHECK: %[[NAN:.*]] = arith.constant 0x7FC00000 : f32
// CHECK: arith.select %{{.*}}, %{{.*}}, %[[NAN]] : f32
func.func @single(%x: f32, %y: f32) -> f32 {
  %0 = arith.remf %x, %y : f32
  return %0 : f32
}

// Of 53 bits, 11 bits at a time; a vector lane by lane.
// CHECK-LABEL: func.func @double(
// CHECK-COUNT-2: scf.while
// CHECK-NOT: scf.while
func.func @double(%x: vector<2xf64>, %y: vector<2xf64>) -> vector<2xf64> {
  %0 = arith.remf %x, %y : vector<2xf64>
  return %0 : vector<2xf64>
}
