// Each lane has code of its own: long vectors are refused.
// RUN: weft-opt %s --split-input-file --verify-diagnostics --weft-expand-remainders

func.func @long(%x: vector<2147483648xf64>) -> vector<2147483648xf64> {
  // expected-error@+1 {{is of 'vector<2147483648xf64>'; vectors of one dimension of up to 64 elements are expanded}}
  %0 = arith.remf %x, %x : vector<2147483648xf64>
  return %0 : vector<2147483648xf64>
}

// -----

func.func @tile(%x: vector<2x2xf32>) -> vector<2x2xf32> {
  // expected-error@+1 {{is of 'vector<2x2xf32>'; vectors of one dimension}}
  %0 = arith.remf %x, %x : vector<2x2xf32>
  return %0 : vector<2x2xf32>
}
