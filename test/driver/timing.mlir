// How long each pass takes, as a tree, as a list, and as JSON.
// RUN: weft-opt %s --weft-pipeline=cpu --mlir-timing -o /dev/null 2>&1 | FileCheck %s --check-prefix=TREE
// RUN: weft-opt %s --weft-pipeline=cpu --mlir-timing --mlir-timing-display=list -o /dev/null 2>&1 | FileCheck %s --check-prefix=LIST
// RUN: weft-opt %s --weft-pipeline=cpu --mlir-timing --mlir-output-format=json -o /dev/null 2> %t.json
// RUN: %python -c "import json; text = open(r'%t.json').read(); assert 'Fuse' in str(json.loads(text))"

// TREE: Execution time report
// TREE: Parser
// TREE: Differentiate
// TREE: Fuse
// TREE: LowerToLLVM
// TREE: Output
// TREE: Total
// LIST: Execution time report
// LIST-DAG: Canonicalizer
// LIST-DAG: CSE

func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
