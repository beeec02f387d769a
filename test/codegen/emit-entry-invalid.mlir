// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-emit-entry
// RUN: not weft-opt %s --split-input-file --weft-emit-entry="name=2x" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not weft-opt %s --split-input-file --weft-emit-entry="threads=all" 2>&1 | FileCheck %s --check-prefix=THREADS

// NAME: cannot be named "2x": the name has to be an identifier of C
// THREADS: cannot run with threads=all; there are none, hook and pool
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'weft.exp' op is not in a kernel; run weft-fuse first}}
  %0 = weft.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// A part of an argument is no tensor of its own.
func.func @main(%x: tensor<4x16xf32>) -> tensor<16xf32> {
  // expected-error@+1 {{'weft.slice' op is returned, so that a kernel has to copy it; run weft-fuse first}}
  %0 = weft.slice %x starts [1, 0] steps [1, 1] : tensor<4x16xf32> -> tensor<1x16xf32>
  %1 = weft.reshape %0 : tensor<1x16xf32> -> tensor<16xf32>
  return %1 : tensor<16xf32>
}

// -----

// Only of an argument.
func.func @main(%x: tensor<4xf32>) -> tensor<2xf32> {
  %0 = weft.launch @k(%x) sizes [4] {offsets = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  // expected-error@+1 {{'weft.slice' op is not in a kernel; run weft-fuse first}}
  %1 = weft.slice %0 starts [2] steps [1] : tensor<4xf32> -> tensor<2xf32>
  %2 = weft.launch @k(%1) sizes [2] {offsets = array<i64: -1>} : (tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has no function @main to compile}}
module {
  func.func @other() {
    return
  }
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{has no place for its results; run weft-plan-memory first}}
  %0 = weft.launch @k(%x) sizes [4] : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{argument #0 is of type 'tensor<?xf32>'; a compiled function takes and gives tensors whose sizes are numbers or named symbols}}
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// expected-error@+1 {{argument #0 is of type 'i32'}}
func.func @main(%x: i32) {
  return
}

// -----

func.func @main(%w: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{keeps values from call to call, which a compiled model does not; its prepared values are constants}}
  %0 = weft.prepare @prepared(%w) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @prepared(%w: tensor<4xf32>) -> tensor<4xf32> {
  return %w : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %p = weft.constant dense<0> : tensor<64xui8> : tensor<64xui8>
  // expected-error@+1 {{has prepared temporary 1, the kernel has 0 behind 2 buffers}}
  %0 = weft.launch @k(%x) prepared(%p : tensor<64xui8>) sizes [4]
      {offsets = array<i64: -1>, temporaries = array<i64: 1>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  %0 = weft.negative %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}
