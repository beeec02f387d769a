// What is not of the level of loops is refused, by its name.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-lower-to-llvm

// expected-error@+1 {{failed to legalize operation 'weft.kernel'}}
weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> tensor<?xf32, #weft.sizes<[0]>> {
  weft.yield %x : tensor<?xf32, #weft.sizes<[0]>>
}
