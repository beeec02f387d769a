// RUN: weft-opt %s --weft-pipeline=cpu --until=loops --split-input-file | FileCheck %s

// The sum of a product and what the loop carries is computed in registers, over the block that is
// carried: there are blocks for that, for what the next one would have, and for the two operands.
// CHECK-LABEL: func.func @program_{{[0-9a-f]+}}_1(
// CHECK-COUNT-4: llvm.alloca
// CHECK-NOT: llvm.alloca
// CHECK: scf.while
// CHECK-COUNT-6: math.fma
// CHECK: %[[TOTAL:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK-NEXT: %[[SUM:.*]] = arith.addf %[[TOTAL]], %{{.*}} : vector<16xf32>
// CHECK: llvm.store %[[SUM]]
// The grid covers the result if it has 6 rows or fewer for each place, and 16 columns.
// CHECK-LABEL: func.func @program_{{[0-9a-f]+}}_setup(
// CHECK: %[[ROWS:.*]] = arith.muli %{{.*}}, %c6
// CHECK: arith.cmpi sle, %{{.*}}, %[[ROWS]] : index
// CHECK: arith.select %{{.*}}, %c0{{.*}} : index
func.func @product(%a: tensor<24x8xf32>, %b: tensor<8x16xf32>) -> tensor<24x16xf32> {
  %0 = weft.program "product" grid [4] initial [-1] (%a, %b) : (tensor<24x8xf32>, tensor<8x16xf32>) -> tensor<24x16xf32> {
    %zero = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %zeros = weft.constant dense<0.0> : tensor<6x16xf32> : tensor<6x16xf32>
    %six = weft.constant dense<6> : tensor<i64> : tensor<i64>
    %eight = weft.constant dense<8> : tensor<i64> : tensor<i64>
    %id = weft.program_id 0 : tensor<i64>
    %first = weft.multiply %id, %six : tensor<i64>
    %firsts = weft.broadcast %first [] : tensor<i64> -> tensor<6xi64>
    %line = weft.iota 0 : tensor<6xi64>
    %row = weft.add %firsts, %line : tensor<6xi64>
    %lane = weft.iota 0 : tensor<16xi64>
    %rows = weft.broadcast %row [0] : tensor<6xi64> -> tensor<6x16xi64>
    %columns = weft.broadcast %lane [1] : tensor<16xi64> -> tensor<6x16xi64>
    %loop:2 = weft.while init(%zero, %zeros) with(%eight, %row) : (tensor<i64>, tensor<6x16xf32>, tensor<i64>, tensor<6xi64>) -> (tensor<i64>, tensor<6x16xf32>) {
    ^bb0(%i: tensor<i64>, %total: tensor<6x16xf32>, %end: tensor<i64>, %own: tensor<6xi64>):
      %more = weft.less %i, %end : tensor<i64> -> tensor<i1>
      weft.yield %more : tensor<i1>
    } do {
    ^bb0(%i: tensor<i64>, %total: tensor<6x16xf32>, %end: tensor<i64>, %own: tensor<6xi64>):
      %step = weft.constant dense<4> : tensor<i64> : tensor<i64>
      %next = weft.add %i, %step : tensor<i64>
      %depth = weft.iota 0 : tensor<4xi64>
      %starts = weft.broadcast %i [] : tensor<i64> -> tensor<4xi64>
      %k = weft.add %starts, %depth : tensor<4xi64>
      %across = weft.broadcast %k [1] : tensor<4xi64> -> tensor<6x4xi64>
      %ownRows = weft.broadcast %own [0] : tensor<6xi64> -> tensor<6x4xi64>
      %left = weft.program_load 0[%ownRows, %across] at "k.py:1:1: load of a" : (tensor<6x4xi64>, tensor<6x4xi64>) -> tensor<6x4xf32>
      %down = weft.broadcast %k [0] : tensor<4xi64> -> tensor<4x16xi64>
      %lanes = weft.iota 1 : tensor<4x16xi64>
      %right = weft.program_load 1[%down, %lanes] at "k.py:2:1: load of b" : (tensor<4x16xi64>, tensor<4x16xi64>) -> tensor<4x16xf32>
      %product = weft.matmul %left, %right : tensor<6x4xf32>, tensor<4x16xf32> -> tensor<6x16xf32>
      %sum = weft.add %total, %product : tensor<6x16xf32>
      weft.yield %next, %sum : tensor<i64>, tensor<6x16xf32>
    }
    %stored = weft.program_store %loop#1 to 0[%rows, %columns] after %zero at "k.py:3:1: store to c" : (tensor<i64>, tensor<6x16xf32>, tensor<6x16xi64>, tensor<6x16xi64>) -> tensor<i64>
    weft.program_end %stored : tensor<i64>
  }
  return %0 : tensor<24x16xf32>
}

// -----

// The block and its largest element are computed in one loop; of another one the powers and their sum.
// Two programs may store to one element: the result is filled, whatever the sizes are.
// CHECK-LABEL: func.func @program_{{[0-9a-f]+}}_1(
// CHECK-COUNT-2: llvm.alloca
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c64{{.*}} step %c16{{.*}} iter_args
// CHECK: llvm.store
// CHECK: arith.select
// CHECK: scf.yield
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c64{{.*}} step %c16{{.*}} iter_args
// CHECK: math.exp
// CHECK: llvm.store
// CHECK: arith.addf
// CHECK: scf.yield
// CHECK-LABEL: func.func @program_{{[0-9a-f]+}}_setup(
// CHECK-NOT: arith.select
// CHECK: return
func.func @powers(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = weft.program "powers" grid [2] initial [-1] (%x) : (tensor<64xf32>) -> tensor<64xf32> {
    %zero = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %at = weft.iota 0 : tensor<64xi64>
    %v = weft.program_load 0[%at] at "k.py:1:1: load of x" : (tensor<64xi64>) -> tensor<64xf32>
    %most = weft.max %v [0] : tensor<64xf32> -> tensor<f32>
    %all = weft.broadcast %most [] : tensor<f32> -> tensor<64xf32>
    %less = weft.subtract %v, %all : tensor<64xf32>
    %powers = weft.exp %less : tensor<64xf32>
    %sum = weft.sum %powers [0] : tensor<64xf32> -> tensor<f32>
    %sums = weft.broadcast %sum [] : tensor<f32> -> tensor<64xf32>
    %made = weft.divide %powers, %sums : tensor<64xf32>
    %stored = weft.program_store %made to 0[%at] after %zero at "k.py:2:1: store to out" : (tensor<i64>, tensor<64xf32>, tensor<64xi64>) -> tensor<i64>
    weft.program_end %stored : tensor<i64>
  }
  return %0 : tensor<64xf32>
}
