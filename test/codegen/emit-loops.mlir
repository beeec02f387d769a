// The structure of what each template emits. The arithmetic of ops and of addresses has its own tests.
// RUN: weft-opt %s --weft-emit-loops --canonicalize --cse | FileCheck %s

// The documented example. A stage takes buffers, sizes and a range of tasks; rank 1 is cut into tasks
// of `grain` elements, whole vectors first, then the rest under a mask.
// CHECK-LABEL: func.func @rank1_0(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %[[MIDDLE:.*]] step %c16
// CHECK: llvm.load %{{.*}} -> vector<16xf32>
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: llvm.store %{{.*}} : vector<16xf32>
// CHECK: scf.for %{{.*}} = %[[MIDDLE]] to %{{.*}} step %c16
// CHECK: llvm.intr.masked.load
// CHECK: math.exp
// CHECK: llvm.intr.masked.store
// CHECK-LABEL: func.func @rank1_setup(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK-SAME: weft.stages = 1 : i64, weft.temporaries = 0 : i64
// CHECK: arith.addi %{{.*}}, %c1023
// CHECK: arith.divui %{{.*}}, %c1024
// CHECK: llvm.store
weft.kernel @rank1(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// One element, one task, no loop.
// CHECK-LABEL: func.func @rank0_0(
// CHECK-NOT: scf.for
// CHECK: math.exp %{{.*}} : f32
// CHECK-LABEL: func.func @rank0_setup(
// CHECK: %[[ONE:.*]] = arith.constant 1 : i64
// CHECK-NEXT: llvm.store %[[ONE]]
weft.kernel @rank0(%x: tensor<f32, #weft.sizes<>>) -> tensor<f32, #weft.sizes<>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.exp %x : tensor<f32, #weft.sizes<>>
  weft.yield %0 : tensor<f32, #weft.sizes<>>
}

// Rank 2: a task is a row. A value per column is a vector, one per row a scalar before the loop.
// CHECK-LABEL: func.func @rank2_0(
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c1
// CHECK: scf.for %{{.*}} step %c16
// CHECK: arith.addf %{{.*}} : vector<16xf32>
weft.kernel @rank2(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?xf32, #weft.sizes<[1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.broadcast %b [1] : tensor<?xf32, #weft.sizes<[1]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.add %x, %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Rank 3: a task is one pair of the outer indices. The transposed operand is gathered.
// CHECK-LABEL: func.func @rank3_0(
// CHECK: scf.for
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: scf.for %{{.*}} step %c16
// CHECK-LABEL: func.func @rank3_setup(
// CHECK: arith.muli
weft.kernel @rank3(%x: tensor<?x?x?xf32, #weft.sizes<[2, 1, 0]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.transpose %x [2, 1, 0] : tensor<?x?x?xf32, #weft.sizes<[2, 1, 0]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
}

// Two results of one walk: the value is computed once and stored twice.
// CHECK-LABEL: func.func @two_results_0(
// CHECK: math.exp
// CHECK-NOT: math.exp
// CHECK: llvm.store
// CHECK: llvm.store
// CHECK: scf.for
weft.kernel @two_results(%x: tensor<?xf32, #weft.sizes<[0]>>)
    -> (tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[0]>>)
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.negative %0 : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0, %1 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[0]>>
}

// Padding at the end only is padding: elements beyond x are the filling, and x is not read there.
// CHECK-LABEL: func.func @pad_0(
// CHECK: scf.for
// CHECK: arith.cmpi
// CHECK: masked.load
weft.kernel @pad(%x: tensor<?xf32, #weft.sizes<[0]>>, %v: tensor<f32, #weft.sizes<>>)
    -> tensor<?xf32, #weft.sizes<[1]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.pad %x, %v low [0] interior [0] : tensor<?xf32, #weft.sizes<[0]>>, tensor<f32, #weft.sizes<>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// Where a slice begins is read behind the sizes; neighbours stay neighbours.
// CHECK-LABEL: func.func @slice_from_launch_0(
// CHECK-SAME: %{{.*}}: !llvm.ptr, %[[SIZES:.*]]: !llvm.ptr
// CHECK: llvm.getelementptr %[[SIZES]][2]
// CHECK-NOT: masked_gather
// CHECK: scf.for
weft.kernel @slice_from_launch(%x: tensor<?xf32, #weft.sizes<[0]>>)
    -> tensor<?xf32, #weft.sizes<[1]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.slice %x starts [?0] steps [1] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// float16 is computed in float32 and rounded once, when it is stored.
// CHECK-LABEL: func.func @half_0(
// CHECK: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: arith.truncf %{{.*}} : vector<16xf32> to vector<16xf16>
weft.kernel @half(%x: tensor<?xf16, #weft.sizes<[0]>>) -> tensor<?xf16, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.exp %x : tensor<?xf16, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf16, #weft.sizes<[0]>>
}

// A row: blocks of a fixed length, in each the lanes and then a tree, in this order on every target.
// CHECK-LABEL: func.func @rows_0(
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c1
// CHECK: scf.for %{{.*}} step %c2048 iter_args(%{{.*}} = %{{.*}}) -> (f32)
// CHECK: scf.for %{{.*}} step %c16 iter_args({{.*}}) -> (vector<16xf32>)
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: vector<8xf32>
// CHECK: vector<4xf32>
// CHECK: vector<2xf32>
// CHECK: vector<1xf32>
weft.kernel @rows(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// Rows side by side do not wait for each other's sums; those that are left are reduced one by one. The
// results rest on the stack until their row is finished.
// CHECK-LABEL: func.func @side_by_side_0(
// CHECK: %[[SLOTS:.*]] = llvm.alloca %{{.*}} x f32
// CHECK: scf.for %{{.*}} step %c2048{{.*}} iter_args(%{{.*}}) -> (f32, f32)
// CHECK: scf.for %{{.*}} step %c16{{.*}} iter_args(%{{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK: llvm.store
// CHECK: llvm.store
// CHECK: scf.for %{{.*}} step %c2048{{.*}} iter_args(%{{.*}}) -> (f32)
// CHECK: llvm.getelementptr %[[SLOTS]]
// CHECK: llvm.load %{{.*}} -> f32
// CHECK: math.sqrt
weft.kernel @side_by_side(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, chains = 2>} {
  %0 = weft.sum %x [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %1 = weft.sqrt %0 : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %1 : tensor<?xf32, #weft.sizes<[0]>>
}

// What is dear and needed in a later pass goes to the stack: the last pass computes it only if the row
// is longer than there is room for.
// CHECK-LABEL: func.func @kept_0(
// CHECK: %[[KEPT:.*]] = llvm.alloca %{{.*}} x f32
// CHECK: math.exp
// CHECK: llvm.store %{{.*}} : vector<16xf32>
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: %[[LONG:.*]] = arith.cmpi sgt, %{{.*}}, %c2048
// CHECK: scf.if %[[LONG]]
// CHECK: math.exp
// CHECK: llvm.load %{{.*}} -> vector<16xf32>
// CHECK-NOT: math.exp
// CHECK: arith.divf
// CHECK-LABEL: func.func @kept_setup(
weft.kernel @kept(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.rows<lanes = 16, kept = 128>} {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.broadcast %1 [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %3 = weft.divide %0, %2 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %3 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Few long rows: blocks are summed by tasks of their own, side by side, their sums by another stage; what
// is as long as the row is one more.
// CHECK-LABEL: func.func @row_blocks_0(
// CHECK: scf.for %{{.*}} step %c2{{.*}} {
// CHECK: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK: iter_args({{.*}}) -> (vector<16xf32>)
// CHECK-LABEL: func.func @row_blocks_1(
// CHECK: scf.for %{{.*}} step %c1{{.*}} iter_args({{.*}}) -> (f32)
// CHECK: arith.addf %{{.*}} : f32
// CHECK-LABEL: func.func @row_blocks_2(
// CHECK: arith.subf
// CHECK-LABEL: func.func @row_blocks_setup(
// CHECK-SAME: weft.stages = 3 : i64, weft.temporaries = 2 : i64
weft.kernel @row_blocks(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, chains = 2, blocks = 4>} {
  %0 = weft.sum %x [0] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<f32, #weft.sizes<>>
  %1 = weft.broadcast %0 [] : tensor<f32, #weft.sizes<>> -> tensor<?xf32, #weft.sizes<[0]>>
  %2 = weft.subtract %x, %1 : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %2 : tensor<?xf32, #weft.sizes<[0]>>
}

// Vectors of rows that lie across: element p goes to vector p modulo 16 of those on the stack, which a tree
// joins at the end of a block.
// CHECK-LABEL: func.func @rows_across_0(
// CHECK: %[[SUMS:.*]] = llvm.alloca %c256
// CHECK: scf.for %{{.*}} step %c2048{{.*}} iter_args(%{{.*}} = %{{.*}}) -> (vector<16xf32>)
// CHECK: scf.for %[[ELEMENT:.*]] = %{{.*}} step %c1
// CHECK-DAG: arith.remui %[[ELEMENT]], %c16
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: llvm.store
// CHECK: }
// CHECK-COUNT-15: arith.addf %{{.*}} : vector<16xf32>
// CHECK: scf.yield
weft.kernel @rows_across(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.rows<lanes = 16, across = true>} {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.sum %0 [1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %1 : tensor<?xf32, #weft.sizes<[0]>>
}

// Columns: one stage sums blocks of rows into a temporary, another the blocks.
// CHECK-LABEL: func.func @columns_0(
// CHECK: step %c1 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-LABEL: func.func @columns_1(
// CHECK: step %c1 iter_args({{.*}}) -> (vector<16xf32>)
// CHECK-LABEL: func.func @columns_setup(
// CHECK-SAME: weft.stages = 2 : i64, weft.temporaries = 1 : i64
weft.kernel @columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>>
    attributes {schedule = #weft.columns<lanes = 16>} {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// The largest elements of windows: the search has their values, so that nothing looks for them by their places.
// CHECK-LABEL: func.func @largest_of_windows_0(
// CHECK-COUNT-3: arith.cmpf ugt
// CHECK-NOT: arith.cmpi eq
// CHECK-LABEL: func.func @largest_of_windows_setup(
weft.kernel @largest_of_windows(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 4, 5, 3]>> attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.window_max_index %x window [2, 2] strides [2, 2] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>> -> tensor<?x?x?x?xui8, #weft.sizes<[0, 4, 5, 3]>>
  %1 = weft.window_gather %x, %0 window [2, 2] strides [2, 2] : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?x?xui8, #weft.sizes<[0, 4, 5, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 4, 5, 3]>>
  weft.yield %1 : tensor<?x?x?x?xf32, #weft.sizes<[0, 4, 5, 3]>>
}

// The register tile of a contraction: a chain of fma in the order of K for each element, the epilogue
// after the last one. The lower rest has tiles of one row.
// CHECK-LABEL: func.func @matmul_0(
// CHECK: scf.for %{{.*}} step %c2
// CHECK: scf.for %{{.*}} step %c1 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK: math.fma
// CHECK: math.fma
// CHECK: scf.yield
// CHECK: scf.if
// CHECK: scf.for %{{.*}} step %c1 iter_args({{.*}}) -> (vector<16xf32>)
// CHECK: math.fma
// CHECK-LABEL: func.func @matmul_setup(
// CHECK-SAME: weft.stages = 1 : i64
weft.kernel @matmul(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>,
                    %c: tensor<?xf32, #weft.sizes<[2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 256>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  %1 = weft.broadcast %c [1] : tensor<?xf32, #weft.sizes<[2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  %2 = weft.add %0, %1 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %2 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// Packing the right operand is a stage of its own, into one more temporary.
// CHECK-LABEL: func.func @packed_0(
// CHECK-NOT: math.fma
// CHECK: llvm.store %{{.*}} : vector<16xf32>
// CHECK-LABEL: func.func @packed_1(
// CHECK: math.fma
// CHECK-LABEL: func.func @packed_setup(
// CHECK-SAME: weft.stages = 2 : i64
weft.kernel @packed(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, depth = 256, pack_rhs = true>} {
  %0 = weft.matmul %a, %b : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// A task packs the right operand for itself, a block of the depth at a time, before its tiles.
// CHECK-LABEL: func.func @packed_by_blocks_0(
// CHECK: llvm.alloca
// CHECK-NOT: math.fma
// CHECK: vector.shuffle
// CHECK: math.fma
// CHECK-LABEL: func.func @packed_by_blocks_setup(
// CHECK-SAME: weft.stages = 1 : i64
weft.kernel @packed_by_blocks(%a: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %b: tensor<?x?xf32, #weft.sizes<[2, 1]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 1, columns = 2, depth = 256, pack_lhs = true, pack_block = 256>} {
  %0 = weft.matmul %a, %b {transpose_rhs = true} : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[2, 1]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// Dot products of pairs of depths, in 32 bits; what is left of the sum is the result's. A depth that
// is not even ends with a zero.
// CHECK-LABEL: func.func @pairs_0(
// CHECK: arith.extsi %{{.*}} : vector<16xi8> to vector<16xi16>
// CHECK: arith.select
// CHECK: vector.interleave %{{.*}} : vector<16xi16> -> vector<32xi16>
// CHECK-LABEL: func.func private @pairs_helper0(
// CHECK: arith.trunci %{{.*}} : vector<16xi32> to vector<16xi8>
// CHECK-LABEL: func.func @pairs_1(
// CHECK: vector.bitcast %{{.*}} : vector<16xi32> to vector<32xi16>
// CHECK: arith.extsi %{{.*}} : vector<32xi16> to vector<32xi32>
// CHECK: vector.shuffle %{{.*}} [0, 2, 4,
// CHECK: vector.shuffle %{{.*}} [1, 3, 5,
weft.kernel @pairs(%a: tensor<?x?xi8, #weft.sizes<[0, 1]>>, %b: tensor<?x?xi8, #weft.sizes<[1, 2]>>)
    -> tensor<?x?xi8, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 1, columns = 1, depth = 256, pack_lhs = true, pack_rhs = true, steps = 2>} {
  %0 = weft.matmul %a, %b : tensor<?x?xi8, #weft.sizes<[0, 1]>>, tensor<?x?xi8, #weft.sizes<[1, 2]>> -> tensor<?x?xi8, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xi8, #weft.sizes<[0, 2]>>
}

// Vectors along the batch: one of the right operand for all rows, one of the left for each.
// CHECK-LABEL: func.func @vector_left_0(
// CHECK: scf.for %{{.*}} iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-3: llvm.load %{{.*}} -> vector<16xf32>
// CHECK-NOT: splat
// CHECK: math.fma
weft.kernel @vector_left(%x: tensor<?x?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3, 4]>>, %w: tensor<?x?x?x?x?xf32, #weft.sizes<[5, 6, 4, 3, 7]>>)
    -> tensor<?x?x?x?x?xf32, #weft.sizes<[0, 8, 9, 3, 7]>>
    attributes {schedule = #weft.contraction<lanes = 16, rows = 2, columns = 1, vector_lhs = true>} {
  %0 = weft.convolution %x, %w strides [1, 1] dilations [1, 1] : tensor<?x?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3, 4]>>, tensor<?x?x?x?x?xf32, #weft.sizes<[5, 6, 4, 3, 7]>> -> tensor<?x?x?x?x?xf32, #weft.sizes<[0, 8, 9, 3, 7]>>
  weft.yield %0 : tensor<?x?x?x?x?xf32, #weft.sizes<[0, 8, 9, 3, 7]>>
}

// What lies across is loaded along memory, turned, and read by the rows of the tile.
// CHECK-LABEL: func.func @turned_0(
// CHECK: llvm.alloca
// CHECK: vector.shuffle
// CHECK: llvm.store %{{.*}} : vector<8xf32>
// CHECK: llvm.load %{{.*}} -> vector<16xf32>
// CHECK: math.exp
// CHECK-NOT: gather
weft.kernel @turned(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.transposition<tile = 64, lanes = 16>} {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.exp %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Behind a frame the rows that there are are turned.
// CHECK-LABEL: func.func @framed_0(
// CHECK: arith.cmpi ult
// CHECK: scf.if
// CHECK: vector.shuffle
// CHECK: llvm.load %{{.*}} -> vector<16xf32>
// CHECK-NOT: gather
weft.kernel @framed(%x: tensor<?x?x?xf32, #weft.sizes<[2, 3, 4]>>) -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
    attributes {schedule = #weft.transposition<tile = 64, lanes = 16>} {
  %v = weft.constant dense<0.0> : tensor<f32> : tensor<f32, #weft.sizes<>>
  %0 = weft.pad %x, %v low [0, ?0, 1] interior [0, 0, 0] : tensor<?x?x?xf32, #weft.sizes<[2, 3, 4]>>, tensor<f32, #weft.sizes<>> -> tensor<?x?x?xf32, #weft.sizes<[2, 0, 1]>>
  %1 = weft.transpose %0 [1, 2, 0] : tensor<?x?x?xf32, #weft.sizes<[2, 0, 1]>> -> tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
  weft.yield %1 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>
}

// What is split into lines is stored line by line in the frame around them.
// CHECK-LABEL: func.func @regrouped_0(
// CHECK: math.exp
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: llvm.store %{{.*}} : vector<16xf32>
weft.kernel @regrouped(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?x?x?xf32, #weft.sizes<[2, 3, 1]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024, framed = true>} {
  %v = weft.constant dense<0.0> : tensor<f32> : tensor<f32, #weft.sizes<>>
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  %1 = weft.regroup %0 [0, 1] to [0, 0, 1] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?x?x?xf32, #weft.sizes<[4, 5, 1]>>
  %2 = weft.pad %1, %v low [1, ?0, 0] interior [0, 0, 0] : tensor<?x?x?xf32, #weft.sizes<[4, 5, 1]>>, tensor<f32, #weft.sizes<>> -> tensor<?x?x?xf32, #weft.sizes<[2, 3, 1]>>
  weft.yield %2 : tensor<?x?x?xf32, #weft.sizes<[2, 3, 1]>>
}

// Vectors across a short innermost dimension are stored element by element.
// CHECK-LABEL: func.func @across_0(
// CHECK-NOT: gather
// CHECK: llvm.load %{{.*}} -> vector<16xf32>
// CHECK: llvm.intr.masked.scatter
weft.kernel @across(%x: tensor<?x?xf32, #weft.sizes<[1, 0]>>) -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024, across = true>} {
  %0 = weft.transpose %x [1, 0] : tensor<?x?xf32, #weft.sizes<[1, 0]>> -> tensor<?x?xf32, #weft.sizes<[0, 1]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 1]>>
}

// Two neighbours side by side share weights and pixels: 3 and 4 loads of vectors, not 6 and 6, where no
// window reaches into the border; where one may, masks say what there is. The rest is computed one by one.
// CHECK-LABEL: func.func @jammed_0(
// CHECK: scf.if
// CHECK-NEXT: scf.for
// CHECK-COUNT-7: llvm.load %{{.*}} -> vector<16xf32>
// CHECK-NOT: llvm.load
// CHECK-COUNT-2: llvm.store
// CHECK: scf.if
// CHECK-NEXT: scf.for
// CHECK-NOT: scf.if
// CHECK: llvm.intr.masked.load
// CHECK-NOT: scf.if
// CHECK-COUNT-2: llvm.store
// CHECK: arith.select
// CHECK: scf.for
weft.kernel @jammed(%x: tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, %w: tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>>)
    -> tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024, jam = 2>} {
  %0 = weft.depthwise_convolution %x, %w window [1, 3] strides [1, 1] dilations [1, 1] low [0, 1] high [0, 1] {channels_last = true} : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>, tensor<?x?x?xf32, #weft.sizes<[4, 5, 3]>> -> tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>
  weft.yield %0 : tensor<?x?x?x?xf32, #weft.sizes<[0, 1, 2, 3]>>
}

// The first stage of a scatter copies x, the second adds the updates in the order of the indices,
// those in range that are of the task's rows.
// CHECK-LABEL: func.func @scatter_0(
// CHECK: "llvm.intr.memcpy"
// CHECK-LABEL: func.func @scatter_1(
// CHECK: scf.for
// CHECK: scf.for
// CHECK: llvm.load {{.*}} -> i64
// CHECK: arith.cmpi ult
// CHECK: scf.if
// CHECK: arith.addf
// CHECK: llvm.store
// CHECK-LABEL: func.func @scatter_setup(
// CHECK-SAME: weft.stages = 2
weft.kernel @scatter(%x: tensor<?xf32, #weft.sizes<[0]>>, %i: tensor<?xi64, #weft.sizes<[1]>>,
                     %u: tensor<?xf32, #weft.sizes<[1]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.update<lanes = 16>} {
  %0 = weft.scatter_add %x, %i, %u axis 0 : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xi64, #weft.sizes<[1]>>, tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// Functions on tensors are the plan, which was read before: nothing of them is left.
// CHECK-NOT: @plan
// CHECK-NOT: @no_launch
func.func @plan(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.launch @rank1(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @no_launch(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// A concatenation that is the one result is copied operand by operand, without a condition.
// CHECK-LABEL: func.func @joined_columns_0(
// CHECK-NOT: scf.if
// CHECK-NOT: arith.select
// CHECK: scf.for %{{.*}} step %c1
// CHECK-COUNT-4: scf.for %{{.*}} step %c16
// CHECK-NOT: scf.for
// CHECK-LABEL: func.func @joined_columns_setup(
weft.kernel @joined_columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[0, 2]>>)
    -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.exp %y : tensor<?x?xf32, #weft.sizes<[0, 2]>>
  %1 = weft.concatenate %x, %0 axis 1 : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[0, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 3]>>
  weft.yield %1 : tensor<?x?xf32, #weft.sizes<[0, 3]>>
}

// Along an outer dimension of three a task is of one operand, or asks once which one it is of.
// CHECK-LABEL: func.func @joined_planes_0(
// CHECK: scf.for
// CHECK: scf.if
// CHECK: scf.for %{{.*}} step %c16
// CHECK: scf.if
// CHECK: scf.for %{{.*}} step %c16
// CHECK-LABEL: func.func @joined_planes_setup(
weft.kernel @joined_planes(%x: tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, %y: tensor<?x?x?xf32, #weft.sizes<[3, 1, 2]>>)
    -> tensor<?x?x?xf32, #weft.sizes<[4, 1, 2]>>
    attributes {schedule = #weft.elementwise<lanes = 16, grain = 1024>} {
  %0 = weft.concatenate %x, %y axis 0 : tensor<?x?x?xf32, #weft.sizes<[0, 1, 2]>>, tensor<?x?x?xf32, #weft.sizes<[3, 1, 2]>> -> tensor<?x?x?xf32, #weft.sizes<[4, 1, 2]>>
  weft.yield %0 : tensor<?x?x?xf32, #weft.sizes<[4, 1, 2]>>
}

// An update stores its elements alone: here every ?1st, under the mask of a vector.
// CHECK-LABEL: func.func @update_1(
// CHECK: llvm.intr.masked.scatter
// CHECK-LABEL: func.func @update_setup(
weft.kernel @update(%x: tensor<?xf32, #weft.sizes<[0]>>, %v: tensor<?xf32, #weft.sizes<[1]>>)
    -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.update<lanes = 16>} {
  %0 = weft.update %x, %v starts [?0] steps [?1]
      : tensor<?xf32, #weft.sizes<[0]>>, tensor<?xf32, #weft.sizes<[1]>> -> tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
