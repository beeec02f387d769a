// Schedules that are not a GPU's, operations that it can't compute.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-emit-loops=target=cuda:sm_80 --weft-lower-to-nvvm

// expected-error@+1 {{has a schedule of 16 lanes; for a GPU they must be a power of 2, at most 8}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 16>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule of grain 6, which is no multiple of its 4 lanes}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>
    attributes {schedule = #weft.elementwise<lanes = 4, grain = 6>} {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{has a schedule with a tile of 32 rows, 64 columns and depth 16; a GPU's are 64 by 64 or 128 by 128, of depth 16 for 'f32'}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.block_contraction<rows = 32, columns = 64, depth = 16>} {
  %0 = weft.matmul %x, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.block_contraction<rows = 64, columns = 64, depth = 16>} {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
  // expected-error@+1 {{reads operand 0 from within its kernel, but a GPU's template reads operands from memory; compute it in a kernel of its own}}
  %1 = weft.matmul %0, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %1 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

// expected-error@+1 {{has a schedule for warpgroups with a tile of 64 columns; theirs have 128 or 256}}
weft.kernel @k(%x: tensor<?x?xf16, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf16, #weft.sizes<[1, 2]>>) -> tensor<?x?xf16, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.warpgroup_contraction<columns = 64>} {
  %0 = weft.matmul %x, %y : tensor<?x?xf16, #weft.sizes<[0, 1]>>, tensor<?x?xf16, #weft.sizes<[1, 2]>> -> tensor<?x?xf16, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf16, #weft.sizes<[0, 2]>>
}

// -----

weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>, %y: tensor<?x?xf32, #weft.sizes<[1, 2]>>) -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
    attributes {schedule = #weft.warpgroup_contraction<columns = 128>} {
  // expected-error@+1 {{can't be computed by warpgroups, whose operands are float16 or bfloat16 matrices in memory}}
  %0 = weft.matmul %x, %y : tensor<?x?xf32, #weft.sizes<[0, 1]>>, tensor<?x?xf32, #weft.sizes<[1, 2]>> -> tensor<?x?xf32, #weft.sizes<[0, 2]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0, 2]>>
}

// -----

func.func @f(%x: f32) -> f32 {
  // expected-error@+1 {{'math.exp' op has no expansion for a GPU, which has no library of functions}}
  %0 = math.exp %x : f32
  return %0 : f32
}

// -----

llvm.func @f(%x: f64) -> f64 {
  // expected-error@+1 {{sin of float64 can't be computed on a GPU: angles from 2^28 on need a library, which it does not have; convert to float32 before}}
  %0 = llvm.intr.sin(%x) : (f64) -> f64
  llvm.return %0 : f64
}
