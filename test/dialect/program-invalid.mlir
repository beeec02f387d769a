// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @initial(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{has an initial value that is no operand like the result}}
  %0 = weft.program "k" grid [1] initial [2] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    weft.program_end %state : tensor<i64>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @axis(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.program "k" grid [1] initial [-1] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    // expected-error@+1 {{names axis 1 of a grid that has 1}}
    %id = weft.program_id 1 : tensor<i64>
    weft.program_end %id : tensor<i64>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @argument(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.program "k" grid [1] initial [-1] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %at = weft.iota 0 : tensor<4xi64>
    // expected-error@+1 {{names a tensor that its program does not have}}
    %0 = weft.program_load 1 [%at] at "" : (tensor<4xi64>) -> tensor<4xf32>
    weft.program_end %state : tensor<i64>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @shape(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.program "k" grid [1] initial [-1] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %at = weft.iota 0 : tensor<4xi64>
    // expected-error@+1 {{has an operand of type 'tensor<4xi64>' with a block of type 'tensor<8xf32>'}}
    %0 = weft.program_load 0 [%at] at "" : (tensor<4xi64>) -> tensor<8xf32>
    weft.program_end %state : tensor<i64>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @dtype(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.program "k" grid [1] initial [-1] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %at = weft.iota 0 : tensor<4xi64>
    // expected-error@+1 {{has a block of 'i64' of 'f32'}}
    %0 = weft.program_store %at to 0 [%at] after %state at "" : (tensor<i64>, tensor<4xi64>, tensor<4xi64>) -> tensor<i64>
    weft.program_end %0 : tensor<i64>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @indices(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.program "k" grid [1] initial [-1] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %at = weft.iota 0 : tensor<4xi64>
    // expected-error@+1 {{has 2 indices into 'tensor<4xf32>'}}
    %0 = weft.program_load 0 [%at, %at] at "" : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xf32>
    weft.program_end %state : tensor<i64>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @combine(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.program "k" grid [1] initial [-1] (%x) : (tensor<4xf32>) -> tensor<4xf32> {
    %state = weft.constant dense<0> : tensor<i64> : tensor<i64>
    %at = weft.iota 0 : tensor<4xi64>
    %v = weft.program_load 0 [%at] at "" : (tensor<4xi64>) -> tensor<4xf32>
    // expected-error@+1 {{combines by divide; there are add, max and min}}
    %0 = weft.program_store %v by "divide" to 0 [%at] after %state at "" : (tensor<i64>, tensor<4xf32>, tensor<4xi64>) -> tensor<i64>
    weft.program_end %0 : tensor<i64>
  }
  return %0 : tensor<4xf32>
}
