// What the verifiers of kernels and launches refuse.
// RUN: weft-opt %s --split-input-file --verify-diagnostics

// Inside a kernel each dimension has a symbolic size.
// expected-error@+1 {{'weft.kernel' op argument #0 is of type 'tensor<?xf32>'; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>}}
weft.kernel @k(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = weft.exp %x : tensor<?xf32>
  weft.yield %0 : tensor<?xf32>
}

// -----

// expected-error@+1 {{'weft.kernel' op argument #0 is of type 'tensor<?x?xf32, #weft.sizes<[0]>>'; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>}}
weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0]>>) -> tensor<?x?xf32, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?x?xf32, #weft.sizes<[0]>>
}

// -----

// Arguments too, and they are tensors.
// expected-error@+1 {{'weft.kernel' op argument #0 is of type 'tensor<?xf32>'; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>}}
weft.kernel @k(%x: tensor<?xf32>) -> tensor<?xf32> {
  weft.yield %x : tensor<?xf32>
}

// -----

// expected-error@+1 {{'weft.kernel' op argument #0 is of type 'i32'; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>}}
weft.kernel @k(%x: i32) -> i32 {
  weft.yield %x : i32
}

// -----

// Sizes are numbered from 0.
// expected-error@+1 {{'weft.kernel' op argument #0 is of type 'tensor<?xf32, #weft.sizes<[-1]>>'; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[-1]>>) -> tensor<?xf32, #weft.sizes<[-1]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[-1]>>
}

// -----

// What is yielded are the results.
// expected-error@+1 {{'weft.kernel' op yields 'tensor<?xf32, #weft.sizes<[0]>>' but its results are 'tensor<?xf64, #weft.sizes<[0]>>'}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf64, #weft.sizes<[0]>> {
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// expected-error@+1 {{'weft.kernel' op yields  but its results are 'tensor<?xf32, #weft.sizes<[0]>>'}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield
}

// -----

// A kernel has a body that ends with a yield.
// expected-error@+1 {{'weft.kernel' op region #0 ('body') failed to verify constraint: region with 1 blocks}}
weft.kernel private @k(tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  // expected-error@+1 {{block with no terminator, has %0 = "weft.exp"(%arg0) : (tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>>}}
  %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

func.func @f(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  // expected-error@+1 {{'weft.yield' op expects parent op to be one of 'weft.kernel, weft.case, weft.while, weft.scan, weft.checkpoint, weft.custom_derivative'}}
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}

// -----

// A launch names a kernel.
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.launch' op there is no kernel @missing}}
  %0 = weft.launch @missing(%x) sizes [3] : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.launch' op has 2 inputs and 1 outputs, the kernel has 1 and 1}}
  %0 = weft.launch @k(%x, %x) sizes [3] : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xf32>, %p: tensor<8xui8>) {
  // expected-error@+1 {{'weft.launch' op has 1 prepared temporaries, and 0 numbers of them}}
  %0 = weft.launch @k(%x) prepared(%p : tensor<8xui8>) sizes [3] : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xf32>, %p: tensor<8xui8>) {
  // expected-error@+1 {{'weft.launch' op has prepared temporary 2 twice}}
  %0 = weft.launch @k(%x) prepared(%p, %p : tensor<8xui8>, tensor<8xui8>) sizes [3]
      {temporaries = array<i64: 2, 2>} : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.launch' op gives 0 sizes, the kernel names 1}}
  %0 = weft.launch @k(%x) sizes [] : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xi32>) {
  // expected-error@+1 {{'weft.launch' op input #0 is 'tensor<3xi32>', the kernel's is 'tensor<?xf32, #weft.sizes<[0]>>'}}
  %0 = weft.launch @k(%x) sizes [3] : (tensor<3xi32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.launch' op output #0 is 'tensor<3xi32>', the kernel's is 'tensor<?xf32, #weft.sizes<[0]>>'}}
  %0 = weft.launch @k(%x) sizes [3] : (tensor<3xf32>) -> tensor<3xi32>
  return
}

// -----

// The kernel takes no scalar numbers of other kinds.
// expected-error@+1 {{'weft.kernel' op argument #0 is of type 'tensor<f32>'; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>}}
weft.kernel @k(%x: tensor<f32>) -> tensor<f32> {
  weft.yield %x : tensor<f32>
}

// -----

// The sizes are those of the tensors.
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.launch' op input #0 of shape [3] has 3 elements, the kernel's 'tensor<?xf32, #weft.sizes<[0]>>' of sizes [400] has 400}}
  %0 = weft.launch @k(%x) sizes [400] : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[1]>> {
  %0 = weft.slice %x starts [?1] steps [1] : tensor<?xf32, #weft.sizes<[0]>> -> tensor<?xf32, #weft.sizes<[1]>>
  weft.yield %0 : tensor<?xf32, #weft.sizes<[1]>>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{'weft.launch' op gives 1 parameters, the kernel takes 2}}
  %0 = weft.launch @k(%x) sizes [3, 2] {parameters = [1 : i64]} : (tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @no_function(%w: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{there is no function @prepare}}
  %0 = weft.prepare @prepare(%w) : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @prepare(%w: tensor<3xf32>) -> tensor<3xf32> {
  return %w : tensor<3xf32>
}
func.func @other_types(%w: tensor<4xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{takes 'tensor<4xf32>' and gives 'tensor<3xf32>', the function takes 'tensor<3xf32>' and gives 'tensor<3xf32>'}}
  %0 = weft.prepare @prepare(%w) : (tensor<4xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
