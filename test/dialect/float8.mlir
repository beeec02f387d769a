// RUN: weft-opt %s | weft-opt | FileCheck %s
// RUN: weft-opt %s --weft-pipeline=cpu --until=loops | FileCheck %s --check-prefix=LOOPS

// Kept as bytes, converted by integer operations.
// CHECK: weft.cast %{{.*}} : tensor<64xf32> -> tensor<64xf8E4M3FN>
// LOOPS: arith.andi
// LOOPS: arith.trunci %{{.*}} : vector<[[LANES:[0-9]+]]xi32> to vector<[[LANES]]xi8>
// LOOPS: llvm.store %{{.*}} : vector<[[LANES]]xi8>
func.func @narrow(%x: tensor<64xf32>) -> tensor<64xf8E4M3FN> {
  %0 = weft.cast %x : tensor<64xf32> -> tensor<64xf8E4M3FN>
  return %0 : tensor<64xf8E4M3FN>
}

// CHECK: weft.cast %{{.*}} : tensor<64xf8E5M2> -> tensor<64xf32>
// LOOPS: llvm.load %{{.*}} -> vector<[[WIDE:[0-9]+]]xi8>
// LOOPS: arith.extui %{{.*}} : vector<[[WIDE]]xi8> to vector<[[WIDE]]xi32>
func.func @wide(%x: tensor<64xf8E5M2>) -> tensor<64xf32> {
  %0 = weft.cast %x : tensor<64xf8E5M2> -> tensor<64xf32>
  return %0 : tensor<64xf32>
}
