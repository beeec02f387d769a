// RUN: weft-opt %s --split-input-file --weft-resolve-sizes --weft-emit-entry="name=net threads=hook" | FileCheck %s
// RUN: weft-opt %s --split-input-file --weft-resolve-sizes --weft-emit-entry="name=net" --weft-lower-to-llvm | FileCheck %s --check-prefix=LOWERED

// LOWERED-NOT: func.func
// LOWERED-NOT: weft.kernel

// Small launches run on the caller; places come from the plan.
// CHECK: llvm.func internal @k_0(
// CHECK: llvm.func internal @k_setup(
// CHECK: llvm.func internal @weft.workspace(
// CHECK: %[[BYTES:.*]] = llvm.mlir.constant(64 : i64)
// CHECK: llvm.return %[[BYTES]]
// CHECK: llvm.func internal @weft.execute(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %[[WORKSPACE:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK: llvm.call @k_setup(
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[WORKSPACE]][%{{.*}}] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: llvm.store %[[PLACE]]
// CHECK: scf.if
// CHECK-NEXT: llvm.call @k_0(
// CHECK: llvm.call @k_setup(
// CHECK: llvm.call @k_0(
// CHECK: llvm.func internal @weft.measure(
// CHECK: llvm.mlir.global internal constant @weft.model()
// CHECK: llvm.func @net_run(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr) -> i32
// CHECK: llvm.func @net_workspace_bytes() -> i64
// CHECK: llvm.func @net_invoke(
// CHECK: llvm.func @net_error_text(
// CHECK-NOT: map_weights
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {weft.arena = 64 : i64} {
  %0 = weft.launch @k(%x) sizes [4] {offsets = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = weft.launch @k(%0) sizes [4] {offsets = array<i64: -1>} : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Work for many threads goes through the caller's parallel_for.
// CHECK: {{^// --[-]--}}
// CHECK: llvm.func internal @weft.execute({{.*}}, %[[CONTEXT:[^:]*]]: !llvm.ptr) {
// CHECK: %[[STAGE:.*]] = llvm.mlir.addressof @k_0
// CHECK: llvm.call @weft_model_launch(%[[CONTEXT]], %[[STAGE]],
// CHECK-NOT: llvm.call @k_0(
// LOWERED: llvm.call @k_0(
func.func @main(%x: tensor<4000000xf32>) -> tensor<4000000xf32> {
  %0 = weft.launch @k(%x) sizes [4000000] {offsets = array<i64: -1>} : (tensor<4000000xf32>) -> tensor<4000000xf32>
  return %0 : tensor<4000000xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// Outputs that no launch writes are copied; constants are part of the object, or lie in the file.
// CHECK: {{^// --[-]--}}
// CHECK: llvm.mlir.global internal constant @weft.constant_0("\01\00\01")
// CHECK-SAME: alignment = 64
// CHECK-NOT: @weft.constant_1(
// CHECK: llvm.func internal @weft.execute({{.*}}, %[[CONTEXT:[^:]*]]: !llvm.ptr) {
// CHECK-DAG: %[[OFFSET:.*]] = llvm.mlir.constant(640 : i64)
// CHECK-DAG: "llvm.intr.memcpy"
// CHECK-DAG: llvm.mlir.addressof @weft.constant_0
// CHECK-DAG: %[[FIELD:.*]] = llvm.getelementptr %[[CONTEXT]][2]
// CHECK-DAG: %[[WEIGHTS:.*]] = llvm.load %[[FIELD]]
// CHECK-DAG: llvm.getelementptr %[[WEIGHTS]][%[[OFFSET]]]
// CHECK: llvm.mlir.constant(77 : i64)
// CHECK: llvm.func @net_map_weights(
// CHECK: llvm.func @net_unmap_weights(
module attributes {weft.weights_file = {bytes = 1000 : i64, header_bytes = 72 : i64, hash = 77 : i64}} {
  func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<3xi1>, tensor<2xf64>) {
    %0 = weft.constant dense<[true, false, true]> : tensor<3xi1> : tensor<3xi1>
    %1 = weft.constant {weft.weight_offset = 640 : i64} dense<[1.0, 2.0]> : tensor<2xf64> : tensor<2xf64>
    return %x, %0, %1 : tensor<2xf32>, tensor<3xi1>, tensor<2xf64>
  }
}

// -----

// Symbolic sizes are arguments, and arithmetic on them is checked.
// CHECK: {{^// --[-]--}}
// CHECK: llvm.func internal @weft.measure(
// CHECK: llvm.intr.smul.with.overflow
// CHECK: llvm.func @net_run(%{{.*}}: i64, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr) -> i32
// CHECK: llvm.func @net_workspace_bytes(%{{.*}}: i64) -> i64
func.func @main(%x: tensor<?x4xf32, #weft.shape<["n", 4]>>)
    -> tensor<?xf32, #weft.shape<["4*n"]>> {
  %0 = weft.reshape %x
      : tensor<?x4xf32, #weft.shape<["n", 4]>> -> tensor<?xf32, #weft.shape<["4*n"]>>
  return %0 : tensor<?xf32, #weft.shape<["4*n"]>>
}

// -----

// A stage does not run that would fill what was prepared; an input that it alone reads is nothing.
// CHECK: {{^// --[-]--}}
// CHECK: llvm.func internal @weft.execute(
// CHECK: %[[NOTHING:.*]] = llvm.mlir.zero : !llvm.ptr
// CHECK: llvm.store %[[NOTHING]]
// CHECK: %[[PANELS:.*]] = llvm.mlir.addressof @weft.constant_0
// CHECK: llvm.store %[[PANELS]]
// CHECK-NOT: llvm.call @columns_0(
// CHECK: llvm.call @columns_1(
func.func @main() -> tensor<2xf32> {
  %x = ub.poison : tensor<3x2xf32>
  %p = weft.constant dense<0> : tensor<64xui8> : tensor<64xui8>
  %0 = weft.launch @columns(%x) prepared(%p : tensor<64xui8>) sizes [3, 2]
      {offsets = array<i64: -1>, temporaries = array<i64: 0>} : (tensor<3x2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
weft.kernel @columns(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> tensor<?xf32, #weft.sizes<[1]>>
    attributes {schedule = #weft.columns<lanes = 16>} {
  %0 = weft.sum %x [0] : tensor<?x?xf32, #weft.sizes<[0, 1]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}

// -----

// Functions of loops and branches are plans of their own, in memory that the step gives.
// CHECK: {{^// --[-]--}}
// CHECK: llvm.func internal @weft.workspace(
// CHECK: llvm.call @body.workspace(
// CHECK: llvm.func internal @weft.execute(
// CHECK: llvm.mlir.addressof @body.execute
// CHECK: llvm.mlir.addressof @condition.execute
// CHECK: llvm.mlir.addressof @weft.loop_0
// CHECK: llvm.call @weft_model_loop(
// What is carried once and captured once, and is in place.
// CHECK: llvm.mlir.global internal constant @weft.loop_0(dense<[1, 0, 0, 1, 0, 1]>
// CHECK: llvm.func internal @body.workspace(
// CHECK: llvm.call @kept.workspace(
// CHECK: llvm.call @negated.workspace(
// CHECK: llvm.func internal @body.execute(
// CHECK: llvm.mlir.addressof @weft.branch_0
// CHECK: llvm.call @weft_model_branch(
// CHECK: llvm.mlir.global internal constant @weft.branch_0()
// CHECK: llvm.mlir.addressof @kept.execute
// CHECK: llvm.mlir.addressof @negated.execute
// What is returned as it is may be there already.
// CHECK: llvm.func internal @kept.execute(
// CHECK: llvm.icmp "ne"
// CHECK: "llvm.intr.memcpy"
// CHECK: llvm.func internal @condition.execute(
func.func @main(%x: tensor<4xf32>, %n: tensor<i64>) -> tensor<4xf32> {
  %0 = weft.loop @body while @condition init(%x) with(%n) {offsets = array<i64: -1>}
      : (tensor<4xf32>, tensor<i64>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @body(%x: tensor<4xf32> {weft.donated}, %n: tensor<i64>) -> tensor<4xf32>
    attributes {weft.arena = 64 : i64} {
  %0 = weft.branch [@kept, @negated] %n(%x) {offsets = array<i64: 0>}
      : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %1 = weft.launch @k(%x) sizes [4] {offsets = array<i64: -1>} : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @condition(%x: tensor<4xf32>, %n: tensor<i64>) -> tensor<i1> {
  %0 = weft.constant dense<false> : tensor<i1> : tensor<i1>
  return %0 : tensor<i1>
}
func.func private @kept(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @negated(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.launch @k(%x) sizes [4] {offsets = array<i64: -1>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
