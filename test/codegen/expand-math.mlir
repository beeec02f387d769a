// RUN: weft-opt %s -weft-expand-math | FileCheck %s
// RUN: weft-opt %s -weft-expand-math=scale | FileCheck %s --check-prefix=SCALE

// CHECK-LABEL: func.func @rsqrt
// CHECK-SAME:    (%[[X:.*]]: vector<8xf32>)
// CHECK:         %[[ONE:.*]] = arith.constant dense<1.000000e+00> : vector<8xf32>
// CHECK-NEXT:    %[[ROOT:.*]] = math.sqrt %[[X]] : vector<8xf32>
// CHECK-NEXT:    %[[Y:.*]] = arith.divf %[[ONE]], %[[ROOT]] : vector<8xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @rsqrt(%x: vector<8xf32>) -> vector<8xf32> {
  %y = math.rsqrt %x : vector<8xf32>
  return %y : vector<8xf32>
}

// exp of f32 stays in f32: bounds, reduction in two steps, six coefficients, two powers of two.
// CHECK-LABEL: func.func @exp_f32
// CHECK-NOT:     math.exp
// CHECK-NOT:     f64
// CHECK-NOT:     fastmath
// CHECK-COUNT-2: arith.select
// CHECK:         math.fma
// CHECK:         arith.bitcast {{.*}} : vector<16xf32> to vector<16xi32>
// CHECK-COUNT-8: math.fma
// CHECK:         arith.shli
// CHECK:         arith.andi
// CHECK:         math.fma
// CHECK-NOT:     math.fma
// CHECK:         arith.mulf
// CHECK-NEXT:    return
func.func @exp_f32(%x: vector<16xf32>) -> vector<16xf32> {
  %y = math.exp %x : vector<16xf32>
  return %y : vector<16xf32>
}

// The rarer functions of f32 are computed in f64.
// CHECK-LABEL: func.func @sinh_f32
// CHECK:         arith.extf %{{.*}} : f32 to f64
// CHECK-NOT:     math.sinh
// CHECK-NOT:     math.copysign
// CHECK:         arith.xori %{{.*}} : i64
// CHECK-NEXT:    arith.bitcast %{{.*}} : i64 to f64
// CHECK-NEXT:    %[[Y:.*]] = arith.truncf %{{.*}} : f64 to f32
// CHECK-NEXT:    return %[[Y]]
func.func @sinh_f32(%x: f32) -> f32 {
  %y = math.sinh %x : f32
  return %y : f32
}

// Large arguments of f32 are reduced by integers behind a branch, without a call.
// CHECK-LABEL: func.func @cos_f32
// CHECK-NOT:     math.cos
// CHECK-NOT:     llvm.intr
// CHECK:         %[[ANY:.*]] = vector.reduction <or>, %{{.*}} : vector<4xi1> into i1
// CHECK-NEXT:    %{{.*}}:2 = scf.if %[[ANY]] -> (vector<4xf64>, vector<4xi64>)
// CHECK:           arith.muli
// CHECK:           arith.sitofp
// CHECK:         } else {
// CHECK-NEXT:      scf.yield
// CHECK-NOT:     llvm.intr
// CHECK:         return
func.func @cos_f32(%x: vector<4xf32>) -> vector<4xf32> {
  %y = math.cos %x : vector<4xf32>
  return %y : vector<4xf32>
}

// Those of f64 go to libm, lane by lane.
// CHECK-LABEL: func.func @sin_f64
// CHECK-NOT:     math.sin
// CHECK:         scf.if
// CHECK:           scf.for
// CHECK:             llvm.intr.sin(%{{.*}}) : (f64) -> f64
// CHECK:         } else {
func.func @sin_f64(%x: vector<4xf64>) -> vector<4xf64> {
  %y = math.sin %x : vector<4xf64>
  return %y : vector<4xf64>
}

// CHECK-LABEL: func.func @sin_f64_scalar
// CHECK:         scf.if
// CHECK-NOT:       scf.for
// CHECK:           llvm.intr.sin(%{{.*}}) : (f64) -> f64
// CHECK:         } else {
func.func @sin_f64_scalar(%x: f64) -> f64 {
  %y = math.sin %x : f64
  return %y : f64
}

// What is one instruction stays; so does what is not ours.
// CHECK-LABEL: func.func @kept
// CHECK-NEXT:    math.sqrt
// CHECK-NEXT:    math.floor
// CHECK-NEXT:    math.absf
// CHECK-NEXT:    math.copysign
// CHECK-NEXT:    math.fma
// CHECK-NEXT:    math.exp %{{.*}} : f16
// CHECK-NEXT:    return
func.func @kept(%x: f32, %y: f32, %h: f16) -> (f32, f16) {
  %0 = math.sqrt %x : f32
  %1 = math.floor %0 : f32
  %2 = math.absf %1 : f32
  %3 = math.copysign %2, %y : f32
  %4 = math.fma %3, %x, %y : f32
  %5 = math.exp %h : f16
  return %4, %5 : f32, f16
}

// Operations inside regions are found, and each expansion has its own constants before it.
// CHECK-LABEL: func.func @nested
// CHECK:         scf.for
// CHECK-NEXT:      %[[ONE:.*]] = arith.constant 1.000000e+00 : f64
// CHECK-NEXT:      %[[ROOT:.*]] = math.sqrt
// CHECK-NEXT:      arith.divf %[[ONE]], %[[ROOT]]
// CHECK-NOT:       math.tanh
// CHECK:           scf.yield
func.func @nested(%x: f64, %n: index) -> f64 {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %sum = scf.for %i = %zero to %n step %one iter_args(%a = %x) -> f64 {
    %r = math.rsqrt %a : f64
    %t = math.tanh %r : f64
    scf.yield %t : f64
  }
  return %sum : f64
}

// Two registers of numbers that are multiplied by powers of two in one instruction each.
// SCALE-LABEL:   func.func @exp_f64
// SCALE-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.pd.512"
// SCALE-NOT:     llvm.call_intrinsic
// SCALE:         return
// CHECK-LABEL:   func.func @exp_f64
// CHECK-NOT:     llvm.call_intrinsic
func.func @exp_f64(%x: vector<16xf64>) -> vector<16xf64> {
  %y = math.exp %x : vector<16xf64>
  return %y : vector<16xf64>
}
